/**
 * The PC: one table of what is where. An i440FX board as QEMU's `pc` machine has it, so that every guest finds drivers.
 *
 * Reading order: the constructor below is the machine; `machine.ts` says what can be done with it; `clock.ts` and
 * `device.ts` are what each device is given; `run()` is the one loop.
 */

import { BoundedCounts } from './bounded-counts.js'
import { MemoryMap } from './bus/memory-map.js'
import { PciBus, PciFunction } from './bus/pci.js'
import { PortBus } from './bus/port-bus.js'
import { type PortAccess, PortLog } from './bus/port-log.js'
import { ApicBus } from './chipset/apic-bus.js'
import { I440fx } from './chipset/i440fx.js'
import { I8237Pair } from './chipset/i8237.js'
import { I8259Pair } from './chipset/i8259.js'
import { IoApic } from './chipset/io-apic.js'
import { IrqRouter } from './chipset/irq-router.js'
import { LocalApic, localApicWindow } from './chipset/local-apic.js'
import { Piix3 } from './chipset/piix3.js'
import { Piix3Ide } from './chipset/piix3-ide.js'
import { Piix4Pm, PWRBTN_STS, RTC_STS } from './chipset/piix4-pm.js'
import { A20Gate, SystemControl } from './chipset/system-control.js'
import { MachineClock } from './clock.js'
import { createEngine } from './cpu/create-engine.js'
import type { CpuBoard, Engine, Fault } from './cpu/engine.js'
import { DEFAULT_CPU } from './cpu/models.js'
import { formatRegisters } from './cpu/registers.js'
import { ARENA_GUEST } from './cpu/soft/layout.js'
import type { Device, State } from './device.js'
import { Vga } from './devices/display/vga.js'
import { FwCfg } from './devices/firmware/fw-cfg.js'
import type { KeyEvent, MouseEvent } from './devices/input/events.js'
import { I8042 } from './devices/input/i8042.js'
import { Ps2Keyboard } from './devices/input/ps2-keyboard.js'
import { Ps2Mouse } from './devices/input/ps2-mouse.js'
import { DebugConsole } from './devices/serial/debug-console.js'
import { ParallelPort } from './devices/serial/parallel.js'
import { Uart16550 } from './devices/serial/uart16550.js'
import { AtaDisk } from './devices/storage/ata-disk.js'
import { AtapiCd } from './devices/storage/atapi-cd.js'
import { Fdc82077 } from './devices/storage/fdc82077.js'
import { FloppyDrive, type FloppyDriveType } from './devices/storage/floppy-drive.js'
import { Ide } from './devices/storage/ide.js'
import { Hpet } from './devices/timer/hpet.js'
import { I8254 } from './devices/timer/i8254.js'
import { Mc146818 } from './devices/timer/mc146818.js'
import { IsaDebugExit } from './devices/watchdog/isa-debug-exit.js'
import { PcTestdev } from './devices/watchdog/pc-testdev.js'
import { type BiosKeys, biosKeys } from './firmware/bios-keyboard.js'
import { BootImageError } from './firmware/boot-rom.js'
import { configureFirmware } from './firmware/configure.js'
import { findMultibootHeader } from './firmware/multiboot.js'
import { describeMachine, type FloppyType, SHUTDOWN_STATUS, SHUTDOWN_TO_S3 } from './firmware/tables/cmos.js'
import type { Machine, MachineExit, MachineOptions, Unhandled } from './machine.js'
import type { BlockDevice } from './media/block-device.js'
import { Overlay } from './media/overlay.js'
import { checkState, type LikeState } from './state/check-state.js'
import { hashParts } from './state/compare.js'
import { damaged } from './state/fields.js'
import { GuestMemory } from './state/guest-memory.js'
import { checkShape, loadOrder, type MachineShape, type MachineState, migrated } from './state/machine-state.js'
import { SnapshotError } from './state/snapshot-error.js'
import { describeUnexpected, isUnexpected } from './unexpected.js'

const MIB = 1 << 20
const VRAM = 16 * MIB
/** ROMs and the like, beside RAM and video memory. */
const ARENA_SLACK = 2 * MIB
/** 2026-01-01 00:00:00 UTC: a fixed date by default, so that two runs are the same. */
const DEFAULT_EPOCH = 1767225600

/** Guest time and timers between two looks at the host's clock: some milliseconds, whatever the guest does. */
const LOOK_INTERVAL = 1e6
const MOST_TIMERS = 100

/** Guest time of a change of the memory map, and of the A20 gate: about what the host takes to follow. */
const REMAP_NS = 100e3
const A20_NS = 1e3

const DRIVE_KIB: { [type in FloppyDriveType]: FloppyType } = {
  '360K': 360,
  '1.2M': 1200,
  '720K': 720,
  '1.44M': 1440,
  '2.88M': 2880,
}

/** What a PC may have and this one does not: named, counted and reported when a guest touches it. */
const ABSENT: [name: string, firstPort: number, count: number][] = [
  ['tertiary IDE', 0x1e8, 8],
  ['quaternary IDE', 0x168, 8],
  ['game port', 0x200, 8],
  ['Sound Blaster', 0x220, 16],
  ['AdLib OPL', 0x388, 4],
  ['MPU-401', 0x330, 2],
  ['NE2000 (0x300)', 0x300, 32],
  ['VMware backdoor', 0x5658, 4],
  ['LPT2', 0x278, 8],
  ['secondary floppy controller', 0x370, 6],
  ['ISA plug and play', 0xa79, 1],
  ['EISA', 0xc80, 4],
  ['ACPI CPU hotplug', 0xaf00, 0x20],
  ['ACPI PCI hotplug', 0xae00, 0x14],
  ['memory hotplug', 0xa00, 0x18],
  ['CGA registers', 0x3d8, 2],
  ['chipset configuration (22h, 23h)', 0x22, 2],
  ['ECP registers of LPT1', 0x778, 3],
]

export class Pc implements Machine {
  readonly engine: 'soft' | 'kvm'
  readonly engineReason: string
  readonly display: Vga

  private readonly clock: MachineClock
  private readonly cpu: Engine
  private readonly ports: PortBus
  private readonly memory: MemoryMap
  private readonly devices: Device[] = []
  private readonly keyboard: Ps2Keyboard
  private readonly mouse_: Ps2Mouse
  private readonly i8042: I8042
  private readonly serial: Uart16550[]
  private readonly fdc: Fdc82077
  private readonly cd: AtapiCd
  private readonly host: I440fx
  private readonly pm: Piix4Pm
  private readonly rtc: Mc146818
  private readonly a20: A20Gate
  private readonly unknownMsrs = new BoundedCounts()
  /** What a device asked for from inside an access; done when the engine is out of the instruction. */
  private pending: MachineExit | undefined
  private stopRequested = false
  /** The last run ended in a reset: it is done when the machine runs on, so that what was on the screen can be looked at. */
  private resetDue = false
  /** In ACPI S3: RAM and the clock are kept, nothing runs. */
  private asleep = false
  /** What wakes it when it runs on: RTC_STS or PWRBTN_STS; 0 is nothing yet. */
  private wakeEvent = 0
  /** After poweroff, and after a halt that nothing can end. */
  private over: MachineExit | undefined
  private readonly guestMemory: GuestMemory
  private readonly portLog = new PortLog()
  /** What is in the drives, by slot: floppy0, floppy1, cdrom, disk0 and so on. */
  private readonly media = new Map<string, BlockDevice>()
  private readonly shapeBase: Pick<MachineShape, 'cpu' | 'ram'>

  constructor(options: MachineOptions) {
    const { firmware } = options
    const warn = () => {}
    const cpus = options.cpus ?? 1
    const arena = new WebAssembly.Memory({
      initial: Math.ceil((ARENA_GUEST + options.memory + VRAM + firmware.bios.length + ARENA_SLACK) / 65536),
      maximum: 65536,
    })
    const { portLog } = this
    // ---- the CPU; its pins reach what is made below ----
    const board: CpuBoard = {
      portRead: (port, size) => {
        const value = ports.read(port, size)
        portLog.note(0, port, value, size)
        return value
      },
      portWrite: (port, value, size) => {
        portLog.note(1, port, value, size)
        ports.write(port, value, size)
      },
      mmioRead: (address, size) => memory.mmioRead(address, size),
      mmioWrite: (address, value, size) => memory.mmioWrite(address, value, size),
      acknowledgeInterrupt: () => apic().acknowledge(),
      readMsr: (index) => apic().readMsr(index),
      writeMsr: (index, value) => apic().writeMsr(index, value),
      readTpr: () => apic().cr8,
      writeTpr: (value) => {
        apic().cr8 = value
      },
      ferr: (level) => router.isa(13)(level),
      smmChanged: (inSmm) => host.setSmm(inSmm),
      warnMsr: (index) => this.unknownMsrs.count(index),
    }
    this.guestMemory = new GuestMemory(arena, ARENA_GUEST)
    this.shapeBase = { cpu: options.cpu ?? DEFAULT_CPU, ram: options.memory }
    for (const [i, medium] of options.floppies.entries()) this.hold(`floppy${i}`, medium)
    this.hold('cdrom', options.cdrom)
    for (const [i, medium] of options.disks.entries()) this.hold(`disk${i}`, medium)
    const { engine, reason } = createEngine(options.engine, arena, board, options.cpu, cpus)
    this.cpu = engine
    this.engine = engine.kind
    this.engineReason = reason
    this.clock = new MachineClock(() => engine.now())
    const { clock } = this
    clock.onSooner = (deadline) => engine.shorten(deadline)
    clock.onStall = (ns) => engine.stall(ns)

    // ---- buses and interrupts ----
    const ports = new PortBus(warn)
    const memory = new MemoryMap({ arena, base: ARENA_GUEST, warn })
    const apicBus = new ApicBus()
    const pic = new I8259Pair({
      intr: (level) => {
        for (const each of apics) each.lint0(level)
      },
      warn,
    })
    const tscToNs = engine.tscToNs?.bind(engine)
    const apics = Array.from(
      { length: cpus },
      (_, cpu) =>
        new LocalApic({
          id: cpu,
          clock,
          bus: apicBus,
          intr: (level) => engine.setInterrupt(level, cpu),
          nmi: () => engine.nmi(cpu),
          smi: () => engine.smi(cpu),
          init: () => engine.init(cpu),
          sipi: (vector) => engine.startUp(cpu, vector),
          pic,
          tsc: tscToNs && { toNs: (tsc) => tscToNs(tsc, cpu) },
          x2apic: engine.kind === 'soft',
          warn,
        }),
    )
    // Each CPU finds its own local APIC at the same address.
    const apic = () => apics[engine.current]
    const ioApic = new IoApic({ bus: apicBus, pic, warn })
    const router = new IrqRouter({
      pic: (irq, level) => pic.line(irq)(level),
      ioapic: (pin, level) => ioApic.line(pin)(level),
    })
    const pci = new PciBus(ports, memory)

    // ---- chipset ----
    this.host = new I440fx({ pci, memory, ramSize: options.memory, bios: firmware.bios })
    const { host } = this
    // INIT# reaches every CPU: memory and devices stay as they are, and the firmware looks into CMOS at what to do.
    const init = () => {
      for (const each of apics) each.initPin()
    }
    const bridge = new Piix3({
      pci,
      ports,
      interrupts: router,
      reset: (kind) => (kind === 'hard' ? this.ask({ reason: 'reset' }) : init()),
    })
    const floppyDrives = [0, 1].map((i) =>
      i === 0 || options.floppies[i] ? new FloppyDrive({ medium: options.floppies[i] }) : undefined,
    )
    this.cd = new AtapiCd({ medium: options.cdrom })
    const disks = options.disks.map((medium, i) => new AtaDisk({ medium, serial: `BW0000${i + 1}` }))
    const ide = new Ide({
      clock,
      memory,
      irq: [router.isa(14), router.isa(15)],
      warn,
      drives: [disks[0], disks[1], this.cd, disks[2]],
    })
    const ideFunction = new Piix3Ide({ pci, busMaster: ide.busMaster })
    this.pm = new Piix4Pm({
      pci,
      ports,
      clock,
      sci: router.source(9),
      powerOff: () => this.ask({ reason: 'poweroff' }),
      suspend: () => this.suspend(),
      present: { parallel: true, serial1: true, serial2: true },
      warn,
    })

    // ---- timers and DMA ----
    const hpet = new Hpet({ clock, irq: (n) => router.source(n), legacy: (on) => pit.setInterruptEnabled(!on), warn })
    const pit = new I8254({ clock, output0: (level) => hpet.pitInput(level), warn })
    this.rtc = new Mc146818({
      clock,
      alarm: () => {
        if (this.asleep && this.pm.alarmWakes) this.wakeEvent = RTC_STS
      },
      irq: (level) => hpet.rtcInput(level),
      epochSeconds: options.epoch ?? DEFAULT_EPOCH,
      warn,
    })
    const { rtc } = this
    const dma = new I8237Pair({ memory, warn })
    this.a20 = new A20Gate((enabled) => {
      engine.setA20(enabled)
      clock.stall(A20_NS)
    })
    const system = new SystemControl({
      pit,
      clock,
      setA20: this.a20.set,
      reset: init,
      warn,
    })

    // ---- input, serial, floppy, display, firmware ----
    this.keyboard = new Ps2Keyboard()
    this.mouse_ = new Ps2Mouse()
    this.i8042 = new I8042({
      clock,
      keyboard: this.keyboard,
      mouse: this.mouse_,
      irq1: router.isa(1),
      irq12: router.isa(12),
      setA20: this.a20.set,
      getA20: () => this.a20.enabled,
      reset: init,
      warn,
    })
    // COM1 and COM3 share IRQ 4, COM2 and COM4 IRQ 3.
    this.serial = [0x3f8, 0x2f8, 0x3e8, 0x2e8].map(
      (base, i) =>
        new Uart16550({
          name: `COM${i + 1}`,
          base,
          irq: router.source(i % 2 ? 3 : 4),
          clock,
          output: (byte) => options.onSerial?.(i, byte),
        }),
    )
    const parallel = new ParallelPort({ irq: router.isa(7), output: (byte) => options.onParallel?.(byte) })
    this.fdc = new Fdc82077({ clock, irq: router.isa(6), dma: dma.channel(2), warn, drives: floppyDrives })
    const vramOffset = memory.allocate('VGA memory', VRAM)
    const vram = new Uint8Array(arena.buffer, vramOffset, VRAM)
    this.display = new Vga({ clock, warn, vram, savesMemory: false })
    const vgaFunction = new PciFunction({
      name: 'VGA',
      vendorId: 0x1234,
      deviceId: 0x1111,
      revision: 2,
      classCode: 0x030000,
    })
    vgaFunction.addRamBar(0, { name: 'VGA frame buffer', offset: vramOffset, size: VRAM }, { prefetchable: true })
    vgaFunction.addMemoryBar(2, this.display.mmioBar)
    const vgaRom = new Uint8Array(Math.max(4096, 2 ** Math.ceil(Math.log2(firmware.vgaBios.length))))
    vgaRom.set(firmware.vgaBios)
    const vgaRomOffset = memory.allocate('VGA BIOS', vgaRom.length, true)
    new Uint8Array(arena.buffer, vgaRomOffset, vgaRom.length).set(vgaRom)
    vgaFunction.setRom({ name: 'VGA BIOS', offset: vgaRomOffset, size: vgaRom.length })
    pci.add(2, 0, vgaFunction)
    const fwCfg = new FwCfg({ memory, clock, warn })
    const debug = (byte: number) => options.onDebug?.(byte)

    this.ports = ports
    this.memory = memory
    this.devices.push(
      ...[host, pci, bridge, ideFunction, ide, this.pm],
      ...[pic, ioApic, ...apics, router],
      ...[pit, hpet, rtc, dma, system],
      ...[this.i8042, this.fdc, this.display, ...this.serial, parallel, fwCfg],
      ...[new DebugConsole({ base: 0x402, output: debug }), new DebugConsole({ base: 0xe9, output: debug })],
      new IsaDebugExit({ onExit: (code) => this.ask({ reason: 'debug-exit', code: code >>> 1 }) }),
      this.a20,
    )
    if (options.testDevice) this.devices.push(new PcTestdev({ irq: (n) => router.source(n) }))
    for (const device of this.devices) {
      for (const range of device.ports ?? []) ports.add(device.name, range)
      for (const range of device.mmio ?? []) memory.addMmio(range)
    }
    memory.addMmio(localApicWindow(apic))
    for (const [name, base, count] of ABSENT) ports.declareAbsent(name, base, count)

    // ---- what the firmware is told ----
    const order = options.bootOrder ?? defaultBootOrder(options)
    const floppyTypes = floppyDrives.map((drive) => (drive ? DRIVE_KIB[drive.type] : 'none'))
    const kernel = options.kernel
    const multiboot = kernel !== undefined && findMultibootHeader(kernel.image) !== undefined
    if (kernel?.modules && !multiboot)
      throw new BootImageError('Modules are for Multiboot kernels, and this kernel is none; give Linux an initrd.')
    const append = kernel?.append
    configureFirmware({
      fwCfg,
      memoryBytes: options.memory,
      cpus,
      bootOrder: order,
      bootMenu: options.bootMenu,
      acpi: { serialPorts: 2, floppies: floppyTypes },
      multiboot: multiboot
        ? {
            image: kernel.image,
            name: kernel.name,
            append,
            modules: kernel.modules ?? (kernel.initrd && [{ data: kernel.initrd, commandLine: 'initrd' }]),
          }
        : undefined,
      linux: kernel && !multiboot ? { kernel: kernel.image, initrd: kernel.initrd, append } : undefined,
    })
    const letters = { a: 'floppy', c: 'disk', d: 'cdrom', n: 'network' } as const
    describeMachine(rtc, {
      memoryBytes: options.memory,
      floppyTypes,
      bootOrder: [...order].map((letter) => letters[letter as keyof typeof letters]),
      checkFloppySignature: options.floppyCheck,
      cpus,
      disks: [disks[0]?.geometry, disks[1]?.geometry],
    })

    memory.onChange = (regions) => {
      engine.setMemory(regions)
      clock.stall(REMAP_NS)
    }
    memory.onWrite = (offset, length) => engine.memoryChanged(offset, length)
    engine.setMemory(memory.regions())
    this.reset()
  }

  now(): number {
    return this.cpu.now()
  }

  instructions(): number {
    return this.cpu.instructions()
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
    if (this.resetDue) this.reset()
    this.stopRequested = false
    for (let turns = 0; !this.stopRequested; turns++) {
      if (turns > 0 && performance.now() >= hostEnd) return undefined
      clock.runDue(MOST_TIMERS)
      const exit = this.pending
      if (exit) {
        this.pending = undefined
        this.resetDue = exit.reason === 'reset'
        if (exit.reason === 'poweroff') this.over = exit
        return exit
      }
      if (this.wakeEvent) this.wake()
      const now = cpu.now()
      if (now >= until) return undefined
      if (this.asleep) {
        const alarm = this.pm.alarmWakes ? this.rtc.alarmDue : Number.POSITIVE_INFINITY
        if (alarm === Number.POSITIVE_INFINITY) return { reason: 'suspended' }
        cpu.skipTo(Math.min(until, clock.nextDeadline()))
        continue
      }
      const deadline = Math.min(until, clock.nextDeadline(), now + longest)
      const stop = cpu.run(deadline, hostEnd)
      switch (stop.reason) {
        case 'budget':
          break
        case 'halt':
          if (!cpu.interruptsEnabled()) {
            this.over = { reason: 'halted', detail: 'HLT with interrupts disabled: nothing can wake the CPU' }
            return this.over
          }
          cpu.skipTo(Math.min(until, clock.nextDeadline()))
          break
        case 'shutdown': {
          const detail = `${stop.detail}\n${this.registers()}`
          this.resetDue = true
          return { reason: 'triple-fault', detail }
        }
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
    this.pending ??= exit
    this.cpu.stop()
  }

  /** ACPI S3, from inside a port write. The firmware finds in CMOS, as QEMU's does, what it is to do after the reset. */
  private suspend(): void {
    this.asleep = true
    this.rtc.setCmos(SHUTDOWN_STATUS, SHUTDOWN_TO_S3)
    this.cpu.stop()
  }

  private wake(): void {
    const event = this.wakeEvent
    // SeaBIOS tells by its copy in RAM that it is not at power-on; QEMU's host bridge leaves it in sight, too.
    const { shadowing } = this.host
    this.reset()
    this.host.shadowing = shadowing
    this.pm.wake(event)
  }

  reset(): void {
    for (const device of this.devices) device.reset()
    this.asleep = false
    this.wakeEvent = 0
    this.cpu.reset()
    this.pending = undefined
    this.over = undefined
    this.resetDue = false
  }

  key(event: KeyEvent): void {
    // It does as the power button does, as on QEMU.
    if (this.asleep && event.down) this.wakeEvent = PWRBTN_STS
    this.keyboard.key(event)
  }

  keyboardPending(): number {
    return this.keyboard.pending() + (this.i8042.holdsKey ? 1 : 0)
  }

  biosKeys(): BiosKeys | undefined {
    return biosKeys(this.cpu.getState(0), this.memory)
  }

  mouse(event: MouseEvent): void {
    this.mouse_.move(event)
  }

  mouseListened(): boolean {
    return this.mouse_.reporting
  }

  mousePending(): number {
    return this.mouse_.pending() + (this.i8042.holdsMovement ? 1 : 0)
  }

  serialInput(port: number, bytes: Uint8Array): void {
    this.serial[port].input(bytes)
  }

  serialPending(port: number): number {
    return this.serial[port].pending()
  }

  powerButton(): void {
    if (this.asleep) this.wakeEvent = PWRBTN_STS
    else this.pm.powerButton()
  }

  insertFloppy(drive: number, medium: BlockDevice | undefined): void {
    if (medium) this.fdc.insert(drive, medium)
    else this.fdc.eject(drive)
    this.hold(`floppy${drive}`, medium)
  }

  insertCdrom(medium: BlockDevice | undefined): void {
    if (medium) this.cd.insert(medium)
    else this.cd.eject()
    this.hold('cdrom', medium)
  }

  private hold(slot: string, medium: BlockDevice | undefined): void {
    if (medium) this.media.set(slot, medium)
    else this.media.delete(slot)
  }

  lastIo(): PortAccess[] {
    return this.portLog.list((port) => this.ports.nameOf(port))
  }

  lastFaults(): Fault[] {
    return this.cpu.lastFaults()
  }

  unhandled(): Unhandled[] {
    const list: Unhandled[] = [
      ...this.ports.unhandled().map(({ port, ...rest }) => ({ kind: 'port' as const, address: port, ...rest })),
      ...this.memory
        .unhandled()
        .addresses.map(({ address, reads, writes }) => ({ kind: 'mmio' as const, address, reads, writes })),
      ...this.unknownMsrs.entries().map(([address, reads]) => ({ kind: 'msr' as const, address, reads, writes: 0 })),
    ]
    return list.sort((a, b) => b.reads + b.writes - (a.reads + a.writes))
  }

  registers(): string {
    const { cpu } = this
    if (cpu.cpus === 1) return formatRegisters(cpu.getState())
    return Array.from({ length: cpu.cpus }, (_, i) => `CPU ${i}:\n${formatRegisters(cpu.getState(i))}`).join('\n')
  }

  save(): MachineState {
    return { ...this.saveAllButMemory(), memory: this.guestMemory.capture() }
  }

  fingerprint(): string {
    const hash = hashParts({ ...this.saveAllButMemory(), memory: { size: 0, layers: [] } })
    this.guestMemory.forEachPage((page, bytes) => hash.update(`${page}\n`).update(bytes))
    return hash.digest('hex')
  }

  private saveAllButMemory(): Omit<MachineState, 'memory'> {
    const { cpu, clock, devices, resetDue, pending, over, asleep, wakeEvent } = this
    const media: MachineState['media'] = {}
    for (const [slot, medium] of this.media) {
      if (!(medium instanceof Overlay) && !medium.readOnly)
        throw new SnapshotError(
          `${slot} is written in place, so a snapshot of this machine could not be gone back to; open it without "write"`,
        )
      media[slot] = medium instanceof Overlay ? medium.freeze() : null
    }
    cpu.dropTranslations()
    return {
      shape: this.shape(),
      time: cpu.saveTime(),
      cpus: Array.from({ length: cpu.cpus }, (_, i) => cpu.getState(i)),
      clock: clock.save(),
      devices: Object.fromEntries(devices.map((device) => [device.name, device.save()])),
      media,
      machine: {
        resetDue,
        pending: pending ? { ...pending } : null,
        over: over ? { ...over } : null,
        asleep,
        wakeEvent,
        unknownMsrs: this.unknownMsrs.entries(),
        ports: this.ports.saveUnhandled(),
        memory: this.memory.saveUnhandled(),
      } as State,
    }
  }

  load(state: MachineState): void {
    checkShape(state.shape, this.shape())
    checkState(state, this.ownState())
    try {
      this.take(state)
    } catch (error) {
      if (error instanceof SnapshotError) throw error
      throw damaged('the machine', (error as Error).message)
    }
    if (Math.abs(this.cpu.now() - state.time.ns) > 1) throw damaged('time', 'its counts do not make the guest time')
  }

  /** What a state of this machine looks like. */
  private ownState(): LikeState {
    return {
      time: this.cpu.saveTime(),
      cpus: Array.from({ length: this.cpu.cpus }, (_, i) => this.cpu.getState(i)),
      clock: this.clock.save(),
      devices: this.devices,
    }
  }

  private take(state: MachineState): void {
    const { cpu, memory } = this
    const { machine } = state
    for (const [slot, image] of Object.entries(state.media)) {
      const medium = this.media.get(slot)
      if (image && medium instanceof Overlay) medium.restore(image)
    }
    this.guestMemory.restore(state.memory)
    // First the time, which devices look at, and last the CPUs and the clock, which devices reach into.
    cpu.loadTime(state.time)
    memory.batch(() => {
      for (const device of loadOrder(this.devices)) {
        const saved = state.devices[device.name]
        if (saved) device.load(migrated(device, saved, state.shape.devices[device.name]))
      }
    })
    for (const [i, one] of state.cpus.entries()) cpu.setState(one, i)
    this.clock.load(state.clock)
    this.resetDue = machine.resetDue as boolean
    this.pending = (machine.pending ?? undefined) as MachineExit | undefined
    this.over = (machine.over ?? undefined) as MachineExit | undefined
    // Snapshots from before ACPI S3 have neither.
    this.asleep = (machine.asleep as boolean | undefined) ?? false
    this.wakeEvent = (machine.wakeEvent as number | undefined) ?? 0
    this.unknownMsrs.load(machine.unknownMsrs as [number, number][])
    this.ports.loadUnhandled(machine.ports as State)
    memory.loadUnhandled(machine.memory as State)
  }

  shape(): MachineShape {
    return {
      ...this.shapeBase,
      engine: this.engine,
      devices: Object.fromEntries(this.devices.map(({ name, version }) => [name, version ?? 1])),
      memory: this.memory.allocations().map(({ name, offset, size }) => ({ name, offset: offset - ARENA_GUEST, size })),
      memorySize: this.guestMemory.size,
      media: Object.fromEntries([...this.media].map(([slot, { size }]) => [slot, size])),
    }
  }

  close(): void {
    this.cpu.close()
  }
}

function defaultBootOrder(options: MachineOptions): string {
  const order = `${options.floppies[0] ? 'a' : ''}${options.disks.length ? 'c' : ''}${options.cdrom ? 'd' : ''}`
  return order || 'cad'
}

/** Makes a machine. Throws an EngineUnavailableError, or a BootImageError for a kernel that cannot be booted. */
export function createPc(options: MachineOptions): Machine {
  return new Pc(options)
}
