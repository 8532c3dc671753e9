import { describe, expect, test } from 'vitest'
import { e820Table, encodeE820, memoryLayout } from '../../../../machine/firmware/tables/e820.js'
import { buildSmbiosFiles, type SmbiosOptions } from '../../../../machine/firmware/tables/smbios-tables.js'

const GIB = 2 ** 30

interface Structure {
  type: number
  handle: number
  data: DataView
  strings: string[]
}

function build(options: Partial<SmbiosOptions> = {}) {
  const files = buildSmbiosFiles({ cpus: 1, memory: memoryLayout(GIB), ...options })
  const tables = files['etc/smbios/smbios-tables']
  const structures: Structure[] = []
  for (let at = 0; at < tables.length; ) {
    const length = tables[at + 1]
    const data = new DataView(tables.buffer, tables.byteOffset + at, length)
    let end = at + length
    while (tables[end] !== 0 || tables[end + 1] !== 0) end++
    const text = new TextDecoder().decode(tables.subarray(at + length, end))
    structures.push({ type: tables[at], handle: data.getUint16(2, true), data, strings: text ? text.split('\0') : [] })
    at = end + 2
  }
  const of = (type: number): Structure[] => structures.filter((structure) => structure.type === type)
  return { anchor: files['etc/smbios/smbios-anchor'], tables, structures, of }
}

describe('SMBIOS tables', () => {
  test('walk from the first structure to the last, with lengths of version 2.8 and handles of their own', () => {
    const { structures } = build({ cpus: 2 })
    expect(structures.map(({ type, data }) => [type, data.byteLength])).toEqual([
      [0, 0x18],
      [1, 0x1b],
      [3, 0x16],
      [4, 0x2a],
      [4, 0x2a],
      [16, 0x17],
      [17, 0x28],
      [19, 0x1f],
      [32, 0x0b],
      [127, 0x04],
    ])
    expect(new Set(structures.map(({ handle }) => handle)).size).toBe(structures.length)
  })

  test('the entry point counts and measures them, and its checksums hold', () => {
    const { anchor, tables, structures } = build()
    const view = new DataView(anchor.buffer)
    const sum = (bytes: Uint8Array): number => bytes.reduce((total, byte) => (total + byte) & 0xff, 0)
    expect(anchor).toHaveLength(0x1f)
    expect([sum(anchor), sum(anchor.subarray(0x10))]).toEqual([0, 0])
    expect(view.getUint16(0x16, true)).toBe(tables.length)
    expect(view.getUint16(0x1c, true)).toBe(structures.length)
    expect(view.getUint32(0x18, true)).toBe(0) // for SeaBIOS to fill in
  })

  test('name the machine and carry its UUID as version 2.6 and later store it', () => {
    const { of } = build({ manufacturer: 'Acme', serial: 'S-1', uuid: '00112233-4455-6677-8899-aabbccddeeff' })
    const [system] = of(1)
    expect(system.strings.slice(0, 2)).toEqual(['Acme', 'Standard PC (i440FX + PIIX, 1996)'])
    const uuid = Array.from({ length: 16 }, (_, i) => system.data.getUint8(8 + i))
    expect(uuid).toEqual([0x33, 0x22, 0x11, 0, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff])
    expect(system.strings[system.data.getUint8(7) - 1]).toBe('S-1')
    expect(() => build({ uuid: 'none' })).toThrow(RangeError)
  })

  test('describe memory: one module for each 16 GiB, and the ranges around the PCI hole', () => {
    const { of } = build({ memory: memoryLayout(20 * GIB) })
    expect(of(16)[0].data.getUint32(7, true)).toBe((20 * GIB) / 1024)
    expect(of(17).map(({ data }) => data.getUint16(12, true))).toEqual([16384, 4096])
    expect(of(19).map(({ data }) => [data.getUint32(4, true), data.getUint32(8, true)])).toEqual([
      [0, (3 * GIB) / 1024 - 1],
      [(4 * GIB) / 1024, (21 * GIB) / 1024 - 1],
    ])
    expect(
      build({ memory: memoryLayout(64 * 2 ** 20) })
        .of(17)[0]
        .data.getUint16(12, true),
    ).toBe(64)
  })
})

describe('the e820 table', () => {
  test('splits RAM at 3 GiB and appends what is reserved', () => {
    expect(memoryLayout(3 * GIB)).toEqual({ low: 3 * GIB, high: 0 })
    const reserved = { address: 0xfeffc000, length: 0x4000, type: 2 }
    const bytes = encodeE820(e820Table(memoryLayout(5 * GIB), [reserved]))
    const view = new DataView(bytes.buffer)
    const entries = [0, 20, 40].map((at) => [
      Number(view.getBigUint64(at, true)),
      Number(view.getBigUint64(at + 8, true)),
      view.getUint32(at + 16, true),
    ])
    expect(bytes).toHaveLength(60)
    expect(entries).toEqual([
      [0, 3 * GIB, 1],
      [4 * GIB, 2 * GIB, 1],
      [0xfeffc000, 0x4000, 2],
    ])
  })
})
