/** Puts a machine together: CPUs, memory, buses and time, and a board built into them. */
import type { Board, Chassis } from './boards/board.js'
import { MemoryMap } from './bus/memory-map.js'
import { PortBus } from './bus/port-bus.js'
import { MachineClock } from './clock.js'
import { createEngine } from './cpu/create-engine.js'
import type { Engine } from './cpu/engine.js'
import { hasLongMode } from './cpu/models.js'
import { ARENA_GUEST } from './cpu/soft/layout.js'
import { CpuWiring } from './cpu-wiring.js'
import { MachineDebugger } from './debug/machine-debugger.js'
import { MachineLog } from './debug/machine-log.js'
import type { CharBackend } from './devices/device-type.js'
import { GuestErrors } from './guest-errors.js'
import { DEFAULT_EPOCH, type MachineOptions } from './machine.js'
import type { BlockDevice } from './media/block-device.js'
import { type DriveId, floppyDrive } from './media/drive-id.js'
import { MachineNetwork, type NicSpec } from './network/machine-network.js'
import { RunLoop } from './run-loop.js'
import { GuestMemory } from './state/guest-memory.js'

/** Guest time of a change of the memory map: about what the host takes to follow. */
const REMAP_NS = 100e3
/** ROMs and the like, beside RAM and what devices have. */
const ARENA_SLACK = 2 << 20

/** Builds a board into a machine without one. Throws a DeviceError or a BootImageError. */
export interface BoardType {
  /** Bytes of memory that its devices have beside RAM. */
  memory(options: MachineOptions): number
  build(chassis: Chassis): Board
}

export class Assembly {
  readonly cpu: Engine
  /** Why this engine was taken, one sentence. */
  readonly engineReason: string
  readonly clock: MachineClock
  readonly ports = new PortBus()
  readonly memory: MemoryMap
  readonly guestMemory: GuestMemory
  readonly board: Board
  /** What is in the drives. */
  readonly media = new Map<DriveId, BlockDevice>()
  readonly serial: readonly CharBackend[]
  readonly nics: readonly NicSpec[]
  /** undefined: it has no network card. */
  readonly network: MachineNetwork | undefined
  readonly wiring = new CpuWiring()
  readonly errors: GuestErrors
  readonly debugTarget: MachineDebugger
  /** What is told as it runs; nothing, unless somebody wants it. */
  readonly log: MachineLog
  readonly loop: RunLoop

  constructor(options: MachineOptions, type: BoardType) {
    const { firmware, nics = [], network: contents, epoch = DEFAULT_EPOCH, trunk } = options
    const size = options.memory + type.memory(options) + firmware.bios.length + ARENA_SLACK
    const arena = new WebAssembly.Memory({ initial: Math.ceil((ARENA_GUEST + size) / 65536), maximum: 65536 })
    const log = options.log ?? new MachineLog(() => {})
    const memory = new MemoryMap({ arena, base: ARENA_GUEST })
    const errors = new GuestErrors(this.ports, memory)
    const board = () => this.board
    const pins = this.wiring.pins(this.ports, memory, errors, log, board)
    const { engine, reason } = createEngine(
      ...([options.engine, arena, pins, options.cpu, options.cpus] as const),
      options.coverage ? 'only the soft engine keeps which code is executed' : undefined,
    )
    const clock = new MachineClock(() => engine.now())
    clock.onSooner = (deadline) => engine.shorten(deadline)
    clock.onStall = (ns) => engine.stall(ns)
    const warn = (text: string, address?: number) => {
      if (log.has('guest_errors')) log.warning(text, address)
      errors.warnings.warn(text, address)
    }
    this.log = log
    this.memory = memory
    this.errors = errors
    this.cpu = engine
    this.engineReason = reason
    this.clock = clock
    this.guestMemory = new GuestMemory(arena, ARENA_GUEST)
    this.debugTarget = new MachineDebugger(engine, memory, hasLongMode(options.cpu), options.symbols)
    this.loop = new RunLoop(engine, clock, board, this.debugTarget, log)
    for (const [i, medium] of options.floppies.entries()) this.hold(floppyDrive(i), medium)
    this.hold('cdrom', options.cdrom)
    for (const [i, medium] of options.disks.entries()) this.hold(`disk${i}`, medium)
    this.serial = [0, 1, 2, 3].map((port) => ({ send: (byte) => options.onSerial?.(port, byte) }))
    const { onFrame, onRequest, onTrunk, onOutside } = options
    const told = { onFrame, onRequest, onTrunk, onOutside }
    this.nics = nics
    this.network =
      nics.length > 0 ? new MachineNetwork({ nics, clock, warn, contents, epoch, trunk, ...told }) : undefined
    this.board = type.build({
      ...{ options, engine, clock, ports: this.ports, memory, arena, warn, network: this.network },
      control: this.loop.control((address, length) => this.giveBack(address, length)),
      backend: (kind, device) => this.backend(options, kind, device),
    })

    this.connectLog()
    memory.onChange = (regions) => {
      engine.setMemory(regions)
      clock.stall(REMAP_NS)
    }
    memory.onWrite = (offset, length) => engine.memoryChanged(offset, length)
    engine.setMemory(memory.regions())
  }

  hold(drive: DriveId, medium: BlockDevice | undefined): void {
    if (medium) this.media.set(drive, medium)
    else this.media.delete(drive)
  }

  private connectLog(): void {
    const { cpu, debugTarget, log } = this
    log.attach({
      state: () => cpu.getState(),
      current: () => cpu.current,
      instructions: () => cpu.instructions(),
      nameOf: (linear) => debugTarget.nameOf(linear),
      read: (linear, length) => debugTarget.read(cpu.current, linear, length),
    })
    log.onChange = () => this.tell()
    this.tell()
  }

  /** Has all parts tell what the log wants, and nothing else. */
  private tell(): void {
    const { board, log } = this
    this.wiring.tellsIo = log.has('io')
    this.cpu.setEvents?.(log.engineEvents())
    const irq = log.has('irq')
    board.irqs.onLine = irq ? (n, source, level) => log.irq(n, source, level) : undefined
    board.pci.onMessage = irq ? (source, address, data) => log.message(source, address, data) : undefined
    const unassigned = log.has('unassigned')
    this.ports.onUnassigned = unassigned ? (port, write) => log.unassigned('port', write, port) : undefined
    this.memory.onUnassigned = unassigned ? (address, write) => log.unassigned('memory', write, address) : undefined
  }

  /** Pages of RAM that the guest has no use for. */
  private giveBack(address: number, length: number): void {
    const offset = this.memory.ramOffset(address, length)
    if (offset === undefined) return
    this.memory.write(address, new Uint8Array(length))
    this.guestMemory.giveBack(offset - ARENA_GUEST, length)
  }

  private backend(options: MachineOptions, kind: string, device: string): unknown {
    if (kind === 'block') return this.media.get(device as DriveId)
    if (kind === 'net') return this.network?.port(device) ?? options.backend?.(kind, device)
    if (kind !== 'char') return options.backend?.(kind, device)
    if (/^COM[1-4]$/.test(device)) return this.serial[Number(device[3]) - 1]
    if (device === 'LPT1') return { send: (byte: number) => options.onParallel?.(byte) }
    if (device === 'debugcon' || device === 'port E9') return { send: (byte: number) => options.onDebug?.(byte) }
    return options.backend?.(kind, device)
  }
}
