/**
 * The machine's ACPI tables and the script by which SeaBIOS puts them into memory (fw_cfg `etc/table-loader`).
 * Specifications: ACPI 6.5, section 5.2 (and ACPI 1.0b for the first FADT); IA-PC HPET 1.0a, section 3.2.4; Microsoft
 * WAET 1.0; the loader script as in QEMU's bios-linker-loader interface.
 *
 * There are two FADTs: the RSDT leads to one of revision 1, as systems of the ACPI 1.0 time (Windows 98 to 2000) want,
 * the XSDT to one of revision 3, which adds the reset register. UEFI firmware, which makes those two itself, takes no tables
 * at all where there is a second FADT: it is given the later one.
 */
import { type DsdtOptions, dsdtAml, GPE0_BASE, GPE0_LENGTH } from './dsdt.js'

export interface AcpiOptions extends DsdtOptions {
  /** An 8042; default present. SeaBIOS does not look for a keyboard where this is not. */
  readonly ps2?: boolean
  /** HPET at FED00000h: it has a table of its own. */
  readonly hpet?: boolean
  /** The firmware is UEFI's. */
  readonly uefi?: boolean
  /** I/O port where the firmware has mapped power management; where SeaBIOS does by default. */
  readonly pmBase?: number
}

/** fw_cfg files by name. */
export interface AcpiFiles {
  readonly 'etc/acpi/tables': Uint8Array
  readonly 'etc/acpi/rsdp': Uint8Array
  readonly 'etc/table-loader': Uint8Array
}

export const TABLES_FILE = 'etc/acpi/tables'
export const RSDP_FILE = 'etc/acpi/rsdp'
/** In the order in which the directory has them. */
export const ACPI_FILES = [TABLES_FILE, RSDP_FILE, 'etc/table-loader'] as const

/** PIIX4 power management, where SeaBIOS maps it when it is given tables; OVMF has another place. */
export const SEABIOS_PM_BASE = 0x600
/** Of its blocks, from there on. */
const PM1A_EVT_BLK = 0x00
const PM1A_CNT_BLK = 0x04
const PM_TMR_BLK = 0x08
const SCI_INT = 9
const SMI_CMD = 0xb2
const ACPI_ENABLE = 0xf1
const ACPI_DISABLE = 0xf0
/** PIIX3 reset control register: a hard reset. */
const RESET_REG = 0xcf9
const RESET_VALUE = 0x06
/** Above the limits of 100 and 1000 µs: C2 and C3 are not supported. */
const P_LVL2_LAT = 0xfff
const P_LVL3_LAT = 0xfff
const CMOS_CENTURY = 0x32

/** FADT flags. The power button is a fixed feature (its flag is clear); there is no sleep button (its flag is set). */
const WBINVD = 1 << 0
const PROC_C1 = 1 << 2
const SLP_BUTTON = 1 << 5
const RTC_S4 = 1 << 7
const RESET_REG_SUP = 1 << 10
const USE_PLATFORM_CLOCK = 1 << 15
const FORCE_APIC_PHYSICAL_DESTINATION_MODE = 1 << 19
/** IAPC_BOOT_ARCH. */
const LEGACY_DEVICES = 1 << 0
const HAS_8042 = 1 << 1

const LOCAL_APIC = 0xfee00000
const IO_APIC = 0xfec00000
const HPET_BASE = 0xfed00000
const HPET_EVENT_TIMER_BLOCK_ID = 0x8086a201
const SYSTEM_MEMORY = 0
const SYSTEM_IO = 1
/** The addresses of FADT fields and others that the loader fills in. */
const FADT_FIRMWARE_CTRL = 36
const FADT_DSDT = 40
const FADT_X_DSDT = 140
const RSDP_RSDT_ADDRESS = 16
const RSDP_XSDT_ADDRESS = 24
const HEADER_BYTES = 36
const HEADER_CHECKSUM = 9

/** Makes the three files. At most 255 CPUs. */
export function buildAcpiFiles(options: AcpiOptions): AcpiFiles {
  if (options.cpus < 1 || options.cpus > 255) throw new RangeError(`ACPI tables for ${options.cpus} CPUs`)
  const blob = new Writer()
  const loader = new LoaderScript()
  loader.allocate(RSDP_FILE, 16, ZONE_FSEG)
  loader.allocate(TABLES_FILE, 64, ZONE_HIGH)

  // FACS first: it must lie on a 64-byte boundary.
  const facs = blob.length
  blob.text('FACS').u32(64).zeros(56)
  const add = (signature: string, revision: number, body: (table: Writer) => void): number =>
    addTable(blob, loader, signature, revision, body)

  const dsdt = add('DSDT', 1, (table) => table.bytes(dsdtAml(options)))
  const fadt1 = options.uefi ? undefined : add('FACP', 1, (table) => fadt(table, options, 1))
  const fadt3 = add('FACP', 3, (table) => fadt(table, options, 3))
  for (const table of fadt1 === undefined ? [fadt3] : [fadt1, fadt3]) {
    pointer(blob, loader, table + FADT_FIRMWARE_CTRL, 4, facs)
    pointer(blob, loader, table + FADT_DSDT, 4, dsdt)
  }
  pointer(blob, loader, fadt3 + FADT_X_DSDT, 8, dsdt)
  const others = [
    add('APIC', 1, (table) => madt(table, options.cpus)),
    ...(options.hpet === false ? [] : [add('HPET', 1, hpet)]),
    add('WAET', 1, (table) => table.u32(PM_TIMER_GOOD)),
  ]
  const rsdt = addRoot(blob, loader, 'RSDT', 4, [fadt1 ?? fadt3, ...others])
  const xsdt = addRoot(blob, loader, 'XSDT', 8, [fadt3, ...others])

  const rsdp = new Writer()
  rsdp.text('RSD PTR ').u8(0).text(OEM_ID).u8(2).u32(rsdt).u32(36).u64(xsdt).u8(0).zeros(3)
  loader.addPointer(RSDP_FILE, TABLES_FILE, RSDP_RSDT_ADDRESS, 4)
  loader.addPointer(RSDP_FILE, TABLES_FILE, RSDP_XSDT_ADDRESS, 8)
  loader.addChecksum(RSDP_FILE, 8, 0, 20)
  loader.addChecksum(RSDP_FILE, 32, 0, 36)
  return {
    'etc/acpi/tables': blob.done(),
    'etc/acpi/rsdp': rsdp.done(),
    'etc/table-loader': loader.done(),
  }
}

// ---- Tables ---------------------------------------------------------------------------------------------------------

const OEM_ID = 'BTWRGT'
const OEM_TABLE_ID = 'BOOTWRGT'
const CREATOR_ID = 'BTWR'

/** Appends a table with its header and asks for its checksum; returns its offset. */
function addTable(
  blob: Writer,
  loader: LoaderScript,
  signature: string,
  revision: number,
  body: (table: Writer) => void,
): number {
  const content = new Writer()
  body(content)
  const offset = blob.length
  const length = HEADER_BYTES + content.length
  blob.text(signature).u32(length).u8(revision).u8(0).text(OEM_ID).text(OEM_TABLE_ID).u32(1).text(CREATOR_ID).u32(1)
  blob.bytes(content.done())
  loader.addChecksum(TABLES_FILE, offset + HEADER_CHECKSUM, offset, length)
  return offset
}

/** RSDT or XSDT: a header and the tables' addresses. */
function addRoot(
  blob: Writer,
  loader: LoaderScript,
  signature: string,
  pointerBytes: 4 | 8,
  tables: readonly number[],
): number {
  const offset = addTable(blob, loader, signature, 1, (table) => table.zeros(tables.length * pointerBytes))
  tables.forEach((table, index) => {
    pointer(blob, loader, offset + HEADER_BYTES + index * pointerBytes, pointerBytes, table)
  })
  return offset
}

/** A field that holds the address of another table: the loader adds the place of the file to the offset put here. */
function pointer(blob: Writer, loader: LoaderScript, at: number, bytes: 4 | 8, target: number): void {
  blob.patch32(at, target)
  loader.addPointer(TABLES_FILE, TABLES_FILE, at, bytes)
}

function fadt(table: Writer, options: AcpiOptions, revision: 1 | 3): void {
  const pm = options.pmBase ?? SEABIOS_PM_BASE
  let flags = WBINVD | PROC_C1 | SLP_BUTTON | RTC_S4 | USE_PLATFORM_CLOCK
  if (revision >= 3) flags |= RESET_REG_SUP
  if (revision >= 3 && options.cpus > 8) flags |= FORCE_APIC_PHYSICAL_DESTINATION_MODE
  table.u32(0).u32(0) // FIRMWARE_CTRL, DSDT: see above
  table.u8(revision === 1 ? 1 : 0) // INT_MODEL (1: both 8259As and APICs); reserved later
  table.u8(0).u16(SCI_INT).u32(SMI_CMD).u8(ACPI_ENABLE).u8(ACPI_DISABLE).u8(0).u8(0)
  table
    .u32(pm + PM1A_EVT_BLK)
    .u32(0)
    .u32(pm + PM1A_CNT_BLK)
    .u32(0)
    .u32(0)
    .u32(pm + PM_TMR_BLK)
    .u32(GPE0_BASE)
    .u32(0)
  table.u8(4).u8(2).u8(0).u8(4).u8(GPE0_LENGTH).u8(0).u8(0).u8(0) // lengths of those blocks, GPE1_BASE, CST_CNT
  table.u16(P_LVL2_LAT).u16(P_LVL3_LAT).u16(0).u16(0) // ... FLUSH_SIZE, FLUSH_STRIDE
  table.u8(0).u8(0).u8(0).u8(0).u8(CMOS_CENTURY) // DUTY_OFFSET, DUTY_WIDTH, DAY_ALRM, MON_ALRM, CENTURY
  table.u16(revision === 1 ? 0 : LEGACY_DEVICES | (options.ps2 === false ? 0 : HAS_8042)).u8(0)
  table.u32(flags >>> 0)
  if (revision === 1) return
  table.address(SYSTEM_IO, 8, 1, RESET_REG).u8(RESET_VALUE).zeros(3)
  table.u64(0).u64(0) // X_FIRMWARE_CTRL (the FACS lies below 4 GiB), X_DSDT: see above
  table.address(SYSTEM_IO, 32, 2, pm + PM1A_EVT_BLK).zeros(12)
  table
    .address(SYSTEM_IO, 16, 2, pm + PM1A_CNT_BLK)
    .zeros(12)
    .zeros(12)
  table.address(SYSTEM_IO, 32, 3, pm + PM_TMR_BLK)
  table.address(SYSTEM_IO, GPE0_LENGTH * 8, 1, GPE0_BASE).zeros(12)
}

/** Multiple APIC description: local APICs 0 to n-1, one I/O APIC, the ISA interrupts that are not identity or edge. */
function madt(table: Writer, cpus: number): void {
  const ACTIVE_HIGH_LEVEL = 0x0d
  table.u32(LOCAL_APIC).u32(1) // PCAT_COMPAT: there are 8259As too
  for (let id = 0; id < cpus; id++) table.u8(0).u8(8).u8(id).u8(id).u32(1)
  table.u8(1).u8(12).u8(0).u8(0).u32(IO_APIC).u32(0)
  const override = (irq: number, gsi: number, flags: number): Writer =>
    table.u8(2).u8(10).u8(0).u8(irq).u32(gsi).u16(flags)
  override(0, 2, 0)
  for (const irq of [5, 9, 10, 11]) override(irq, irq, ACTIVE_HIGH_LEVEL)
  table.u8(4).u8(6).u8(0xff).u16(0).u8(1) // NMI at LINT1 of all CPUs
}

function hpet(table: Writer): void {
  table.u32(HPET_EVENT_TIMER_BLOCK_ID).address(SYSTEM_MEMORY, 0, 0, HPET_BASE).u8(0).u16(0).u8(0)
}

/** WAET: the PM timer needs to be read only once. */
const PM_TIMER_GOOD = 1 << 1

// ---- The loader script ----------------------------------------------------------------------------------------------

const COMMAND_ALLOCATE = 1
const COMMAND_ADD_POINTER = 2
const COMMAND_ADD_CHECKSUM = 3
const COMMAND_BYTES = 128
const ZONE_HIGH = 1
const ZONE_FSEG = 2
const FILE_NAME_BYTES = 56

/** `etc/table-loader`: which files to place where, which fields are addresses, and which sums to make, in that order. */
class LoaderScript {
  private readonly allocations: Uint8Array[] = []
  private readonly pointers: Uint8Array[] = []
  private readonly checksums: Uint8Array[] = []

  allocate(file: string, alignment: number, zone: number): void {
    this.allocations.push(command(COMMAND_ALLOCATE, (entry) => entry.padded(file).u32(alignment).u8(zone)))
  }

  /** Adds the address of `source` to the field at `offset` of `file`. */
  addPointer(file: string, source: string, offset: number, bytes: 4 | 8): void {
    this.pointers.push(command(COMMAND_ADD_POINTER, (entry) => entry.padded(file).padded(source).u32(offset).u8(bytes)))
  }

  /** Makes the bytes from `start` on sum up to 0 by the one at `offset`. */
  addChecksum(file: string, offset: number, start: number, length: number): void {
    this.checksums.push(command(COMMAND_ADD_CHECKSUM, (entry) => entry.padded(file).u32(offset).u32(start).u32(length)))
  }

  done(): Uint8Array {
    const script = new Writer()
    for (const entry of [...this.allocations, ...this.pointers, ...this.checksums]) script.bytes(entry)
    return script.done()
  }
}

function command(code: number, body: (entry: Writer) => void): Uint8Array {
  const entry = new Writer()
  entry.u32(code)
  body(entry)
  return entry.zeros(COMMAND_BYTES - entry.length).done()
}

/** Appends little-endian values. */
class Writer {
  private readonly data: number[] = []

  get length(): number {
    return this.data.length
  }

  u8(value: number): this {
    return this.number(value, 1)
  }

  u16(value: number): this {
    return this.number(value, 2)
  }

  u32(value: number): this {
    return this.number(value, 4)
  }

  u64(value: number): this {
    return this.number(value, 8)
  }

  text(text: string): this {
    for (const character of text) this.data.push(character.charCodeAt(0))
    return this
  }

  /** A file name with NULs up to the fixed length. */
  padded(text: string): this {
    return this.text(text).zeros(FILE_NAME_BYTES - text.length)
  }

  bytes(bytes: Uint8Array): this {
    for (const byte of bytes) this.data.push(byte)
    return this
  }

  zeros(count: number): this {
    for (let i = 0; i < count; i++) this.data.push(0)
    return this
  }

  /** Generic address structure. `access`: 0 any, 1 byte, 2 word, 3 dword. */
  address(space: number, bits: number, access: number, address: number): this {
    return this.u8(space).u8(bits).u8(0).u8(access).u64(address)
  }

  patch32(at: number, value: number): void {
    for (let i = 0; i < 4; i++) this.data[at + i] = (value >>> (8 * i)) & 0xff
  }

  done(): Uint8Array {
    return Uint8Array.from(this.data)
  }

  private number(value: number, bytes: number): this {
    for (let i = 0; i < bytes; i++) this.data.push(Math.floor(value / 2 ** (8 * i)) & 0xff)
    return this
  }
}
