/** A machine whose script runs in its thread, for live views: what a person does goes in beside the script. */
import type { KeyEvent, MouseEvent } from '../../machine/devices/input/events.js'
import type { VmThread } from '../thread/machine-thread.js'
import { type LiveMachine, PointerMovements, type PointerState } from './live-machine.js'

export class ThreadMachine implements LiveMachine {
  private readonly movements = new PointerMovements()

  constructor(
    private readonly vm: VmThread,
    readonly title: string,
  ) {}

  picture(since: number) {
    return this.vm.picture(since)
  }

  key(event: KeyEvent): void {
    this.vm.input({ kind: 'key', ...event })
  }

  mouse(event: MouseEvent): void {
    this.vm.input({ kind: 'mouse', ...event })
  }

  /** A PS/2 mouse cannot be put anywhere: the guest's pointer moves as the viewer's does. */
  pointer(state: PointerState): void {
    const event = this.movements.next(state)
    if (event) this.vm.input({ kind: 'mouse', ...event })
  }
}
