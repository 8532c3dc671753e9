/** Files that are made to take long: work and memory stay bounded by what is read, not by its square. */
import { describe, expect, test } from 'vitest'
import { LineTable } from '../../../../machine/debug/symbols/dwarf-lines.js'
import { readSymbols } from '../../../../machine/debug/symbols/read-symbols.js'
import { asBytes, bytesOf, lineTable, madeElf } from './made-elf.js'

const STANDARD = [0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1]
/** DW_LNS_advance_line by one, DW_LNS_copy. */
const ROW = [3, 1, 1]
const BEGIN = [0, 5, 2, ...bytesOf(4, 0x100000)]
/** DW_LNS_advance_pc by 4, DW_LNE_end_sequence. */
const END = [2, 4, 0, 1, 1]

/** A line program of version 2; `names` are its folders and files as they stand. */
function program(names: Uint8Array, rows: Uint8Array): Buffer {
  const head = Buffer.concat([Buffer.from([1, 1, 0xfb, 14, 13, ...STANDARD]), names])
  const body = Buffer.concat([Buffer.from([...bytesOf(2, 2), ...bytesOf(4, head.length)]), head, rows])
  return Buffer.concat([Buffer.from(bytesOf(4, body.length)), body])
}
const NAMES = Buffer.from('\0a.c\0\0\0\0\0', 'latin1')
const times = (count: number, bytes: readonly number[]): Buffer =>
  Buffer.alloc(count * bytes.length, Buffer.from(bytes))

describe('a line table', () => {
  test('with tens of thousands of statements at one address has some of them', () => {
    const rows = Buffer.concat([Buffer.from(BEGIN), times(40_000, ROW), Buffer.from(END)])
    let told = 0
    new LineTable(program(NAMES, rows)).each(() => told++)
    expect(told).toBe(256)
  })

  test('with a program of many sequences around one address runs it once for an answer', () => {
    // Each begins before the address; the last row of each has line 0, which is none.
    const sequence = [...BEGIN, 3, 0x7f, 1, ...END]
    const table = new LineTable(program(NAMES, times(10_000, sequence)))
    for (let i = 0; i < 10; i++) expect(table.at(0x100000n + BigInt(i & 3))).toBeUndefined()
  })

  test('whose folders never end has rows, and no names', () => {
    const folders = Buffer.concat([times(100_001, [0x61, 0]), Buffer.from([0])])
    const rows = Buffer.from([...BEGIN, 1, ...END])
    expect(new LineTable(program(Buffer.concat([folders, NAMES.subarray(1)]), rows)).at(0x100000n)).toBeUndefined()
  })

  test('whose many programs have names that no zero ends is read once', () => {
    const one = program(Buffer.alloc(8, 0x61), Buffer.alloc(0))
    const table = new LineTable(Buffer.concat([times(10_000, [...one]), lineTable(0x200000, [7], 4)]))
    expect(table.at(0x200000n)).toEqual({ file: 'kernel.c', line: 7 })
  })
})

test('symbols that all point into one text without an end have the beginning of it', () => {
  const names = Array.from({ length: 5_000 }, (_, i) => ({ name: '', address: 0x100000 + i * 4 }))
  const image = madeElf(names)
  // The names of the table, each in the middle of what stands for one text of 2 MiB.
  const long = Buffer.alloc(2 << 20, 0x61)
  const bytes = Buffer.concat([image, long])
  const sections = image.readUInt32LE(32)
  bytes.writeUInt32LE(image.length, sections + 2 * 40 + 16)
  bytes.writeUInt32LE(long.length, sections + 2 * 40 + 20)
  const table = image.readUInt32LE(sections + 40 + 16)
  for (let i = 0; i < names.length; i++) bytes.writeUInt32LE(i, table + 16 * (i + 1))
  const { symbols } = readSymbols(asBytes(bytes))
  expect(symbols).toHaveLength(names.length)
  expect(symbols[5].name).toBe('a'.repeat(256))
})
