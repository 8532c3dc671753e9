/** One guest in our machine and in QEMU side by side: both are brought to the same level, and stand there. */

import { type Guest, guestMachine, type Level, levelSteps } from '../../../harness/guest/guest.js'
import type { BootStep } from '../../../harness/keys/boot-command.js'
import { screenText } from '../../../harness/picture/screen-text.js'
import { type Condition, describeCondition } from '../../../harness/protocol/condition.js'
import type { Step } from '../../../harness/protocol/script.js'
import { StopPoints } from '../../../harness/runtime/debug/stop-points.js'
import { SerialLog } from '../../../harness/runtime/serial-log.js'
import { createWatch } from '../../../harness/runtime/watches/watches.js'
import { VmThread } from '../../../harness/thread/machine-thread.js'
import { text } from '../../../harness/vm/conditions.js'
import { type Screen, withCursor } from './compare.js'
import { Qemu } from './qemu.js'

/** How long a picture must stand still before it is compared; a level that never does is given a time instead. */
const STILL_NS = 1.5e9
const STILL_TIMEOUT_NS = 120e9
/** For the text that a level's rules name; on a busy host QEMU takes minutes to find a floppy drive empty. */
const UNTIL_TIMEOUT_NS = 300e9
/** QEMU's screen is looked at so often, ms. */
const LOOK_MS = 100
/** Between two events of keys or mouse, ms; as `harness/runtime/typist.ts` has it. */
const KEY_MS = 50
const MOUSE_MS = 10
const MAX_MOVE = 100

export type Settle = 'still' | { ns: number }

export class Pair {
  private constructor(
    private readonly vm: VmThread,
    private readonly qemu: QemuDriver,
  ) {}

  /** @param options QEMU's, beside those that make it the same machine. */
  static async start(guest: Guest, options: readonly string[] = []): Promise<Pair> {
    const config = await guestMachine(guest)
    const vm = await VmThread.start({ ...config, engine: 'soft' })
    try {
      return new Pair(vm, new QemuDriver(await Qemu.start(config, options)))
    } catch (error) {
      await vm.close()
      throw error
    }
  }

  async end(): Promise<void> {
    this.qemu.end()
    await this.vm.close()
  }

  /** Types a level's keys on both and waits until both have reached it, and show `until` as well. */
  async climb(level: Level, until?: RegExp): Promise<void> {
    const steps = levelSteps(level)
    if (until) steps.push({ kind: 'until', condition: text(until), timeoutNs: UNTIL_TIMEOUT_NS })
    await Promise.all([this.ours(steps), this.qemu.run(steps)])
  }

  /** Lets both come to rest, and looks at both. */
  async look(settle: Settle): Promise<[Screen, Screen]> {
    const condition: Condition = { kind: 'still', ns: STILL_NS }
    const rest: Step[] =
      settle === 'still'
        ? [{ kind: 'until', condition, timeoutNs: STILL_TIMEOUT_NS }]
        : [{ kind: 'wait', ns: settle.ns }]
    const [ours] = await Promise.all([this.ours(rest), this.qemu.run(rest)])
    return [ours, withCursor(ours, await this.qemu.look())]
  }

  private async ours(steps: Step[]): Promise<Screen> {
    const result = await this.vm.run({ steps: [...steps, { kind: 'screenshot', name: 'screen' }] })
    if (result.outcome !== 'ok') throw new Error(`ours: ${result.error}\n${result.text ?? ''}`)
    return { frame: result.shots[0].frame, cells: result.shots[0].cells }
  }
}

/** Carries out the harness's steps on QEMU, which stands still in between as our machine does. */
class QemuDriver {
  private readonly log = new SerialLog()
  private readonly started = performance.now()

  constructor(private readonly qemu: Qemu) {}

  end(): void {
    this.qemu.end()
  }

  async look(): Promise<Screen> {
    const { qemu } = this
    await qemu.look()
    return { frame: qemu.screen.frame(), cells: qemu.screen.text(), cursor: qemu.screen.cursor }
  }

  async run(steps: readonly Step[]): Promise<void> {
    await this.qemu.resume()
    for (const step of steps) await this.step(step)
    await this.qemu.pause()
  }

  private async step(step: Step): Promise<void> {
    const { qemu } = this
    switch (step.kind) {
      case 'until':
        return this.until(step.condition, step.timeoutNs ?? Number.POSITIVE_INFINITY)
      case 'wait-text':
        return this.until({ kind: 'text', pattern: step.pattern }, step.timeoutNs ?? Number.POSITIVE_INFINITY)
      case 'wait':
        return sleep(step.ns / 1e6)
      case 'key':
        await qemu.key(step.code, step.down)
        return sleep(KEY_MS)
      case 'tap':
        return this.tap(step)
      case 'mouse-move':
        return this.move(step.dx, step.dy)
      case 'mouse-click':
        for (const down of [true, false]) {
          await qemu.button(step.button, down)
          await sleep(KEY_MS)
        }
        return
      default:
        throw new Error(`the step ${step.kind} cannot be done in QEMU`)
    }
  }

  private async tap({ codes }: Extract<BootStep, { kind: 'tap' }>): Promise<void> {
    for (const code of codes) await this.qemu.key(code, true)
    await sleep(KEY_MS)
    for (const code of [...codes].reverse()) await this.qemu.key(code, false)
    await sleep(KEY_MS)
  }

  private async move(dx: number, dy: number): Promise<void> {
    const steps = Math.max(1, Math.ceil(Math.max(Math.abs(dx), Math.abs(dy)) / MAX_MOVE))
    for (let i = 0; i < steps; i++) {
      const part = (d: number) => Math.round((d * (i + 1)) / steps) - Math.round((d * i) / steps)
      await this.qemu.move(part(dx), part(dy))
      await sleep(MOUSE_MS)
    }
  }

  private async until(condition: Condition, timeoutNs: number): Promise<void> {
    const { qemu, log } = this
    const shown = () => {
      const cells = qemu.screen.text()
      return cells && screenText(cells)
    }
    const now = () => (performance.now() - this.started) * 1e6
    const end = now() + timeoutNs
    const watch = createWatch(condition, {
      now,
      display: qemu.screen,
      text: shown,
      requests: () => [],
      stops: new StopPoints(undefined),
      serial: () => log,
    })
    for (;;) {
      await qemu.pause()
      await qemu.look()
      for (const byte of qemu.serial()) log.add(byte)
      if (watch.atFrame()) return
      if (now() > end) {
        const seconds = timeoutNs / 1e9
        throw new Error(`QEMU: waited ${seconds} s for ${describeCondition(condition)}\n${shown() ?? ''}`)
      }
      await qemu.resume()
      await sleep(LOOK_MS)
    }
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
