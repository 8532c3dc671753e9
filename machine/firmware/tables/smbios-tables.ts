/**
 * SMBIOS (DMI) tables: what the machine calls itself. SeaBIOS takes them from fw_cfg, puts them into memory and completes
 * the entry point. Specification: DMTF DSP0134, SMBIOS 2.8.
 */
import type { MemoryLayout } from './e820.js'

export interface SmbiosOptions {
  readonly cpus: number
  readonly memory: MemoryLayout
  /** 16 bytes written as text, `8-4-4-4-12` hexadecimal digits; default all zeros, which means none. */
  readonly uuid?: string
  readonly manufacturer?: string
  readonly product?: string
  readonly version?: string
  readonly serial?: string
  /** Type 0: the firmware's own name and version. */
  readonly biosVendor?: string
  readonly biosVersion?: string
  /** Type 4: CPUID leaf 1, EAX in the low and EDX in the high half; default 0. */
  readonly processorId?: bigint
  readonly processorVersion?: string
}

/** fw_cfg files by name. */
export interface SmbiosFiles {
  readonly 'etc/smbios/smbios-anchor': Uint8Array
  readonly 'etc/smbios/smbios-tables': Uint8Array
}

/** In the order in which the directory has them. */
export const SMBIOS_FILES = ['etc/smbios/smbios-anchor', 'etc/smbios/smbios-tables'] as const

const MIB = 2 ** 20
/** A memory device (DIMM) holds 16 GiB at most. */
const DIMM_BYTES = 16 * 1024 * MIB
const UNKNOWN = 0x02
const NO_HANDLE = 0xfffe
const NOT_PROVIDED = 0xffff

/** Throws a RangeError for a UUID that is none. */
export function buildSmbiosFiles(options: SmbiosOptions): SmbiosFiles {
  const {
    cpus,
    memory,
    manufacturer = 'Bootwright',
    product = 'Standard PC (i440FX + PIIX, 1996)',
    version = 'pc-i440fx',
    serial,
    biosVendor = 'SeaBIOS',
    biosVersion = 'unknown',
    processorVersion = version,
  } = options
  const tables = new Tables()

  const bios = tables.add(0, 0x0000)
  bios.string(biosVendor).string(biosVersion).u16(0xe800).string('04/01/2014').u8(0)
  bios.u64(0x08n) // characteristics are not given
  bios.u8(0x00).u8(0x04) // extension bytes: legacy; targeted content distribution
  bios.u8(0).u8(0).u8(0xff).u8(0xff) // system BIOS release 0.0, no embedded controller

  const system = tables.add(1, 0x0100)
  system.string(manufacturer).string(product).string(version).string(serial)
  system.bytes(uuidBytes(options.uuid)).u8(0x06).string().string() // woken by the power switch; SKU, family

  const chassis = tables.add(3, 0x0300)
  chassis.string(manufacturer).u8(0x01).string(version).string(serial).string() // type: other
  chassis.u8(0x03).u8(0x03).u8(0x03).u8(UNKNOWN) // boot-up, power supply and thermal state safe; security unknown
  chassis.u32(0).u8(0).u8(0).u8(0).u8(0).string() // OEM, height, power cords, contained elements, SKU

  for (let index = 0; index < cpus; index++) {
    const cpu = tables.add(4, 0x0400 + index)
    cpu.string(`CPU ${index}`).u8(0x03).u8(0x01).string(manufacturer) // central processor, family "other"
    cpu
      .u64(options.processorId ?? 0n)
      .string(processorVersion)
      .u8(0)
      .u16(0) // voltage, external clock
    cpu.u16(2000).u16(2000).u8(0x41).u8(0x01) // MHz; socket populated, enabled; upgrade "other"
    cpu.u16(NOT_PROVIDED).u16(NOT_PROVIDED).u16(NOT_PROVIDED) // caches
    cpu.string(serial).string().string() // serial number, asset tag, part number
    cpu.u8(1).u8(1).u8(1).u16(UNKNOWN).u16(0x01) // cores, enabled, threads; characteristics; family 2 "other"
  }

  const bytes = memory.low + memory.high
  const dimms = Math.max(1, Math.ceil(bytes / DIMM_BYTES))
  const array = tables.add(16, 0x1000)
  array.u8(0x01).u8(0x03).u8(0x06) // location other, system memory, multi-bit ECC
  const arrayKib = bytes / 1024
  const extended = arrayKib >= 0x80000000
  array
    .u32(extended ? 0x80000000 : Math.floor(arrayKib))
    .u16(NO_HANDLE)
    .u16(dimms)
    .u64(extended ? BigInt(bytes) : 0n)

  for (let index = 0; index < dimms; index++) {
    const size = Math.floor(Math.min(DIMM_BYTES, bytes - index * DIMM_BYTES) / MIB)
    const dimm = tables.add(17, 0x1100 + index)
    dimm.u16(0x1000).u16(NO_HANDLE).u16(NOT_PROVIDED).u16(NOT_PROVIDED).u16(size) // size in MiB
    dimm.u8(0x09).u8(0).string(`DIMM ${index}`).string().u8(0x07).u16(UNKNOWN) // DIMM, no set; bank; type RAM
    dimm.u16(0).string(manufacturer).string(serial).string().string() // speed; asset tag, part number
    dimm.u8(0).u32(0).u16(0).u16(0).u16(0).u16(0) // attributes, extended size, clock, voltages
  }

  const ranges = [{ start: 0, length: memory.low }]
  if (memory.high > 0) ranges.push({ start: 2 ** 32, length: memory.high })
  ranges.forEach(({ start, length }, index) => {
    const range = tables.add(19, 0x1300 + index)
    range
      .u32(start / 1024)
      .u32((start + length) / 1024 - 1)
      .u16(0x1000)
      .u8(1)
      .u64(0n)
      .u64(0n)
  })

  tables.add(32, 0x2000).bytes(new Array(6).fill(0)).u8(0) // no errors detected at boot
  tables.add(127, 0x7f00)
  return { 'etc/smbios/smbios-anchor': anchor(tables), 'etc/smbios/smbios-tables': tables.encode() }
}

/** The 2.x entry point. SeaBIOS fills in the table's address and makes the checksums anew. */
function anchor(tables: Tables): Uint8Array {
  const bytes = new Uint8Array(0x1f)
  const view = new DataView(bytes.buffer)
  const text = (at: number, value: string): void => {
    for (let i = 0; i < value.length; i++) bytes[at + i] = value.charCodeAt(i)
  }
  text(0x00, '_SM_')
  bytes[0x05] = bytes.length
  bytes[0x06] = 2
  bytes[0x07] = 8
  view.setUint16(0x08, tables.largest(), true)
  text(0x10, '_DMI_')
  view.setUint16(0x16, tables.encode().length, true)
  view.setUint16(0x1c, tables.count, true)
  bytes[0x1e] = 0x28
  const checksum = (from: number, to: number): number =>
    -bytes.subarray(from, to).reduce((total, byte) => total + byte, 0) & 0xff
  bytes[0x15] = checksum(0x10, 0x1f)
  bytes[0x04] = checksum(0, 0x1f)
  return bytes
}

/** As SMBIOS 2.6 and later store it: the first three fields little-endian. */
function uuidBytes(uuid: string | undefined): number[] {
  if (uuid === undefined) return new Array(16).fill(0)
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(uuid)) throw new RangeError(`'${uuid}' is not a UUID`)
  const bytes = [...Buffer.from(uuid.replaceAll('-', ''), 'hex')]
  return [
    ...bytes.slice(0, 4).reverse(),
    ...bytes.slice(4, 6).reverse(),
    ...bytes.slice(6, 8).reverse(),
    ...bytes.slice(8),
  ]
}

/** One structure: its formatted part, and the strings its numbers refer to. */
class Structure {
  private readonly data: number[]
  private readonly strings: string[] = []

  constructor(type: number, handle: number) {
    this.data = [type, 0, handle & 0xff, handle >> 8]
  }

  u8(value: number): this {
    this.data.push(value & 0xff)
    return this
  }

  u16(value: number): this {
    return this.u8(value).u8(value >>> 8)
  }

  u32(value: number): this {
    return this.u16(value & 0xffff).u16(value / 65536)
  }

  u64(value: bigint): this {
    return this.u32(Number(value & 0xffffffffn)).u32(Number((value >> 32n) & 0xffffffffn))
  }

  bytes(bytes: readonly number[]): this {
    this.data.push(...bytes)
    return this
  }

  /** The number of a string; 0 for none. */
  string(text?: string): this {
    if (!text) return this.u8(0)
    let index = this.strings.indexOf(text)
    if (index < 0) index = this.strings.push(text) - 1
    return this.u8(index + 1)
  }

  encode(): number[] {
    const formatted = [...this.data]
    formatted[1] = formatted.length
    const strings = this.strings.flatMap((text) => [...new TextEncoder().encode(text), 0])
    return [...formatted, ...(strings.length === 0 ? [0] : strings), 0]
  }
}

class Tables {
  private readonly structures: Structure[] = []

  get count(): number {
    return this.structures.length
  }

  add(type: number, handle: number): Structure {
    const structure = new Structure(type, handle)
    this.structures.push(structure)
    return structure
  }

  /** Bytes of the largest structure. */
  largest(): number {
    return Math.max(...this.structures.map((structure) => structure.encode().length))
  }

  encode(): Uint8Array {
    return Uint8Array.from(this.structures.flatMap((structure) => structure.encode()))
  }
}
