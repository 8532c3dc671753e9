/**
 * What a PC's CMOS memory tells the firmware: the bytes that QEMU 7.2's i440FX machine writes and SeaBIOS reads.
 *
 * Ralf Brown's interrupt list, CMOS.LST; SeaBIOS `src/hw/rtc.h` names the same bytes.
 */

/** Where the bytes go; the RTC is one. */
export interface Cmos {
  setCmos(index: number, value: number): void
}

/** Kibibytes of a floppy drive's largest format; `none` where there is no drive. */
export type FloppyType = 'none' | 360 | 1200 | 720 | 1440 | 2880
export type BootDevice = 'floppy' | 'disk' | 'cdrom' | 'network'

export interface DiskGeometry {
  cylinders: number
  heads: number
  sectors: number
  /** How the BIOS is to squeeze the geometry into INT 13h; by size when not given. */
  translation?: 'none' | 'lba' | 'large' | 'rechs'
}

export interface MachineDescription {
  memoryBytes: number
  /** Bytes of it below the PCI hole; by QEMU's rule for the i440FX when not given. */
  memoryBelow4G?: number
  floppyTypes?: readonly FloppyType[]
  /** The first three count. */
  bootOrder?: readonly BootDevice[]
  /** Default 1. */
  cpus?: number
  /** Primary master and slave, secondary master and slave. */
  disks?: readonly (DiskGeometry | undefined)[]
  /** Whether the BIOS is to refuse floppies without a boot signature; default true. */
  checkFloppySignature?: boolean
}

/** What the firmware is to do after a reset that was not power-on; FEh is QEMU's for the way out of ACPI S3. */
export const SHUTDOWN_STATUS = 0x0f
export const SHUTDOWN_TO_S3 = 0xfe
const FLOPPY_TYPES = 0x10
const DISK_TYPES = 0x12
const EQUIPMENT = 0x14
const BASE_MEMORY = 0x15
const EXTENDED_MEMORY = 0x17
const DISK_TYPE_EXTENDED = [0x19, 0x1a]
const DISK_PARAMETERS = [0x1b, 0x24]
/** What the BIOS itself found: the same number again. */
const EXTENDED_MEMORY_FOUND = 0x30
const MEMORY_ABOVE_16M = 0x34
const BOOT_DEVICE_3 = 0x38
const DISK_TRANSLATION = 0x39
const BOOT_DEVICES_1_2 = 0x3d
const MEMORY_ABOVE_4G = 0x5b
const CPUS_LESS_ONE = 0x5f

const EQUIPMENT_FLOPPY = 0x01
const EQUIPMENT_FPU = 0x02
const EQUIPMENT_MOUSE = 0x04
const EQUIPMENT_TWO_FLOPPIES = 0x40

const FLOPPY_CODE: Record<FloppyType, number> = { none: 0, 360: 1, 1200: 2, 720: 3, 1440: 4, 2880: 5 }
const BOOT_CODE: Record<BootDevice, number> = { floppy: 1, disk: 2, cdrom: 3, network: 4 }
const TRANSLATION_CODE = { none: 0, lba: 1, large: 2, rechs: 3 }
/** "User-defined", with parameters in the bytes that follow. */
const DISK_TYPE_USER = 47

const KIB = 1024
const MIB = 1024 * KIB
const GIB = 1024 * MIB

/** Bytes of RAM below the PCI hole on QEMU's i440FX: 3 GiB as soon as 3.5 GiB do not fit all. */
export function memoryBelow4G(memoryBytes: number): number {
  return memoryBytes < 3.5 * GIB ? memoryBytes : 3 * GIB
}

function translationOf(disk: DiskGeometry): number {
  if (disk.translation) return TRANSLATION_CODE[disk.translation]
  if (disk.cylinders <= 1024 && disk.heads <= 16 && disk.sectors <= 63) return TRANSLATION_CODE.none
  return disk.cylinders * disk.heads <= 131072 ? TRANSLATION_CODE.large : TRANSLATION_CODE.lba
}

function setWord(cmos: Cmos, index: number, value: number): void {
  cmos.setCmos(index, value & 0xff)
  cmos.setCmos(index + 1, (value >> 8) & 0xff)
}

function describeMemory(cmos: Cmos, memory: MachineDescription): void {
  const below = memory.memoryBelow4G ?? memoryBelow4G(memory.memoryBytes)
  const above = Math.floor((memory.memoryBytes - below) / (64 * KIB))
  setWord(cmos, BASE_MEMORY, Math.min(Math.floor(below / KIB), 640))
  const extended = Math.min(Math.max(Math.floor((below - MIB) / KIB), 0), 0xffff)
  setWord(cmos, EXTENDED_MEMORY, extended)
  setWord(cmos, EXTENDED_MEMORY_FOUND, extended)
  setWord(cmos, MEMORY_ABOVE_16M, Math.min(Math.max(Math.floor((below - 16 * MIB) / (64 * KIB)), 0), 0xffff))
  setWord(cmos, MEMORY_ABOVE_4G, above)
  cmos.setCmos(MEMORY_ABOVE_4G + 2, (above >> 16) & 0xff)
}

/** Only the primary channel's disks have a type and parameters. */
function describeDisks(cmos: Cmos, disks: readonly (DiskGeometry | undefined)[]): void {
  let types = 0
  let translations = 0
  for (const [i, disk] of disks.slice(0, 4).entries()) {
    if (!disk) continue
    translations |= translationOf(disk) << (i * 2)
    if (i > 1) continue
    types |= i === 0 ? 0xf0 : 0x0f
    cmos.setCmos(DISK_TYPE_EXTENDED[i], DISK_TYPE_USER)
    const at = DISK_PARAMETERS[i]
    setWord(cmos, at, disk.cylinders)
    cmos.setCmos(at + 2, disk.heads)
    // No write precompensation.
    setWord(cmos, at + 3, 0xffff)
    cmos.setCmos(at + 5, 0xc0 | (disk.heads > 8 ? 0x08 : 0))
    // Landing zone.
    setWord(cmos, at + 6, disk.cylinders)
    cmos.setCmos(at + 8, disk.sectors)
  }
  cmos.setCmos(DISK_TYPES, types)
  cmos.setCmos(DISK_TRANSLATION, translations)
}

/** Writes the CMOS bytes that describe the machine to its firmware. */
export function describeMachine(cmos: Cmos, machine: MachineDescription): void {
  describeMemory(cmos, machine)

  const [a = 'none', b = 'none'] = machine.floppyTypes ?? []
  cmos.setCmos(FLOPPY_TYPES, (FLOPPY_CODE[a] << 4) | FLOPPY_CODE[b])
  let equipment = EQUIPMENT_FPU | EQUIPMENT_MOUSE
  const floppies = (a === 'none' ? 0 : 1) + (b === 'none' ? 0 : 1)
  if (floppies > 0) equipment |= EQUIPMENT_FLOPPY
  if (floppies > 1) equipment |= EQUIPMENT_TWO_FLOPPIES
  cmos.setCmos(EQUIPMENT, equipment)

  describeDisks(cmos, machine.disks ?? [])

  const boot = (machine.bootOrder ?? []).map((device) => BOOT_CODE[device])
  cmos.setCmos(BOOT_DEVICES_1_2, ((boot[1] ?? 0) << 4) | (boot[0] ?? 0))
  cmos.setCmos(BOOT_DEVICE_3, ((boot[2] ?? 0) << 4) | (machine.checkFloppySignature === false ? 1 : 0))
  cmos.setCmos(CPUS_LESS_ONE, (machine.cpus ?? 1) - 1)
}
