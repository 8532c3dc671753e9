/**
 * A machine around another, for what the machine's thread does with all that comes to it: it hands on what every machine has.
 * What may change the guest unseen (`port`, `explore`) is for those to hand on who know how.
 */
import type { InputEvent, InputQueue } from '../../machine/input.js'
import type { Machine, MachineExit } from '../../machine/machine.js'
import type { BlockDevice } from '../../machine/media/block-device.js'
import type { RemovableDrive } from '../../machine/media/drive-id.js'
import type { MachineState } from '../../machine/state/machine-state.js'

export abstract class WrappedMachine implements Machine {
  protected abstract readonly machine: Machine

  get engine() {
    return this.machine.engine
  }

  get engineReason() {
    return this.machine.engineReason
  }

  get display() {
    return this.machine.display
  }

  get debugTarget() {
    return this.machine.debugTarget
  }

  get log() {
    return this.machine.log
  }

  now() {
    return this.machine.now()
  }

  instructions(cpu?: number) {
    return this.machine.instructions(cpu)
  }

  run(until: number, hostEnd?: number): MachineExit | undefined {
    return this.machine.run(until, hostEnd)
  }

  requestStop() {
    this.machine.requestStop()
  }

  input(event: InputEvent) {
    this.machine.input(event)
  }

  pending(queue: InputQueue) {
    return this.machine.pending(queue)
  }

  biosKeys() {
    return this.machine.biosKeys()
  }

  insert(drive: RemovableDrive, medium: BlockDevice | undefined) {
    this.machine.insert(drive, medium)
  }

  suspectStuck() {
    this.machine.suspectStuck()
  }

  isStuck() {
    return this.machine.isStuck()
  }

  lostStack() {
    return this.machine.lostStack?.()
  }

  requests() {
    return this.machine.requests()
  }

  parts() {
    return this.machine.parts?.()
  }

  report() {
    return this.machine.report()
  }

  save(): MachineState {
    return this.machine.save()
  }

  fingerprint() {
    return this.machine.fingerprint()
  }

  shape() {
    return this.machine.shape()
  }

  load(state: MachineState): void {
    this.machine.load(state)
  }

  close() {
    this.machine.close()
  }
}
