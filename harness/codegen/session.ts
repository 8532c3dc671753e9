/**
 * A machine that a person uses while what they do becomes a test. It runs in short scripts, in real time; between two of
 * them a person's key or click is done just as the test will do it, so that what works here works there.
 */
import type { KeyEvent, MouseEvent } from '../../machine/devices/input/events.js'
import type { MouseButton } from '../keys/boot-command.js'
import type { LiveMachine, PointerState } from '../live/live-machine.js'
import type { Area } from '../picture/compare-pictures.js'
import { allText } from '../picture/screen-reading.js'
import type { RunResult, Step } from '../protocol/script.js'
import type { VmThread } from '../thread/machine-thread.js'
import { RecordedKeys } from './recorded-keys.js'
import { literal, quote, type Recording } from './recording.js'
import { patternOf, textAt, waitPattern } from './screen-wait.js'

/** Guest time of one script while nobody does anything, ns. */
const TURN = 33e6
/** Assertions wait so long by themselves, ns of guest time; a test of what took longer says so. */
const USUAL_WAIT = 20e9
/** How often the picture is looked at, ns of guest time; and what a test waits longer than that it changed. */
const LOOK_EVERY = 330e6
const SETTLE = 1e9
/** Two clicks within this are one double click, ms, and this, pixels. */
const DOUBLE_CLICK = 500
const SAME_PLACE = 4
/** Smaller boxes are slips of the hand, pixels. */
const SMALLEST_BOX = 4

const BUTTONS: readonly (readonly [bit: number, button: MouseButton])[] = [
  [1, 'left'],
  [2, 'right'],
  [4, 'middle'],
]

interface Press {
  button: MouseButton
  x: number
  y: number
  /** Host time, ms. */
  at: number
  statement: string
}

export interface SessionHooks {
  /** The test has grown. */
  onLines(lines: readonly string[]): void
  /** One sentence for the person. */
  onNote(text: string): void
  onGuestTime(guestTimeNs: number): void
}

export class CodegenSession implements LiveMachine {
  private readonly queue: (() => Promise<void>)[] = []
  private readonly keys = new RecordedKeys()
  private buttons = 0
  private held: Press | undefined
  private lastClick: Press | undefined
  /** The screen's text when something was done last. */
  private before = ''
  private doneAt = 0
  /** The display's generation when it was looked at last, when that was, and when it had changed last. */
  private generation = -1
  private lookedAt = 0
  private changedAt = 0
  private guestTime = 0
  private stopped = false

  constructor(
    private readonly vm: VmThread,
    readonly title: string,
    private readonly recording: Recording,
    private readonly hooks: SessionHooks,
  ) {}

  picture(since: number) {
    return this.vm.picture(since)
  }

  key(event: KeyEvent): void {
    this.later(() => this.doKey(event))
  }

  /** Of a captured mouse: it leads the guest's pointer, but a test finds its places by itself. */
  mouse({ dx, dy }: MouseEvent): void {
    this.later(() => this.steps([{ kind: 'mouse-move', dx, dy }]).then(() => {}))
  }

  pointer(state: PointerState): void {
    const changed = state.buttons ^ this.buttons
    this.buttons = state.buttons
    for (const [bit, button] of BUTTONS) {
      if ((changed & bit) === 0) continue
      this.later(() => ((state.buttons & bit) !== 0 ? this.press(button, state) : this.release(button, state)))
    }
    if (state.dz !== 0) this.later(() => this.wheel(state.dz))
  }

  /** Asserts the words at a place. */
  assertText(x: number, y: number): void {
    this.later(async () => {
      const text = textAt(await this.vm.read(), x, y)
      if (text === undefined) {
        this.hooks.onNote('There is no text that can be read; draw a box around it as a picture.')
        return
      }
      this.recording.assert(`await expect(vm.screen).toHaveText(/${patternOf(text)}/)`)
      this.tell(`Asserted: ${text}`)
    })
  }

  /** Asserts the picture of an area, as a needle. */
  assertBox(area: Area): void {
    this.later(async () => {
      if (area.width < SMALLEST_BOX || area.height < SMALLEST_BOX) {
        this.hooks.onNote('That box is too small: draw it from one corner to the other.')
        return
      }
      this.tell(`Asserted as needle ${this.recording.needle(await this.vm.frame(), area)}`)
    })
  }

  undo(): void {
    this.later(async () => {
      this.recording.undo()
      this.tell('')
    })
  }

  /**
   * Runs until it is stopped, or the guest stops for good; returns why where that is so. What was done before it was
   * stopped, and not yet by the guest, is in the test all the same.
   */
  async run(): Promise<string | undefined> {
    for (;;) {
      const action = this.queue.shift()
      if (action) await action()
      else if (this.stopped) break
      else {
        const result = await this.steps([{ kind: 'wait', ns: TURN }])
        if (result?.outcome === 'failed') return this.ended(result)
        await this.watch()
      }
    }
    return undefined
  }

  private async watch(): Promise<void> {
    if (this.guestTime - this.lookedAt < LOOK_EVERY) return
    const picture = await this.vm.picture(this.generation)
    if (picture) {
      this.generation = picture.generation
      this.changedAt = this.guestTime
    }
    this.lookedAt = this.guestTime
  }

  stop(): void {
    this.stopped = true
    this.vm.stop()
  }

  private later(action: () => Promise<void>): void {
    this.queue.push(action)
  }

  /** undefined: nothing more is done with the machine. */
  private async steps(steps: Step[]): Promise<RunResult | undefined> {
    if (this.stopped) return undefined
    const result = await this.vm.run({ steps, realTime: true })
    this.guestTime = result.guestTimeNs
    this.hooks.onGuestTime(result.guestTimeNs)
    return result
  }

  private ended({ exit }: RunResult): string {
    const isExit = exit.reason === 'poweroff' || exit.reason === 'debug-exit'
    const code = exit.code === undefined ? '' : `, code: ${exit.code}`
    if (isExit) this.recording.assert(`await expect(vm).toExit({ reason: ${quote(exit.reason)}${code} })`)
    this.tell('The guest has stopped.')
    return exit.reason
  }

  private async doKey(event: KeyEvent): Promise<void> {
    const note = this.keys.note(event)
    if (note) {
      await this.waitIfAnswered()
      this.recording.key(note)
    }
    await this.steps([{ kind: 'key', code: event.code, down: event.down }])
    if (note) this.tell()
  }

  private async press(button: MouseButton, { x, y }: PointerState): Promise<void> {
    if (this.stopped) return
    const again = this.lastClick
    const isDouble = again?.button === button && isNear(again, { x, y }) && performance.now() - again.at < DOUBLE_CLICK
    if (isDouble) {
      await this.steps([{ kind: 'mouse-button', button, down: true }])
      this.held = { ...again, at: performance.now() }
      return
    }
    // Bringing a pointer to a place takes seconds, in which no key is typed, and this guest would not even see it.
    if (!(await this.vm.look()).mouse) {
      this.hooks.onNote('The guest does not listen to its mouse.')
      return
    }
    await this.waitIfAnswered()
    this.lastClick = undefined
    this.held = undefined
    const words = await this.wordsAt(x, y)
    if (words) {
      await this.clickWords(words, button)
      return
    }
    const options = button === 'left' ? '' : `, { button: ${quote(button)} }`
    const statement = `await vm.mouse.click(${x}, ${y}${options})`
    const result = await this.steps([
      { kind: 'mouse-to', x, y },
      { kind: 'mouse-button', button, down: true },
    ])
    if (result?.outcome === 'failed' && result.exit.reason === 'script') this.hooks.onNote(`${result.error}.`)
    else this.held = { button, x, y, at: performance.now(), statement }
  }

  private async release(button: MouseButton, { x, y }: PointerState): Promise<void> {
    const { held, lastClick } = this
    if (held?.button !== button || this.stopped) return
    this.held = undefined
    const steps: Step[] = isNear(held, { x, y }) ? [] : [{ kind: 'mouse-to', x, y }]
    const up: Step = { kind: 'mouse-button', button, down: false }
    const result = await this.steps([...steps, up])
    if (result?.outcome === 'failed' && result.exit.reason === 'script') {
      await this.steps([up])
      this.hooks.onNote(`${result.error}.`)
      return
    }
    if (steps.length > 0) {
      const options = button === 'left' ? '' : `, { button: ${quote(button)} }`
      const [from, to] = [held, { x, y }].map((point) => `{ x: ${point.x}, y: ${point.y} }`)
      this.recording.do(`await vm.mouse.drag(${from}, ${to}${options})`)
      this.lastClick = undefined
    } else if (lastClick?.statement === held.statement) {
      this.recording.redo(held.statement.replace(/\.click\(/, '.dblclick('))
      this.lastClick = undefined
    } else {
      this.recording.do(held.statement)
      this.lastClick = held
    }
    this.tell()
  }

  /** In text modes, if they are there once; in graphics modes a pixel says more, and the pointer is to be seen. */
  private async wordsAt(x: number, y: number): Promise<RegExp | undefined> {
    if ((await this.vm.look()).mode.kind !== 'text') return undefined
    const reading = await this.vm.read()
    const text = textAt(reading, x, y)
    const pattern = text === undefined ? undefined : new RegExp(patternOf(text), 'm')
    return pattern && [...allText(reading, pattern)].length === 1 ? pattern : undefined
  }

  private async clickWords(words: RegExp, button: MouseButton): Promise<void> {
    const pattern = { source: words.source, flags: words.flags }
    await this.steps([{ kind: 'click-text', pattern, button }])
    const options = button === 'left' ? '' : `{ button: ${quote(button)} }`
    this.recording.do(`await vm.screen.getByText(${literal(words)}).click(${options})`)
    this.tell()
  }

  private async wheel(dz: number): Promise<void> {
    await this.waitIfAnswered()
    this.recording.do(`await vm.mouse.wheel(${dz})`)
    await this.steps([{ kind: 'mouse-wheel', notches: dz }])
    this.tell()
  }

  /** Before something is done: what the person has waited for. */
  private async waitIfAnswered(): Promise<void> {
    const { recording } = this
    if (!recording.awaitsAnswer) return
    const look = await this.vm.look()
    const text = look.text ?? (await this.vm.read()).text
    const isNew = text !== this.before || recording.lines().length === 0
    const pattern = isNew ? waitPattern(text, this.before, look.cells?.cursor?.row) : undefined
    if (pattern === undefined && look.mode.kind === 'graphics') {
      // Some desktops are never still: the time that the person saw the picture change tells what to wait for.
      if (this.changedAt > this.doneAt) recording.pause(this.changedAt - this.doneAt + SETTLE)
    } else if (isNew) {
      const spent = look.guestTimeNs - this.doneAt
      recording.wait(pattern, spent > USUAL_WAIT ? `${Math.ceil((spent * 3) / 60e9)}m` : undefined)
    }
    this.before = text
    this.doneAt = this.guestTime
  }

  private tell(note?: string): void {
    this.hooks.onLines(this.recording.lines())
    if (note !== undefined) this.hooks.onNote(note)
  }
}

function isNear(a: { x: number; y: number }, b: { x: number; y: number }): boolean {
  return Math.abs(a.x - b.x) <= SAME_PLACE && Math.abs(a.y - b.y) <= SAME_PLACE
}
