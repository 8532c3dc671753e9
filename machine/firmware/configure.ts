/**
 * Puts into fw_cfg all that SeaBIOS is to know of a machine: memory, CPUs, ACPI and SMBIOS tables, boot order and menu,
 * and a kernel to boot directly. See SeaBIOS docs/Runtime_config for the files it reads.
 */

import { FW_CFG, type FwCfg } from '../devices/firmware/fw-cfg.js'
import {
  BOOT_IMAGE_FILE,
  BOOT_ROM_BOOTORDER,
  BOOT_ROM_FILE,
  BootImageError,
  type BootPlan,
  bootImage,
  buildBootRom,
} from './boot-rom.js'
import type { KernelToBoot } from './kernel-layout.js'
import { planKernel } from './kernel-protocol.js'
import { type LinuxBootOptions, type LinuxBootPlan, planLinuxBoot } from './linux-boot.js'
import {
  ACPI_FILES,
  type AcpiFiles,
  type AcpiOptions,
  buildAcpiFiles,
  SEABIOS_PM_BASE,
  TABLES_FILE,
} from './tables/acpi-tables.js'
import { type E820Entry, e820Table, encodeE820, type MemoryLayout, memoryLayout } from './tables/e820.js'
import { buildSmbiosFiles, SMBIOS_FILES, type SmbiosOptions } from './tables/smbios-tables.js'

export interface FirmwareOptions {
  readonly fwCfg: FwCfg
  /** Bytes of RAM. */
  readonly memoryBytes: number
  readonly cpus: number
  /** QEMU's -boot letters: a floppy, c hard disk, d CD, n network; default `cad`. */
  readonly bootOrder?: string
  /** Escape opens a menu of the drives. `waitMs`: milliseconds that this is offered; default SeaBIOS's own 2500. */
  readonly bootMenu?: { readonly waitMs?: number }
  /** Milliseconds until the machine restarts when nothing could be booted; default never. */
  readonly bootFailWaitMs?: number
  /** Lines for SeaBIOS's `bootorder`, in its notation (`/pci@i0cf8/ide@1,1/drive@0/disk@0`), first one first. */
  readonly bootDevices?: readonly string[]
  /** Which devices the DSDT describes; `false` for a machine without ACPI. */
  readonly acpi?: (() => Partial<Omit<AcpiOptions, 'cpus' | 'lowMemory' | 'pmBase'>>) | false
  /** I/O port where power management is mapped by now; undefined where it is nowhere. The tables say so when they are read. */
  readonly pmBase?: () => number | undefined
  readonly smbios?: Omit<SmbiosOptions, 'cpus' | 'memory'>
  /** Reserved ranges to report beside RAM, e.g. what KVM needs for itself. */
  readonly reserved?: readonly E820Entry[]
  /** Makes SeaBIOS's screen and keyboard available on the serial port at this base, e.g. 0x3f8. */
  readonly serialConsole?: number
  /** A Linux kernel to boot instead of a medium. */
  readonly linux?: Omit<LinuxBootOptions, 'lowMemory'>
  /** A Multiboot, Multiboot 2 or PVH kernel to boot instead of a medium. */
  readonly multiboot?: Omit<KernelToBoot, 'lowMemory'>
  /** Option ROMs: `genroms/...`, `vgaroms/...`, or `pciVVVV,DDDD.rom` for the PCI device with those IDs (hexadecimal). */
  readonly optionRoms?: { readonly [file: string]: Uint8Array }
  /** Further files, by name. */
  readonly files?: { readonly [file: string]: Uint8Array }
}

export interface FirmwareConfiguration {
  readonly memory: MemoryLayout
  /** CMOS registers by number that SeaBIOS reads the boot order from; the board writes them into its RTC. */
  readonly cmos: { readonly 0x38: number; readonly 0x3d: number }
  /** Where a kernel that is booted directly lies; undefined without one. */
  readonly boot?: BootPlan
}

/** Boot device numbers in CMOS. */
const BOOT_LETTERS: { readonly [letter: string]: number } = { a: 1, c: 2, d: 3, n: 4 }

/**
 * Adds everything to `fwCfg`, once for a machine. Throws a BootImageError for a kernel that cannot be booted, a
 * RangeError for a boot order or UUID that is none.
 */
export function configureFirmware(options: FirmwareOptions): FirmwareConfiguration {
  const { fwCfg, memoryBytes, cpus } = options
  const cmos = bootOrderCmos(options.bootOrder ?? 'cad')
  const memory = memoryLayout(memoryBytes)
  const boot = planBoot(options, memory.low)

  addLegacyItems(fwCfg, options)
  fwCfg.addFile('etc/e820', encodeE820(e820Table(memory, options.reserved)))
  if (options.acpi !== false) {
    const { acpi } = options
    const describe = () => ({ isa: [], pci: [], ...acpi?.(), cpus, lowMemory: memory.low })
    addAcpiFiles(fwCfg, describe, options.pmBase)
    // S0 to S5: bit 7 is "supported", the low bits are SLP_TYP, as the DSDT has it.
    fwCfg.addFile('etc/system-states', Uint8Array.of(0x80, 0, 0, 0x81, 0x82, 0x80))
  }
  const smbios = once(() => buildSmbiosFiles({ ...options.smbios, cpus, memory }))
  // What is wrong with what was asked for is told at once.
  if (options.smbios) smbios()
  for (const name of SMBIOS_FILES) fwCfg.addFile(name, { data: () => smbios()[name] })

  if (options.bootMenu?.waitMs !== undefined)
    fwCfg.addIntegerFile('etc/boot-menu-wait', Math.max(0, Math.round(options.bootMenu.waitMs)), 4)
  fwCfg.addIntegerFile('etc/boot-fail-wait', options.bootFailWaitMs ?? 0xffffffff, 4)
  if (options.serialConsole !== undefined) fwCfg.addIntegerFile('etc/sercon-port', options.serialConsole, 2)

  const order = [...(options.bootDevices ?? [])]
  if (boot) {
    fwCfg.addFile(BOOT_ROM_FILE, buildBootRom())
    fwCfg.addFile(BOOT_IMAGE_FILE, bootImage(boot))
    if ('kernel' in boot) addLinuxItems(fwCfg, boot)
    order.unshift(BOOT_ROM_BOOTORDER)
  }
  if (order.length > 0) fwCfg.addFile('bootorder', new TextEncoder().encode(`${order.join('\n')}\n\0`))
  addFiles(fwCfg, options.optionRoms ?? {})
  addFiles(fwCfg, options.files ?? {})
  return { memory, cmos, boot }
}

/**
 * The tables are made when the firmware asks for them, since a machine that goes on from a state never does, and are those
 * of the moment at which it reads them: it has mapped power management before.
 */
function addAcpiFiles(fwCfg: FwCfg, describe: () => AcpiOptions, pmBase: FirmwareOptions['pmBase']): void {
  const byBase = new Map<number, AcpiFiles>()
  const files = (base: number) => {
    const made = byBase.get(base) ?? buildAcpiFiles({ ...describe(), pmBase: base })
    byBase.set(base, made)
    return made
  }
  for (const name of ACPI_FILES) {
    const data = () => files(SEABIOS_PM_BASE)[name]
    fwCfg.addFile(
      name,
      name === TABLES_FILE ? { data, select: () => files(pmBase?.() ?? SEABIOS_PM_BASE)[name] } : { data },
    )
  }
}

function planBoot(options: FirmwareOptions, lowMemory: number): BootPlan | LinuxBootPlan | undefined {
  if (options.linux && options.multiboot)
    throw new BootImageError('A machine boots either a Linux or a Multiboot kernel directly, not both.')
  if (options.linux) return planLinuxBoot({ ...options.linux, lowMemory })
  if (options.multiboot) return planKernel({ ...options.multiboot, lowMemory })
  return undefined
}

/** The numbered items that are read under their numbers. */
function addLegacyItems(fwCfg: FwCfg, options: FirmwareOptions): void {
  const { memoryBytes, cpus, bootOrder = 'cad' } = options
  fwCfg.addItem(FW_CFG.UUID, new Uint8Array(16))
  fwCfg.addInteger(FW_CFG.RAM_SIZE, memoryBytes, 8)
  fwCfg.addInteger(FW_CFG.NOGRAPHIC, 0, 2)
  fwCfg.addInteger(FW_CFG.NB_CPUS, cpus, 2)
  fwCfg.addInteger(FW_CFG.MAX_CPUS, cpus, 2)
  fwCfg.addInteger(FW_CFG.BOOT_DEVICE, bootOrder.charCodeAt(0), 2)
  fwCfg.addInteger(FW_CFG.BOOT_MENU, options.bootMenu ? 1 : 0, 2)
  // No NUMA nodes: their number, and a node for each CPU.
  fwCfg.addItem(FW_CFG.NUMA, new Uint8Array(8 * (1 + cpus)))
  // ISA IRQ 0 is wired to I/O APIC pin 2; SeaBIOS's MP table says so.
  fwCfg.addInteger(FW_CFG.IRQ0_OVERRIDE, 1, 4)
  // Files have taken the place of these; an older firmware asks for them still.
  fwCfg.addInteger(FW_CFG.ACPI_TABLES, 0, 2)
  fwCfg.addInteger(FW_CFG.SMBIOS_ENTRIES, 0, 2)
  fwCfg.addInteger(FW_CFG.E820_TABLE, 0, 4)
}

/** The kernel under the numbers by which other loaders (OVMF, a guest's tools) find it. */
function addLinuxItems(fwCfg: FwCfg, boot: LinuxBootPlan): void {
  const { setup, kernel, cmdline, initrd } = boot
  fwCfg.addInteger(FW_CFG.SETUP_ADDR, setup.address, 4)
  fwCfg.addInteger(FW_CFG.SETUP_SIZE, setup.data.length, 4)
  fwCfg.addItem(FW_CFG.SETUP_DATA, setup.data)
  fwCfg.addInteger(FW_CFG.KERNEL_ADDR, kernel.address, 4)
  fwCfg.addInteger(FW_CFG.KERNEL_SIZE, kernel.data.length, 4)
  fwCfg.addItem(FW_CFG.KERNEL_DATA, kernel.data)
  fwCfg.addInteger(FW_CFG.CMDLINE_ADDR, cmdline.address, 4)
  fwCfg.addInteger(FW_CFG.CMDLINE_SIZE, cmdline.data.length, 4)
  fwCfg.addItem(FW_CFG.CMDLINE_DATA, cmdline.data)
  fwCfg.addInteger(FW_CFG.INITRD_ADDR, initrd?.address ?? 0, 4)
  fwCfg.addInteger(FW_CFG.INITRD_SIZE, initrd?.data.length ?? 0, 4)
  if (initrd) fwCfg.addItem(FW_CFG.INITRD_DATA, initrd.data)
}

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}

function addFiles(fwCfg: FwCfg, files: { readonly [file: string]: Uint8Array }): void {
  for (const [file, data] of Object.entries(files)) fwCfg.addFile(file, data)
}

/** 0x3d: first device in bits 3:0, second in 7:4. 0x38: third in 7:4; bit 0 set: the floppy's signature is not checked. */
function bootOrderCmos(order: string): { 0x38: number; 0x3d: number } {
  const devices = [...order].map((letter) => BOOT_LETTERS[letter] ?? 0)
  if (devices.length === 0 || devices.length > 3 || devices.includes(0) || new Set(devices).size !== devices.length)
    throw new RangeError(`The boot order '${order}' must be one to three different letters of a, c, d, n.`)
  const [first, second = 0, third = 0] = devices
  return { 56: third << 4, 61: first | (second << 4) }
}
