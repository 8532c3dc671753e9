/**
 * A machine: CPUs, memory, buses and time, with a board built into it. Here is what is the same for every board: the run
 * loop, power, and snapshots.
 *
 * Reading order: `boards/pc-i440fx.ts` is what is where; `machine.ts` says what can be done with a machine; `clock.ts` and
 * `device.ts` are what each device is given; `run()` is the one loop.
 * The file is longer than others, because it is all that a machine does, and each part of it a few lines.
 */
import type { Board, Chassis, PowerControl } from './boards/board.js'
import { BoundedCounts } from './bounded-counts.js'
import { MemoryMap } from './bus/memory-map.js'
import { PortBus } from './bus/port-bus.js'
import { PortLog } from './bus/port-log.js'
import { MachineClock } from './clock.js'
import { createEngine } from './cpu/create-engine.js'
import type { CpuBoard, CpuState, Engine } from './cpu/engine.js'
import { DEFAULT_CPU, hasLongMode } from './cpu/models.js'
import { formatRegisters } from './cpu/registers.js'
import { ARENA_GUEST } from './cpu/soft/layout.js'
import { MachineDebugger } from './debug/machine-debugger.js'
import { MachineLog } from './debug/machine-log.js'
import type { MachineParts } from './debug/machine-parts.js'
import type { AccessSize, Field, State, Stateful, StateTable, Warn } from './device.js'
import type { CharBackend } from './devices/device-type.js'
import type { Display } from './devices/display/display.js'
import { NO_DISPLAY } from './devices/display/no-display.js'
import { UsageError } from './errors.js'
import { type Departure, Exploration, type ExplorationPlan } from './exploration.js'
import { type BiosKeys, biosKeys } from './firmware/bios-keyboard.js'
import { describeHalt } from './halted.js'
import type { InputEvent, InputQueue } from './input.js'
import { DEFAULT_EPOCH, type Machine, type MachineExit, type MachineOptions } from './machine.js'
import { type BlockDevice, MediumError } from './media/block-device.js'
import { type DriveId, floppyDrive, type RemovableDrive } from './media/drive-id.js'
import { Overlay, type OverlayImage } from './media/overlay.js'
import type { LoggedRequest } from './network/lan/services/request-log.js'
import { MachineNetwork, type NicSpec } from './network/machine-network.js'
import { isOutsideInput } from './network/outside.js'
import type { MachineReport, UnhandledAccess } from './report.js'
import { checkState, type LikeState } from './state/check-state.js'
import { hashParts } from './state/compare.js'
import { count, damaged, flag, isRecord, list, orNone, u16 } from './state/fields.js'
import { GuestMemory } from './state/guest-memory.js'
import { checkShape, loadOrder, type MachineShape, type MachineState } from './state/machine-state.js'
import { SnapshotError } from './state/snapshot-error.js'
import { part, saveState, takeState } from './state/state-table.js'
import { StuckGuest } from './stuck-guest.js'
import { describeUnexpected, isUnexpected } from './unexpected.js'
import { Warnings } from './warnings.js'

/** Guest time and timers between two looks at the host's clock: some milliseconds, whatever the guest does. */
const LOOK_INTERVAL = 1e6
const MOST_TIMERS = 100
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

/** Why a run ended, as a state has it. */
const EXIT: Field = {
  wanted: 'the end of a run',
  fits: (value) => isRecord(value) && typeof value.reason === 'string',
  save: (present) => ({ ...(present as MachineExit) }) as State,
  load: (saved) => ({ ...(saved as State) }),
}

/** The machine's own members. */
const STATE: StateTable = {
  ...{ resetDue: flag, exitDue: orNone(EXIT), over: orNone(EXIT), asleep: flag, wakeEvent: u16, waits: flag },
  ...{ unknownMsrs: part(), unassignedPorts: list(list(count, 3), 0, 0x10000), unassignedMemory: part() },
  warnings: part(),
}

export class VirtualMachine implements Machine, Stateful {
  readonly state = STATE
  readonly engine: 'soft' | 'kvm'
  readonly engineReason: string
  readonly display: Display
  readonly debugTarget: MachineDebugger

  private readonly clock: MachineClock
  private readonly cpu: Engine
  private readonly ports: PortBus
  private readonly memory: MemoryMap
  private readonly board: Board
  private readonly serial: CharBackend[]
  /** undefined: it has no network card. */
  private readonly network: MachineNetwork | undefined
  private readonly unknownMsrs = new BoundedCounts()
  readonly warnings = new Warnings()
  /** What a device asked for from inside an access; done when the engine is out of the instruction. */
  private exitDue: MachineExit | undefined
  private readonly nics: readonly NicSpec[]
  private stopRequested = false
  private tellsIo = false
  /** The last run ended in a reset: it is done when the machine runs on, so that what was on the screen can be looked at. */
  private resetDue = false
  /** In ACPI S3: RAM and the clock are kept, nothing runs. */
  private asleep = false
  /** What wakes it when it runs on, a bit of PMSTS; 0 is nothing yet. */
  private wakeEvent = 0
  /** All CPUs have halted, and nothing has come since. */
  private waits = false
  /** After poweroff, and after a halt that nothing can end. */
  private over: MachineExit | undefined
  /** undefined: the plain run. */
  private exploration: Exploration | undefined
  private readonly guestMemory: GuestMemory
  private readonly portLog = new PortLog()
  /** What is told as it runs; nothing, unless somebody wants it. */
  readonly log: MachineLog
  /** The CPUs', to ports and devices' memory. */
  private accesses = 0
  private readonly stuck: StuckGuest
  /** What is in the drives. */
  private readonly media = new Map<DriveId, BlockDevice>()
  private readonly shapeBase: Pick<MachineShape, 'cpu' | 'ram'>

  constructor(options: MachineOptions, type: BoardType) {
    const { firmware } = options
    const log = options.log ?? new MachineLog(() => {})
    const warn: Warn = (text, address) => {
      if (log.has('guest_errors')) log.warning(text, address)
      this.warnings.warn(text, address)
    }
    const size = options.memory + type.memory(options) + firmware.bios.length + ARENA_SLACK
    const arena = new WebAssembly.Memory({ initial: Math.ceil((ARENA_GUEST + size) / 65536), maximum: 65536 })
    const ports = new PortBus()
    const memory = new MemoryMap({ arena, base: ARENA_GUEST })
    const { engine, reason } = createEngine(
      ...([options.engine, arena, this.pins(), options.cpu, options.cpus] as const),
      options.coverage ? 'only the soft engine keeps which code is executed' : undefined,
    )
    const clock = new MachineClock(() => engine.now())
    clock.onSooner = (deadline) => engine.shorten(deadline)
    clock.onStall = (ns) => engine.stall(ns)

    this.log = log
    this.engine = engine.kind
    this.engineReason = reason
    this.shapeBase = { cpu: options.cpu ?? DEFAULT_CPU, ram: options.memory }
    this.cpu = engine
    this.stuck = new StuckGuest(engine, () => this.board.silence())
    this.clock = clock
    this.ports = ports
    this.memory = memory
    this.guestMemory = new GuestMemory(arena, ARENA_GUEST)
    for (const [i, medium] of options.floppies.entries()) this.hold(floppyDrive(i), medium)
    this.hold('cdrom', options.cdrom)
    for (const [i, medium] of options.disks.entries()) this.hold(`disk${i}`, medium)
    this.serial = [0, 1, 2, 3].map((port) => ({ send: (byte) => options.onSerial?.(port, byte) }))
    const {
      nics = [],
      onFrame,
      onRequest,
      network: contents,
      epoch = DEFAULT_EPOCH,
      trunk,
      onTrunk,
      onOutside,
    } = options
    const told = { onFrame, onRequest, onTrunk, onOutside }
    this.nics = nics
    this.network =
      nics.length > 0 ? new MachineNetwork({ nics, clock, warn, contents, epoch, trunk, ...told }) : undefined
    this.board = type.build({
      ...{ options, engine, clock, ports, memory, arena, warn, network: this.network },
      control: this.control(),
      backend: (kind, device) => this.backend(options, kind, device),
    })
    this.display = this.board.display ?? NO_DISPLAY
    this.debugTarget = new MachineDebugger(engine, memory, hasLongMode(options.cpu), options.symbols)

    log.attach({
      state: () => engine.getState(),
      current: () => engine.current,
      instructions: () => engine.instructions(),
      nameOf: (linear) => this.debugTarget.nameOf(linear),
      read: (linear, length) => this.debugTarget.read(engine.current, linear, length),
    })
    log.onChange = () => this.follow(log)
    this.follow(log)

    memory.onChange = (regions) => {
      engine.setMemory(regions)
      clock.stall(REMAP_NS)
    }
    memory.onWrite = (offset, length) => engine.memoryChanged(offset, length)
    engine.setMemory(memory.regions())
    this.reset()
    if (options.coverage) engine.watchExecution?.()
  }

  /** The CPUs' pins: buses, and what the board does with the others. */
  private pins(): CpuBoard {
    const { portLog } = this
    return {
      portRead: (port, size) => {
        const value = this.ports.read(port, size)
        this.accesses++
        portLog.note(0, port, value, size)
        if (this.tellsIo) this.log.port(false, port, value, size, this.ports.nameOf(port))
        return value
      },
      portWrite: (port, value, size) => {
        this.accesses++
        portLog.note(1, port, value, size)
        if (this.tellsIo) this.log.port(true, port, value, size, this.ports.nameOf(port))
        this.ports.write(port, value, size)
      },
      mmioRead: (address, size) => {
        this.accesses++
        const value = this.memory.mmioRead(address, size)
        if (this.tellsIo) this.log.memory(false, address, value, size)
        return value
      },
      mmioWrite: (address, value, size) => {
        this.accesses++
        if (this.tellsIo) this.log.memory(true, address, value, size)
        this.memory.mmioWrite(address, value, size)
      },
      acknowledgeInterrupt: () => this.board.pins.acknowledgeInterrupt(),
      readMsr: (index) => this.board.pins.readMsr(index),
      writeMsr: (index, value) => this.board.pins.writeMsr(index, value),
      readTpr: () => this.board.pins.readTpr(),
      writeTpr: (value) => this.board.pins.writeTpr(value),
      ferr: (level) => this.board.pins.ferr(level),
      smmChanged: (inSmm) => this.board.pins.smmChanged(inSmm),
      warnMsr: (index) => this.unknownMsrs.count(index),
    }
  }

  /** Has all parts tell what the log wants, and nothing else. */
  private follow(log: MachineLog): void {
    this.tellsIo = log.has('io')
    this.cpu.setEvents?.(log.engineEvents())
    const irq = log.has('irq')
    this.board.irqs.onLine = irq ? (n, source, level) => log.irq(n, source, level) : undefined
    this.board.pci.onMessage = irq ? (source, address, data) => log.message(source, address, data) : undefined
    const unassigned = log.has('unassigned')
    this.ports.onUnassigned = unassigned ? (port, write) => log.unassigned('port', write, port) : undefined
    this.memory.onUnassigned = unassigned ? (address, write) => log.unassigned('memory', write, address) : undefined
  }

  /** What hardware does to the whole machine, from inside an access. */
  private control(): PowerControl {
    const isSuspended = () => this.asleep
    return {
      reset: () => this.ask({ reason: 'reset' }),
      powerOff: () => this.ask({ reason: 'poweroff' }),
      giveBack: (address, length) => this.giveBack(address, length),
      debugExit: (code) => this.ask({ reason: 'debug-exit', code }),
      watchdog: (detail, action) => this.ask({ reason: 'watchdog', action, detail }),
      suspend: () => {
        this.asleep = true
        this.board.power.suspending()
        this.cpu.stop()
      },
      wake: (event) => {
        this.wakeEvent = event
      },
      get isSuspended() {
        return isSuspended()
      },
    }
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

  now(): number {
    return this.cpu.now()
  }

  instructions(cpu?: number): number {
    return this.cpu.instructions(cpu)
  }

  idleUntil(): number {
    if (this.over) return Number.POSITIVE_INFINITY
    return this.waits ? Math.max(this.now(), this.clock.nextDeadline()) : this.now()
  }

  run(until: number, hostEnd = Number.POSITIVE_INFINITY): MachineExit | undefined {
    if (this.over) return this.over
    try {
      return this.runOn(until, hostEnd)
    } catch (error) {
      // In the middle of an instruction: there is no way on from here.
      this.over = { reason: 'failure', detail: describeUnexpected(error) }
      if (!isUnexpected(error)) throw error
      return this.over
    }
  }

  private runOn(until: number, hostEnd: number): MachineExit | undefined {
    const { clock, cpu } = this
    const longest = hostEnd === Number.POSITIVE_INFINITY ? hostEnd : LOOK_INTERVAL
    const isOver = () => performance.now() >= hostEnd
    if (this.resetDue) this.reset()
    this.stopRequested = false
    for (let turns = 0; !this.stopRequested; turns++) {
      if (turns > 0 && isOver()) return undefined
      if (clock.nextDeadline() <= cpu.now()) this.waits = false
      if (!clock.runDue(MOST_TIMERS, isOver)) return undefined
      const exit = this.exitDue
      if (exit) {
        this.exitDue = undefined
        this.resetDue = exit.reason === 'reset' || exit.action === 'reset'
        if (exit.reason === 'poweroff' || exit.action === 'poweroff') this.over = exit
        return exit
      }
      if (this.wakeEvent) this.wake()
      const now = cpu.now()
      if (now >= until) return undefined
      if (this.asleep) {
        const alarm = this.board.power.alarm()
        if (alarm === Number.POSITIVE_INFINITY) return { reason: 'suspended' }
        this.waits = true
        cpu.skipTo(Math.min(until, clock.nextDeadline()))
        continue
      }
      const deadline = Math.min(until, clock.nextDeadline(), now + longest)
      this.waits = false
      const stop = cpu.run(deadline, hostEnd)
      switch (stop.reason) {
        case 'budget':
          break
        case 'halt':
          if (!cpu.interruptsEnabled()) {
            this.over = { reason: 'halted', detail: describeHalt(this.cpuStates()) }
            return this.over
          }
          this.waits = true
          cpu.skipTo(Math.min(until, clock.nextDeadline()))
          break
        case 'shutdown': {
          this.log.tripleFault()
          const detail = `${stop.detail}\n${this.registers()}`
          this.resetDue = true
          return { reason: 'triple-fault', detail }
        }
        case 'breakpoint':
          this.debugTarget.noteStop({ why: 'breakpoint', cpu: cpu.current, hit: stop.hit })
          return undefined
        case 'step':
          this.debugTarget.noteStop({ why: 'step', cpu: cpu.current })
          return undefined
        case 'failure':
          this.over = { reason: 'failure', detail: `${stop.detail}\n${this.registers()}` }
          return this.over
      }
    }
    return undefined
  }

  requestStop(): void {
    this.stopRequested = true
    this.cpu.stop()
  }

  private ask(exit: MachineExit): void {
    this.exitDue ??= exit
    this.cpu.stop()
  }

  private wake(): void {
    this.board.power.resume(this.wakeEvent, () => this.reset())
  }

  private reset(): void {
    if (this.log.has('cpu_reset')) this.log.reset(this.cpuStates())
    for (const device of this.board.devices) device.reset()
    this.asleep = false
    this.wakeEvent = 0
    this.cpu.reset()
    this.exitDue = undefined
    this.over = undefined
    this.resetDue = false
  }

  input(event: InputEvent): void {
    this.waits = false
    const { keyboard, mouse, power } = this.board
    switch (event.kind) {
      case 'key':
        // It does as the power button does, as on QEMU.
        if (this.asleep && event.down) this.wakeEvent = power.buttonEvent
        keyboard.key(event)
        break
      case 'mouse':
        mouse.move(event)
        break
      case 'serial':
        this.serial[event.port].receive?.(event.bytes)
        break
      case 'power-button':
        if (this.asleep) this.wakeEvent = power.buttonEvent
        else power.button()
        break
      case 'reset':
        this.reset()
        break
      case 'nmi':
        power.nmi()
        break
      case 'link':
      case 'frame':
      case 'cut':
        this.network?.input(event)
        break
      default:
        if (isOutsideInput(event)) this.network?.input(event)
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

  private hold(slot: DriveId, medium: BlockDevice | undefined): void {
    if (medium) this.media.set(slot, medium)
    else this.media.delete(slot)
  }

  suspectStuck(): void {
    this.stuck.suspect(this.accesses)
  }

  isStuck(): string | undefined {
    return this.asleep ? undefined : this.stuck.why(this.accesses)
  }

  lostStack(): string | undefined {
    for (let cpu = 0; cpu < this.cpu.cpus; cpu++) {
      const lost = this.debugTarget.lostStack(cpu)
      if (lost !== undefined) return `the stack of ${this.cpu.cpus > 1 ? `CPU ${cpu}` : 'its CPU'} has overrun: ${lost}`
    }
    return undefined
  }

  explore(plan: ExplorationPlan): void {
    const { cpu } = this
    if (!cpu.explore)
      throw new UsageError('a machine is explored on the soft engine, where each run can be repeated; take that')
    this.exploration = new Exploration(plan)
    this.clock.exploration = this.exploration
    cpu.explore(this.exploration)
  }

  departures(): readonly Departure[] | undefined {
    return this.exploration?.applied
  }

  requests(): LoggedRequest[] {
    return this.network?.requests() ?? []
  }

  report(): MachineReport {
    return {
      unhandled: this.unhandled(),
      warnings: this.warnings.list(),
      lastIo: this.portLog.list((port) => this.ports.nameOf(port)),
      faults: this.debugTarget.named(this.cpu.lastFaults()),
      registers: this.registers(),
      backtraces: this.debugTarget.backtraces(),
      mouse: this.board.mouse.reporting,
    }
  }

  parts(): MachineParts {
    const { types, devices, irqs, tray } = this.board
    const pci = this.board.pci.functions()
    return {
      devices: devices.map((device) => ({ name: device.name, type: types[device.name], state: saveState(device) })),
      memory: this.memory.describe(),
      ports: this.ports.ranges(),
      pci: pci.map(({ device, function: number, pci: { name, config } }) => ({
        device,
        function: number,
        name,
        config,
      })),
      media: [...this.media].map(([drive, { size, readOnly }]) => ({ drive, size, readOnly })),
      tray: tray && { locked: tray.locked, trayOpen: tray.trayOpen },
      irqs: irqs.assertedSources,
      nics: this.nics.map(({ id, type, mac, net }) => {
        return { id, type, mac, net, up: this.network?.port(id)?.link ?? false }
      }),
    }
  }

  port(address: number, size: AccessSize, value?: number): number {
    if (value === undefined) return this.ports.read(address, size)
    this.ports.write(address, value, size)
    return value
  }

  private unhandled(): UnhandledAccess[] {
    const list: UnhandledAccess[] = [
      ...this.ports.unhandled().map(({ port, ...rest }) => ({ kind: 'port' as const, address: port, ...rest })),
      ...this.memory
        .unhandled()
        .addresses.map(({ address, reads, writes }) => ({ kind: 'mmio' as const, address, reads, writes })),
      ...this.unknownMsrs.entries.map(([address, reads]) => ({ kind: 'msr' as const, address, reads, writes: 0 })),
    ]
    return list.sort((a, b) => b.reads + b.writes - (a.reads + a.writes))
  }

  private registers(): string {
    const { cpu } = this
    if (cpu.cpus === 1) return formatRegisters(cpu.getState())
    return Array.from({ length: cpu.cpus }, (_, i) => `CPU ${i}:\n${formatRegisters(cpu.getState(i))}`).join('\n')
  }

  save(): MachineState {
    return { ...this.saveAllButMemory(), memory: this.guestMemory.capture(), isOwn: true }
  }

  fingerprint(): string {
    const hash = hashParts({ ...this.saveAllButMemory(), memory: { size: 0, layers: [] } })
    this.guestMemory.forEachPage((page, bytes) => hash.update(`${page}\n`).update(bytes))
    return hash.digest('hex')
  }

  private cpuStates(): CpuState[] {
    return Array.from({ length: this.cpu.cpus }, (_, i) => this.cpu.getState(i))
  }

  private saveAllButMemory(): Omit<MachineState, 'memory'> {
    const { cpu, clock } = this
    const { devices } = this.board
    const media: MachineState['media'] = {}
    for (const [slot, medium] of this.media) {
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
      cpus: this.cpuStates(),
      clock: clock.save(),
      devices: Object.fromEntries(devices.map((device) => [device.name, saveState(device)])),
      media,
      machine: saveState(this),
    }
  }

  load(state: MachineState): void {
    checkShape(state.shape, this.shape())
    if (!state.isOwn || state.shape.engine !== this.engine) checkState(state, this.ownState())
    try {
      this.take(state)
    } catch (error) {
      if (error instanceof SnapshotError) throw error
      throw damaged('the machine', (error as Error).message)
    }
    if (Math.abs(this.cpu.now() - state.time.ns) > 1) throw damaged('time', 'its counts do not make the guest time')
  }

  /** What was touched that is not there, for the state. */
  get unassignedPorts(): [number, number, number][] {
    return this.ports.unhandledCounts
  }

  set unassignedPorts(counts: [number, number, number][]) {
    this.ports.unhandledCounts = counts
  }

  get unassignedMemory(): Stateful {
    return this.memory.unassigned
  }

  /** What a state of this machine looks like. */
  private ownState(): LikeState {
    return {
      time: this.cpu.saveTime(),
      cpus: Array.from({ length: this.cpu.cpus }, (_, i) => this.cpu.getState(i)),
      clock: this.clock.save(),
      devices: this.board.devices,
      machine: this,
    }
  }

  private take(state: MachineState): void {
    const { cpu, memory } = this
    for (const [slot, image] of Object.entries(state.media)) {
      const medium = this.media.get(slot as DriveId)
      if (image && medium instanceof Overlay) medium.restore(image)
    }
    this.guestMemory.restore(state.memory)
    // First the time, which devices look at, and last the CPUs and the clock, which devices reach into.
    cpu.loadTime(state.time)
    memory.batch(() => {
      for (const device of loadOrder(this.board.devices)) takeState(device, state.devices[device.name])
    })
    for (const [i, one] of state.cpus.entries()) cpu.setState(one, i)
    this.clock.load(state.clock)
    takeState(this, state.machine)
    this.portLog.forget()
    this.stuck.forget()
  }

  shape(): MachineShape {
    return {
      ...this.shapeBase,
      engine: this.engine,
      cpus: this.cpu.cpus,
      devices: { ...Object.fromEntries(this.board.devices.map(({ name }) => [name, name])), ...this.board.types },
      memory: this.memory.allocations().map(({ name, offset, size }) => ({ name, offset: offset - ARENA_GUEST, size })),
      memorySize: this.guestMemory.size,
      media: Object.fromEntries([...this.media].map(([slot, { size }]) => [slot, size])),
    }
  }

  close(): void {
    this.cpu.close()
    this.guestMemory.release()
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
