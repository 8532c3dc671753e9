/** What an NVMe controller and its namespace say of themselves (NVM Express 1.4, 5.15). */
import { createHash } from 'node:crypto'

export const MODEL = 'BOOTWRIGHT NVMe'
export const VERSION = 0x0001_0400
/** Data structures, and pages. */
export const PAGE = 4096
/** Blocks are of 2^9 bytes. */
export const BLOCK_BITS = 9

/** Optional commands: dataset management, write zeroes. */
const DATASET_MANAGEMENT = 1 << 2
const WRITE_ZEROES = 1 << 3
const VOLATILE_WRITE_CACHE = 1
/** A flush may name all namespaces at once. */
const FLUSH_OF_ALL = 3 << 1
/** Kelvin. */
const WARNING_TEMPERATURE = 343
const CRITICAL_TEMPERATURE = 373

const TYPE_EUI64 = 1

/** @param pageBits The largest transfer is 2^`pageBits` pages. */
export function identifyController(serial: string, pageBits: number): Uint8Array {
  const data = new Uint8Array(PAGE)
  const view = new DataView(data.buffer)
  view.setUint16(0, 0x1b36, true)
  view.setUint16(2, 0x1af4, true)
  text(data, 4, serial, 20)
  text(data, 24, MODEL, 40)
  text(data, 64, '1.0', 8)
  data[72] = 6
  data.set([0x00, 0x54, 0x52], 73)
  data[77] = pageBits
  view.setUint32(80, VERSION, true)
  // Commands to abort and events to wait for at once, a firmware slot that is read-only.
  data.set([3, 3, 0x03], 258)
  view.setUint16(266, WARNING_TEMPERATURE, true)
  view.setUint16(268, CRITICAL_TEMPERATURE, true)
  // Entries of 64 and 16 bytes.
  data.set([0x66, 0x44], 512)
  view.setUint32(516, 1, true)
  view.setUint16(520, DATASET_MANAGEMENT | WRITE_ZEROES, true)
  data[525] = VOLATILE_WRITE_CACHE | FLUSH_OF_ALL
  // As hosts name one that has no name (7.9).
  text(data, 768, `nqn.2014.08.org.nvmexpress:1b361af4${serial.padEnd(20)}${MODEL.padEnd(40)}`, 0)
  // 25 W in its only state.
  view.setUint16(2048, 2500, true)
  return data
}

export function identifyNamespace(blocks: number, serial: string, isReadOnly: boolean): Uint8Array {
  const data = new Uint8Array(PAGE)
  const view = new DataView(data.buffer)
  for (const at of [0, 8, 16]) view.setBigUint64(at, BigInt(blocks), true)
  // Write-protected.
  data[99] = isReadOnly ? 1 : 0
  data.set(eui64(serial), 120)
  view.setUint32(128, BLOCK_BITS << 16, true)
  return data
}

export function namespaceDescriptors(serial: string): Uint8Array {
  const data = new Uint8Array(PAGE)
  data.set([TYPE_EUI64, 8, 0, 0, ...eui64(serial)])
  return data
}

/** SMART and health: nothing is wrong with it. */
export function healthLog(): Uint8Array {
  const data = new Uint8Array(512)
  new DataView(data.buffer).setUint16(1, 313, true)
  // Spare left, and the least of it, per cent.
  data.set([100, 10], 3)
  return data
}

export function firmwareLog(): Uint8Array {
  const data = new Uint8Array(512)
  data[0] = 1
  text(data, 8, '1.0', 8)
  return data
}

function eui64(serial: string): Uint8Array {
  return Uint8Array.of(0x52, 0x54, 0x00, ...createHash('sha256').update(serial).digest().subarray(0, 5))
}

function text(data: Uint8Array, at: number, words: string, length: number): void {
  data.set(Buffer.from(words.padEnd(length).slice(0, length || undefined), 'latin1'), at)
}
