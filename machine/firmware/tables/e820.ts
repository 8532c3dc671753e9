/**
 * How RAM is laid out in physical memory, and the table that tells the firmware: fw_cfg file `etc/e820`.
 * Specification: ACPI 6.5, section 15.1 (INT 15h E820h).
 */

export const E820_RAM = 1
export const E820_RESERVED = 2

export interface E820Entry {
  /** Guest-physical address. */
  readonly address: number
  /** Bytes. */
  readonly length: number
  readonly type: number
}

export interface MemoryLayout {
  /** Bytes of RAM from address 0 on. */
  readonly low: number
  /** Bytes of RAM from 4 GiB on. */
  readonly high: number
}

const GIB = 2 ** 30

/** RAM below and above the PCI hole: the first 3 GiB are low, any more is high. */
export function memoryLayout(memoryBytes: number): MemoryLayout {
  const low = Math.min(memoryBytes, 3 * GIB)
  return { low, high: memoryBytes - low }
}

/** RAM first, then what is reserved beside it. */
export function e820Table(layout: MemoryLayout, reserved: readonly E820Entry[] = []): E820Entry[] {
  const entries: E820Entry[] = [{ address: 0, length: layout.low, type: E820_RAM }]
  if (layout.high > 0) entries.push({ address: 4 * GIB, length: layout.high, type: E820_RAM })
  return [...entries, ...reserved]
}

/** The table's bytes: u64 address, u64 length, u32 type, little-endian. */
export function encodeE820(entries: readonly E820Entry[]): Uint8Array {
  const bytes = new Uint8Array(entries.length * 20)
  const view = new DataView(bytes.buffer)
  entries.forEach((entry, index) => {
    view.setBigUint64(index * 20, BigInt(entry.address), true)
    view.setBigUint64(index * 20 + 8, BigInt(entry.length), true)
    view.setUint32(index * 20 + 16, entry.type, true)
  })
  return bytes
}
