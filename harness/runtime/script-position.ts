/** Where a script is: at a step, and what that waits for. */
import type { Machine, MachineExit } from '../../machine/machine.js'
import { type Condition, comesByItself, outlivesPanic } from '../protocol/condition.js'
import type { Step } from '../protocol/script.js'
import type { Scene, Watch } from './watches/watch.js'
import { createWatch } from './watches/watches.js'

export class ScriptPosition {
  steps: readonly Step[] = []
  index = 0
  /** What is waited for came at a serial byte, a request or a stop. */
  hit = false
  /** What the step's wait ends with. */
  awaited: Condition | undefined
  private watch: Watch | undefined
  /** The test's thread waits for something of its own. */
  private polled = false

  constructor(
    private readonly scene: Scene,
    private readonly machine: Pick<Machine, 'requestStop'>,
  ) {}

  get step(): Step {
    return this.steps[this.index]
  }

  get isWatching(): boolean {
    return this.watch !== undefined
  }

  /** The step ends when this comes. True: it is there. */
  waitFor(condition: Condition): boolean {
    this.watch = createWatch(condition, this.scene)
    this.awaited = condition
    return this.watch.atFrame()
  }

  /** The same where the test's thread judges what has come. */
  poll(condition: Condition | undefined): void {
    this.polled = true
    if (condition) this.watch = createWatch(condition, this.scene)
  }

  /** After a byte on COM1 + port, or what `Watch.atByte` has numbers for besides. */
  noticed(port: number): void {
    if (this.hit || !this.watch?.atByte(port)) return
    this.hit = true
    this.machine.requestStop()
  }

  atFrame(): boolean {
    return this.watch?.atFrame() === true
  }

  atExit(exit: MachineExit): boolean {
    return this.hit || this.watch?.atExit(exit) === true
  }

  leave(): void {
    this.watch = undefined
    this.awaited = undefined
    this.polled = false
  }

  get endsOnPanic(): boolean {
    return this.polled || (this.awaited !== undefined && !outlivesPanic(this.awaited))
  }

  get endsOnHang(): boolean {
    return this.endsOnPanic && (this.awaited === undefined || !comesByItself(this.awaited))
  }
}
