/**
 * A machine: what `machine.ts` promises, of the parts that `assembly.ts` puts together. It runs by `run-loop.ts`, is saved
 * by `machine-snapshots.ts`, and looked at by `inspect.ts`.
 */
import { Assembly, type BoardType } from './assembly.js'
import type { MachineParts } from './debug/machine-parts.js'
import type { AccessSize } from './device.js'
import type { Display } from './devices/display/display.js'
import { NO_DISPLAY } from './devices/display/no-display.js'
import { UsageError } from './errors.js'
import { type Departure, Exploration, type ExplorationPlan } from './exploration.js'
import { type BiosKeys, biosKeys } from './firmware/bios-keyboard.js'
import type { InputEvent, InputQueue } from './input.js'
import { partsOf, reportOn } from './inspect.js'
import type { Machine, MachineExit, MachineOptions } from './machine.js'
import { MachineSnapshots } from './machine-snapshots.js'
import type { BlockDevice } from './media/block-device.js'
import type { RemovableDrive } from './media/drive-id.js'
import type { LoggedRequest } from './network/lan/services/request-log.js'
import { isOutsideInput } from './network/outside.js'
import type { MachineReport } from './report.js'
import type { MachineShape, MachineState } from './state/machine-state.js'
import { StuckGuest } from './stuck-guest.js'

export class VirtualMachine extends Assembly implements Machine {
  readonly display: Display
  private readonly snapshots: MachineSnapshots
  private readonly stuck: StuckGuest
  /** undefined: the plain run. */
  private exploration: Exploration | undefined

  constructor(options: MachineOptions, type: BoardType) {
    super(options, type)
    const { board, cpu } = this
    this.snapshots = new MachineSnapshots(this, options)
    this.stuck = new StuckGuest(cpu, () => board.silence())
    this.display = board.display ?? NO_DISPLAY
    this.loop.reset()
    if (options.coverage) cpu.watchExecution?.()
  }

  get engine() {
    return this.cpu.kind
  }

  now(): number {
    return this.cpu.now()
  }

  instructions(cpu?: number): number {
    return this.cpu.instructions(cpu)
  }

  idleUntil(): number {
    return this.loop.idleUntil()
  }

  run(until: number, hostEnd = Number.POSITIVE_INFINITY): MachineExit | undefined {
    return this.loop.run(until, hostEnd)
  }

  requestStop(): void {
    this.loop.requestStop()
  }

  input(event: InputEvent): void {
    const { board, loop, network, serial } = this
    const { keyboard, mouse, power } = board
    loop.stir()
    switch (event.kind) {
      case 'key':
        // It does as the power button does, as on QEMU.
        if (loop.asleep && event.down) loop.wakeBy(power.buttonEvent)
        keyboard.key(event)
        break
      case 'mouse':
        mouse.move(event)
        break
      case 'serial':
        serial[event.port].receive?.(event.bytes)
        break
      case 'power-button':
        if (loop.asleep) loop.wakeBy(power.buttonEvent)
        else power.button()
        break
      case 'reset':
        loop.reset()
        break
      case 'nmi':
        power.nmi()
        break
      case 'link':
      case 'frame':
      case 'cut':
        network?.input(event)
        break
      default:
        if (isOutsideInput(event)) network?.input(event)
    }
  }

  pending(queue: InputQueue): number {
    const { keyboard, mouse, i8042 } = this.board
    if (queue === 'keyboard') return keyboard.pending() + (i8042.holdsKey ? 1 : 0)
    if (queue === 'mouse') return mouse.pending() + (i8042.holdsMovement ? 1 : 0)
    return this.serial[Number(queue.slice('COM'.length)) - 1].pending?.() ?? 0
  }

  biosKeys(): BiosKeys | undefined {
    return biosKeys(this.cpu.getState(0), this.memory)
  }

  insert(drive: RemovableDrive, medium: BlockDevice | undefined): void {
    this.board.insert(drive, medium)
    this.hold(drive, medium)
  }

  suspectStuck(): void {
    this.stuck.suspect(this.wiring.accesses)
  }

  isStuck(): string | undefined {
    const { loop, wiring } = this
    return loop.asleep ? undefined : this.stuck.why(wiring.accesses)
  }

  lostStack(): string | undefined {
    const { cpu, debugTarget } = this
    for (let i = 0; i < cpu.cpus; i++) {
      const lost = debugTarget.lostStack(i)
      if (lost !== undefined) return `the stack of ${cpu.cpus > 1 ? `CPU ${i}` : 'its CPU'} has overrun: ${lost}`
    }
    return undefined
  }

  explore(plan: ExplorationPlan): void {
    const { clock, cpu } = this
    if (!cpu.explore)
      throw new UsageError('a machine is explored on the soft engine, where each run can be repeated; take that')
    this.exploration = new Exploration(plan)
    clock.exploration = this.exploration
    cpu.explore(this.exploration)
  }

  departures(): readonly Departure[] | undefined {
    return this.exploration?.applied
  }

  requests(): LoggedRequest[] {
    return this.network?.requests() ?? []
  }

  report(): MachineReport {
    return reportOn(this)
  }

  parts(): MachineParts {
    return partsOf(this)
  }

  port(address: number, size: AccessSize, value?: number): number {
    if (value === undefined) return this.ports.read(address, size)
    this.ports.write(address, value, size)
    return value
  }

  save(): MachineState {
    return this.snapshots.save()
  }

  fingerprint(): string {
    return this.snapshots.fingerprint()
  }

  shape(): MachineShape {
    return this.snapshots.shape()
  }

  load(state: MachineState): void {
    this.snapshots.load(state)
    this.stuck.forget()
  }

  close(): void {
    this.cpu.close()
    this.guestMemory.release()
  }
}
