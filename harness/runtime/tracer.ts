/**
 * The machine's side of a trace: tells what is done with it, what it waits for and what it shows, with the guest time
 * of each. It runs in the machine's thread, between two slices of guest time, and changes nothing for the guest.
 */
import type { Display } from '../../machine/devices/display/display.js'
import type { Machine } from '../../machine/machine.js'
import { screenText } from '../picture/screen-text.js'
import type { TraceInput, WaitOutcome } from '../protocol/messages.js'
import type { Step } from '../protocol/script.js'
import { warningLine } from '../words/evidence.js'
import { quoted, shortened } from '../words/quoted.js'

/** Guest time between two pictures while nothing else happens, ns. */
const INTERVAL = 50e6
/** After so many pictures the interval doubles, so that a trace of hours has thousands of pictures, not a million. */
const PICTURES = 300

export class Tracer {
  private generation = -1
  private nextPicture = 0
  private interval = INTERVAL
  private pictures = 0
  /** Keys that were tapped one after the other are one input. */
  private keys: { guestTimeNs: number; names: string[] } | undefined
  private readonly warned = new Set<string>()
  /** What the script's inputs are, in the words of the one who asked for them. */
  private title: string | undefined

  constructor(
    private readonly machine: Machine,
    private readonly display: Display,
    private readonly tell: (event: TraceInput) => void,
  ) {}

  /** A script begins. */
  begin(title: string | undefined): void {
    this.screen()
    this.title = title
    if (title !== undefined) this.event('input', title)
  }

  /** It has ended. */
  end(): void {
    this.tellKeys()
    this.screen()
    this.tellWarnings()
  }

  /** What devices warned of and had not before. */
  private tellWarnings(): void {
    for (const warning of this.machine.report().warnings) {
      if (this.warned.has(warning.text)) continue
      this.warned.add(warning.text)
      this.event('note', `warning: ${warningLine(warning)}`)
    }
  }

  step(step: Step): void {
    if (this.title !== undefined) return
    if (step.kind === 'tap') {
      this.keys ??= { guestTimeNs: this.machine.now(), names: [] }
      this.keys.names.push(step.codes.join('+'))
      return
    }
    this.tellKeys()
    const title = inputTitle(step)
    if (title !== undefined) this.event('input', title)
  }

  wait(title: string): void {
    this.tellKeys()
    this.tell({ kind: 'wait', guestTimeNs: this.machine.now(), title })
  }

  waited(outcome: WaitOutcome, error?: string): void {
    this.screen()
    this.tell({ kind: 'waited', guestTimeNs: this.machine.now(), outcome, ...(error !== undefined && { error }) })
  }

  /** Something that came to pass by itself. */
  note(title: string): void {
    this.tell({ kind: 'note', guestTimeNs: this.machine.now(), title })
  }

  /** A machine that resets itself has blanked its screen by now, which tells nothing. */
  exit(title: string): void {
    this.tellKeys()
    this.generation = this.display.generation()
    this.event('exit', title)
  }

  /** A frame's time has come. */
  atFrame(): void {
    if (this.machine.now() >= this.nextPicture) this.screen()
  }

  /** What is to be seen, where that may have changed. */
  private screen(): void {
    const { display } = this
    const generation = display.generation()
    if (generation === this.generation) return
    this.generation = generation
    if (++this.pictures % PICTURES === 0) this.interval *= 2
    const guestTimeNs = this.machine.now()
    this.nextPicture = guestTimeNs + this.interval
    if (display.mode().kind === 'off') return
    const { width, height, data } = display.frame()
    const cells = display.text()
    const frame = { width, height, data: data.slice() }
    this.tell({ kind: 'screen', guestTimeNs, frame, ...(cells && { text: screenText(cells) }) })
  }

  private tellKeys(): void {
    const { keys } = this
    if (!keys) return
    this.keys = undefined
    this.tell({ kind: 'input', guestTimeNs: keys.guestTimeNs, title: `keys ${shortened(keys.names.join(' '))}` })
  }

  private event(kind: 'input' | 'exit' | 'note', title: string): void {
    this.tell({ kind, guestTimeNs: this.machine.now(), title })
  }
}

/** undefined for what is no input. */
function inputTitle(step: Step): string | undefined {
  switch (step.kind) {
    case 'key':
      return `${step.code} ${step.down ? 'down' : 'up'}`
    case 'mouse-move':
      return `mouse by ${step.dx},${step.dy}`
    case 'mouse-to':
      return `mouse to ${step.x},${step.y}`
    case 'mouse-button':
      return `${step.button} mouse button ${step.down ? 'down' : 'up'}`
    case 'mouse-wheel':
      return `wheel by ${step.notches}`
    case 'mouse-click':
      return step.count === 2 ? `${step.button} double click` : `${step.button} click`
    case 'click-text':
      return `${step.count === 2 ? 'double click' : 'click'} on /${step.pattern.source}/`
    case 'serial-input': {
      const text = typeof step.text === 'string' ? step.text : new TextDecoder().decode(step.text)
      return `to COM${step.port + 1}: ${quoted(text)}`
    }
    case 'power-button':
      return 'power button'
    case 'reset':
      return 'reset button'
    default:
      return undefined
  }
}
