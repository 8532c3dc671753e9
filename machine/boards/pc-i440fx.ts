/**
 * The PC: one table of what is where. An i440FX board as QEMU's `pc` machine has it, so that every guest finds drivers.
 *
 * Read it from top to bottom: interrupts, chipset, timers, input, what is plugged in, what the firmware is told.
 */
import { PciBus } from '../bus/pci.js'
import { ApicBus } from '../chipset/apic-bus.js'
import { CoprocessorError } from '../chipset/coprocessor-error.js'
import { I440fx } from '../chipset/i440fx.js'
import { I8237Pair } from '../chipset/i8237.js'
import { I8259Pair } from '../chipset/i8259.js'
import { IoApic } from '../chipset/io-apic.js'
import { IrqRouter } from '../chipset/irq-router.js'
import { LocalApic, localApicWindow } from '../chipset/local-apic.js'
import { Piix3 } from '../chipset/piix3.js'
import { Piix3Ide } from '../chipset/piix3-ide.js'
import { Piix4Pm, PWRBTN_STS, RTC_STS } from '../chipset/piix4-pm.js'
import { A20Gate, SystemControl } from '../chipset/system-control.js'
import type { Device } from '../device.js'
import { DEVICE_TYPES, DeviceError, type DeviceSpec, parseDevice } from '../devices/catalogue.js'
import type { PortClaim } from '../devices/device-type.js'
import { CfiFlash } from '../devices/firmware/cfi-flash.js'
import { FwCfg } from '../devices/firmware/fw-cfg.js'
import { I8042 } from '../devices/input/i8042.js'
import { Ps2Keyboard } from '../devices/input/ps2-keyboard.js'
import { Ps2Mouse } from '../devices/input/ps2-mouse.js'
import type { SataBus } from '../devices/storage/ahci.js'
import { AtapiCd } from '../devices/storage/atapi-cd.js'
import { Fdc82077 } from '../devices/storage/fdc82077.js'
import type { FloppyBus, FloppyDrive } from '../devices/storage/floppy-drive.js'
import { Ide } from '../devices/storage/ide.js'
import type { IdeBus, IdeDrive } from '../devices/storage/ide-drive.js'
import type { ScsiBus } from '../devices/storage/scsi-disk.js'
import type { LegacyTimers } from '../devices/timer/hpet.js'
import { I8254 } from '../devices/timer/i8254.js'
import { Mc146818 } from '../devices/timer/mc146818.js'
import type { SerialBus } from '../devices/virtio/virtio-serial.js'
import { SHUTDOWN_STATUS, SHUTDOWN_TO_S3 } from '../firmware/tables/cmos.js'
import { DEFAULT_EPOCH, type MachineOptions } from '../machine.js'
import { floppyDrive, floppyUnit } from '../media/drive-id.js'
import type { Board, Chassis } from './board.js'
import { describeToFirmware } from './firmware-handover.js'
import { absentPorts, plugIn, type Wiring } from './plug.js'

/** Types of devices that reset a guest that does nothing. */
const WATCHDOGS = ['ib700', 'i6300esb']

/** Guest time of a switch of the A20 gate: about what the host takes to follow. */
const A20_NS = 1e3

const FOUR_GIB = 2 ** 32

/** Where drives are on the two IDE channels that nobody said another place for: the CD is secondary master. */
const DISK_UNITS = [0, 1, 3]
const CDROM_UNIT = 2

/** What a PC may have and this one has no device type for: named, counted and reported when a guest touches it. */
const ABSENT: readonly PortClaim[] = [
  { name: 'tertiary IDE', base: 0x1e8, count: 8 },
  { name: 'quaternary IDE', base: 0x168, count: 8 },
  { name: 'game port', base: 0x200, count: 8 },
  { name: 'Sound Blaster', base: 0x220, count: 16 },
  { name: 'AdLib OPL', base: 0x388, count: 4 },
  { name: 'MPU-401', base: 0x330, count: 2 },
  { name: 'VMware backdoor', base: 0x5658, count: 4 },
  { name: 'LPT2', base: 0x278, count: 8 },
  { name: 'secondary floppy controller', base: 0x370, count: 6 },
  { name: 'ISA plug and play', base: 0xa79, count: 1 },
  { name: 'EISA', base: 0xc80, count: 4 },
  { name: 'ACPI CPU hotplug', base: 0xaf00, count: 0x20 },
  { name: 'ACPI PCI hotplug', base: 0xae00, count: 0x14 },
  { name: 'memory hotplug', base: 0xa00, count: 0x18 },
  { name: 'CGA registers', base: 0x3d8, count: 2 },
  { name: 'chipset configuration (22h, 23h)', base: 0x22, count: 2 },
  { name: 'ECP registers of LPT1', base: 0x778, count: 3 },
]

/** What is plugged in: drives with their media, what every PC has here, and what was asked for. */
export function deviceTable(
  options: Pick<MachineOptions, 'floppies' | 'disks' | 'vga' | 'devices' | 'nics'>,
): DeviceSpec[] {
  const { floppies, disks, devices = [], nics = [] } = options
  const given = devices.flatMap(({ options }) => options?.drive ?? [])
  const twice = given.find((drive, i) => given.indexOf(drive) !== i)
  if (twice !== undefined) throw new DeviceError(`two devices are given the disk '${twice}'; give one another`)
  const floppyDrives = [0, 1].filter((unit) => unit === 0 || floppies[unit])
  const taken = devices.filter(({ type }) => busOf(type) === 'ide').map(({ options }) => Number(options?.unit))
  const free = DISK_UNITS.filter((unit) => !taken.includes(unit))
  const own: DeviceSpec[] = [
    ...floppyDrives.map((unit) => ({ type: 'floppy', id: floppyDrive(unit), options: { unit } })),
    ...disks.flatMap((_, i) => {
      const id = `disk${i}`
      // One that another device was given is not in the IDE's cable.
      if (given.includes(id)) return []
      return [{ type: 'ide-hd', id, options: { unit: free.shift(), drive: id } }]
    }),
    ...(taken.includes(CDROM_UNIT) || devices.some(({ id }) => id === 'cdrom')
      ? []
      : [{ type: 'ide-cd', id: 'cdrom', options: { unit: CDROM_UNIT } }]),
    { type: 'hpet' },
    { type: 'isa-fdc' },
    ...(options.vga === 'none' ? [] : [{ type: options.vga ?? 'VGA' }]),
    { type: 'isa-parallel', id: 'LPT1' },
    ...[0, 1, 2, 3].map((index) => ({ type: 'isa-serial', id: `COM${index + 1}`, options: { index } })),
    { type: 'isa-debugcon', id: 'debugcon', options: { iobase: 0x402 } },
    { type: 'isa-debugcon', id: 'port E9', options: { iobase: 0xe9 } },
    // Where kernels' tutorials put it.
    { type: 'isa-debug-exit', options: { iobase: 0xf4, iosize: 4 } },
  ]
  // One that was asked for comes in the place of the board's own, and is connected as that is.
  const replaced = new Map(
    devices.flatMap((asked) => own.filter((one) => isSamePlace(one, asked)).map((one) => [one, asked])),
  )
  const added = devices.filter((asked) => ![...replaced.values()].includes(asked))
  return [
    ...own.map((one) => {
      const asked = replaced.get(one)
      return asked ? { ...asked, ...(one.id !== undefined && { id: one.id }) } : one
    }),
    ...added,
    ...nics.map(({ type, id, mac, options: own }) => ({ type, id, options: { ...own, mac } })),
  ]
}

function isSamePlace(own: DeviceSpec, asked: DeviceSpec): boolean {
  const [one, other] = [parseDevice(own), parseDevice(asked)]
  if (one.type.category === 'Display' && other.type.category === 'Display') return true
  const place = (options: object) => ('iobase' in options ? options.iobase : 'index' in options ? options.index : '')
  return (
    one.type === other.type && !['ide', 'floppy'].includes(one.type.bus) && place(one.options) === place(other.options)
  )
}

const busOf = (type: string) => DEVICE_TYPES.find((known) => known.type === type)?.bus

/** A controller's cable: the drives by unit, as they are plugged in. */
function cable<D>(name: string, drives: (D | undefined)[]) {
  return {
    drives,
    attach(unit: number, drive: D) {
      if (drives[unit]) throw new DeviceError(`two drives are to be ${name} unit ${unit}; give one another unit`)
      drives[unit] = drive
    },
  }
}

export function pcI440fx(chassis: Chassis): Board {
  const { options, engine, clock, ports, memory, warn, control } = chassis
  const { firmware, cpus = 1 } = options

  // ---- interrupts ----
  const pic = new I8259Pair({
    intr: (level) => {
      for (const each of apics) each.lint0(level)
    },
    warn,
  })
  const apicBus = new ApicBus()
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
  const ioApic = new IoApic({ bus: apicBus, clock, pic, warn })
  const router = new IrqRouter({
    pic: (irq, level) => pic.line(irq)(level),
    ioapic: (pin, level) => ioApic.line(pin)(level),
  })
  const irq = (n: number, source: string) => router.source(n, source)

  // ---- chipset ----
  const pci = new PciBus(ports, memory)
  pci.connectMessages((address, data) => apicBus.message(address, data))
  const host = new I440fx({ pci, memory, ramSize: options.memory, bios: firmware.bios })
  // INIT# reaches every CPU: memory and devices stay as they are, and the firmware looks into CMOS at what to do.
  const init = () => {
    for (const each of apics) each.initPin()
  }
  const bridge = new Piix3({
    pci,
    ports,
    interrupts: router,
    reset: (kind) => (kind === 'hard' ? control.reset() : init()),
  })
  const dma = new I8237Pair({ memory, warn })
  const ideUnits: (IdeDrive | undefined)[] = []
  const sataUnits: (IdeDrive | undefined)[] = []
  const floppyUnits: (FloppyDrive | undefined)[] = []
  const timers: LegacyTimers = { setPitInterrupt: (on) => pit.setInterruptEnabled(on), hpet: undefined }
  const wiring: Wiring = {
    router,
    dma,
    pci,
    buses: {
      ide: cable('ide', ideUnits) satisfies IdeBus,
      floppy: cable('floppy', floppyUnits) satisfies FloppyBus,
      sata: cable('sata', sataUnits) satisfies SataBus,
      scsi: { units: [] } satisfies ScsiBus,
      'virtio-serial': { ports: [] } satisfies SerialBus,
      'legacy-timers': timers,
    },
    backend: (kind, device) => chassis.backend(kind, device),
    names: new Set(chassis.network ? [chassis.network.name] : []),
  }
  const table = deviceTable(options)
  const isDrive = ({ type }: DeviceSpec) => ['ide', 'floppy'].includes(busOf(type) ?? '')
  const drives = plugIn(table.filter(isDrive), chassis, wiring)
  const ide = new Ide({
    clock,
    memory,
    irq: [irq(14, 'ide primary'), irq(15, 'ide secondary')],
    warn,
    drives: ideUnits,
  })
  const ideFunction = new Piix3Ide({ pci, busMaster: ide.busMaster })
  const has = (name: string) => table.some((spec) => (spec.id ?? spec.type) === name)
  const pm = new Piix4Pm({
    pci,
    ports,
    clock,
    sci: irq(9, 'acpi sci'),
    powerOff: () => control.powerOff(),
    suspend: () => control.suspend(),
    present: { parallel: has('LPT1'), serial1: has('COM1'), serial2: has('COM2') },
    warn,
  })

  // ---- timers ----
  const irq0 = irq(0, 'pit')
  const irq8 = irq(8, 'rtc')
  const pit = new I8254({
    clock,
    output0: (level) => (timers.hpet ? timers.hpet.pitInput(level) : irq0(level)),
    warn,
  })
  const rtc = new Mc146818({
    clock,
    alarm: () => {
      if (control.isSuspended && pm.alarmWakes) control.wake(RTC_STS)
    },
    irq: (level) => (timers.hpet ? timers.hpet.rtcInput(level) : irq8(level)),
    epochSeconds: options.epoch ?? DEFAULT_EPOCH,
    warn,
  })

  // ---- input and system control ----
  const a20 = new A20Gate((enabled) => {
    engine.setA20(enabled)
    clock.stall(A20_NS)
  })
  const coprocessor = new CoprocessorError(irq(13, 'fpu'), (asserted) => engine.setIgnne?.(asserted))
  const system = new SystemControl({ pit, clock, setA20: a20.set, reset: init, warn })
  const keyboard = new Ps2Keyboard({ warn })
  const mouse = new Ps2Mouse({ warn })
  const i8042 = new I8042({
    clock,
    keyboard,
    mouse,
    irq1: irq(1, 'keyboard'),
    irq12: irq(12, 'mouse'),
    setA20: a20.set,
    getA20: () => a20.enabled,
    reset: init,
    warn,
  })
  const fwCfg = new FwCfg({ memory, clock, warn })
  // Right below the firmware's code, where OVMF looks for its variables.
  const flash =
    firmware.variables &&
    new CfiFlash({
      name: 'flash',
      base: FOUR_GIB - firmware.bios.length - firmware.variables.length,
      contents: firmware.variables.slice(),
      warn,
    })

  // ---- what is plugged in ----
  const plugged = plugIn(
    table.filter((spec) => !isDrive(spec)),
    chassis,
    wiring,
  )
  const devices: Device[] = [
    ...[host, pci, bridge, ideFunction, ide],
    ...[pic, ioApic, ...apics, router],
    ...[pit, rtc, dma, system, coprocessor, fwCfg, i8042],
    ...plugged.flatMap(({ device }) => device ?? []),
    ...[pm, a20],
    ...(flash ? [flash] : []),
    ...(chassis.network ? [chassis.network] : []),
  ]
  for (const device of devices) {
    try {
      for (const range of device.ports ?? []) ports.add(device.name, range)
      for (const range of device.mmio ?? []) memory.addMmio(range)
    } catch (error) {
      if (!options.devices?.length && !options.nics?.length) throw error
      throw new DeviceError(`${(error as Error).message}; give one of the devices another place, or leave it out`)
    }
  }
  memory.addMmio(localApicWindow(apic))
  const unplugged = [...ABSENT, ...DEVICE_TYPES.flatMap(({ legacyPorts }) => legacyPorts ?? [])]
  for (const { name, base, count } of absentPorts(devices, unplugged)) ports.declareAbsent(name, base, count)

  // ---- what the firmware is told ----
  describeToFirmware(options, { devices, fwCfg, rtc, pm, floppies: floppyUnits, disks: ideUnits })

  const fdc = devices.find((device) => device instanceof Fdc82077)
  const cd = ideUnits.find((drive) => drive instanceof AtapiCd)
  return {
    devices,
    types: Object.fromEntries([...drives, ...plugged].map(({ name, type }) => [name, type])),
    pins: {
      acknowledgeInterrupt: () => apic().acknowledge(),
      readMsr: (index) => apic().readMsr(index),
      writeMsr: (index, value) => apic().writeMsr(index, value),
      readTpr: () => apic().cr8,
      writeTpr: (value) => {
        apic().cr8 = value
      },
      ferr: coprocessor.error,
      smmChanged: (inSmm) => host.setSmm(inSmm),
    },
    irqs: router,
    pci,
    display: devices.find(({ display }) => display)?.display,
    keyboard,
    mouse,
    i8042,
    tray: cd,
    insert(drive, medium) {
      if (drive === 'cdrom') {
        if (!cd) throw new DeviceError('the machine has no CD drive: a disk is in its place; give that another bus')
        if (medium) cd.insert(medium)
        else cd.eject()
      } else if (medium) fdc?.insert(floppyUnit(drive), medium)
      else fdc?.eject(floppyUnit(drive))
    },
    silence() {
      // A watchdog ends what interrupts do not.
      if (plugged.some(({ type }) => WATCHDOGS.includes(type))) return undefined
      const bySome = pci.functions().some((one) => one.pci.sendsMessages)
      return ioApic.isSilent && apics.every((each) => each.isSilent) && !bySome ? pic.silence : undefined
    },
    power: {
      button: () => pm.powerButton(),
      nmi: () => {
        for (const each of apics) {
          each.lint1(true)
          each.lint1(false)
        }
      },
      buttonEvent: PWRBTN_STS,
      alarm: () => (pm.alarmWakes ? rtc.alarmDue : Number.POSITIVE_INFINITY),
      // The firmware finds in CMOS, as QEMU's does, what it is to do after the reset.
      suspending: () => rtc.setCmos(SHUTDOWN_STATUS, SHUTDOWN_TO_S3),
      resume: (event, reset) => {
        // SeaBIOS tells by its copy in RAM that it is not at power-on; QEMU's host bridge leaves it in sight, too.
        const { shadowing } = host
        reset()
        host.shadowing = shadowing
        pm.wake(event)
      },
    },
  }
}
