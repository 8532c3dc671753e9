/** Saves a machine whole, between two instructions, and has it go on from there: CPUs, time, devices, media, memory. */
import type { Assembly } from './assembly.js'
import { DEFAULT_CPU } from './cpu/models.js'
import { cpuStates } from './cpu/registers.js'
import { ARENA_GUEST } from './cpu/soft/layout.js'
import type { Stateful } from './device.js'
import type { MachineOptions } from './machine.js'
import { MediumError } from './media/block-device.js'
import type { DriveId } from './media/drive-id.js'
import { Overlay, type OverlayImage } from './media/overlay.js'
import { checkState, type LikeState } from './state/check-state.js'
import { hashParts } from './state/compare.js'
import { damaged } from './state/fields.js'
import { checkShape, loadOrder, type MachineShape, type MachineState } from './state/machine-state.js'
import { SnapshotError } from './state/snapshot-error.js'
import { saveState, takeState } from './state/state-table.js'

export class MachineSnapshots {
  private readonly shapeBase: Pick<MachineShape, 'cpu' | 'ram'>
  /** Whose members are the machine's own, all in one record. */
  private readonly owners: readonly Stateful[]

  constructor(
    private readonly machine: Assembly,
    { cpu = DEFAULT_CPU, memory }: MachineOptions,
  ) {
    this.shapeBase = { cpu, ram: memory }
    this.owners = [machine.loop, machine.errors]
  }

  save(): MachineState {
    return { ...this.saveAllButMemory(), memory: this.machine.guestMemory.capture(), isOwn: true }
  }

  fingerprint(): string {
    const hash = hashParts({ ...this.saveAllButMemory(), memory: { size: 0, layers: [] } })
    this.machine.guestMemory.forEachPage((page, bytes) => hash.update(`${page}\n`).update(bytes))
    return hash.digest('hex')
  }

  load(state: MachineState): void {
    const { cpu } = this.machine
    checkShape(state.shape, this.shape())
    if (!state.isOwn || state.shape.engine !== cpu.kind) checkState(state, this.ownState())
    try {
      this.take(state)
    } catch (error) {
      if (error instanceof SnapshotError) throw error
      throw damaged('the machine', (error as Error).message)
    }
    if (Math.abs(cpu.now() - state.time.ns) > 1) throw damaged('time', 'its counts do not make the guest time')
  }

  shape(): MachineShape {
    const { board, cpu, guestMemory, media, memory } = this.machine
    return {
      ...this.shapeBase,
      engine: cpu.kind,
      cpus: cpu.cpus,
      devices: { ...Object.fromEntries(board.devices.map(({ name }) => [name, name])), ...board.types },
      memory: memory.allocations().map(({ name, offset, size }) => ({ name, offset: offset - ARENA_GUEST, size })),
      memorySize: guestMemory.size,
      media: Object.fromEntries([...media].map(([slot, { size }]) => [slot, size])),
    }
  }

  private saveAllButMemory(): Omit<MachineState, 'memory'> {
    const { board, clock, cpu } = this.machine
    const media: MachineState['media'] = {}
    for (const [slot, medium] of this.machine.media) {
      if (!(medium instanceof Overlay) && !medium.readOnly)
        throw new SnapshotError(
          `${slot} is written in place, so a snapshot of this machine could not be gone back to; open it without "write"`,
        )
      media[slot] = medium instanceof Overlay ? changesOf(slot, medium) : null
    }
    cpu.dropTranslations()
    return {
      shape: this.shape(),
      time: cpu.saveTime(),
      cpus: cpuStates(cpu),
      clock: clock.save(),
      devices: Object.fromEntries(board.devices.map((device) => [device.name, saveState(device)])),
      media,
      machine: Object.assign({}, ...this.owners.map(saveState)),
    }
  }

  /** What a state of this machine looks like. */
  private ownState(): LikeState {
    const { board, clock, cpu } = this.machine
    return {
      ...{ time: cpu.saveTime(), cpus: cpuStates(cpu), clock: clock.save() },
      ...{ devices: board.devices, owners: this.owners },
    }
  }

  private take(state: MachineState): void {
    const { board, clock, cpu, guestMemory, media, memory, wiring } = this.machine
    for (const [slot, image] of Object.entries(state.media)) {
      const medium = media.get(slot as DriveId)
      if (image && medium instanceof Overlay) medium.restore(image)
    }
    guestMemory.restore(state.memory)
    // First the time, which devices look at, and last the CPUs and the clock, which devices reach into.
    cpu.loadTime(state.time)
    memory.batch(() => {
      for (const device of loadOrder(board.devices)) takeState(device, state.devices[device.name])
    })
    for (const [i, one] of state.cpus.entries()) cpu.setState(one, i)
    clock.load(state.clock)
    for (const owner of this.owners) takeState(owner, state.machine)
    wiring.portLog.forget()
  }
}

function changesOf(slot: string, medium: Overlay): OverlayImage {
  try {
    return medium.freeze()
  } catch (error) {
    if (error instanceof MediumError) throw new SnapshotError(`${slot} cannot be kept in a snapshot: ${error.message}`)
    throw error
  }
}
