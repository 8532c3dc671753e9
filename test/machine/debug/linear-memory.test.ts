import { describe, expect, test } from 'vitest'
import {
  type PhysicalView,
  presentPages,
  readLinear,
  translate,
  writeLinear,
} from '../../../machine/debug/linear-memory.js'

const RAM = 0x40000

/** RAM with entries of page tables in it, and nothing behind. */
function ram(entries: { [address: number]: bigint }, size: 4 | 8): { view: PhysicalView; bytes: Uint8Array } {
  const bytes = new Uint8Array(RAM)
  const data = new DataView(bytes.buffer)
  for (const [address, entry] of Object.entries(entries)) {
    if (size === 8) data.setBigUint64(Number(address), entry, true)
    else data.setUint32(Number(address), Number(entry), true)
  }
  const view: PhysicalView = {
    bytes: (address, length) => bytes.subarray(Math.min(address, RAM), Math.min(address + length, RAM)),
    store(address, from) {
      const fitting = from.subarray(0, Math.max(0, RAM - address))
      bytes.set(fitting, Math.min(address, RAM))
      return fitting.length
    },
  }
  return { view, bytes }
}

const PG = 1n << 31n
const off = { cr0: 0n, cr3: 0n, cr4: 0n, efer: 0n }

describe('a linear address', () => {
  test('is physical without paging, cut to 32 bits', () => {
    expect(translate(0x1_0000_7c00n, off, ram({}, 4).view)).toMatchObject({ physical: 0x7c00, length: 0x400 })
  })

  test('goes through two tables of four-byte entries, or a page of 4 MiB', () => {
    const { view } = ram({ 4100: 0x2007n, [0x2000 + 5 * 4]: 0x9007n, [0x1000 + 8]: 0x40_0087n | (3n << 13n) }, 4)
    const paging = { ...off, cr0: PG, cr3: 0x1000n, cr4: 1n << 4n }
    expect(translate(0x0040_5123n, paging, view)).toMatchObject({ physical: 0x9123, length: 0xedd, size: 0x1000n })
    expect(translate(0x0080_1234n, paging, view)).toMatchObject({ physical: 0x3_0040_1234, size: 0x40_0000n })
    expect(translate(0x0040_6000n, paging, view)).toEqual({ absent: true, length: 0x1000n })
    expect(translate(0x00c0_0000n, paging, view)).toEqual({ absent: true, length: 0x40_0000n })
  })

  test('goes through the pointers of PAE', () => {
    const { view } = ram({ 32: 0x3001n, 12288: 0x4003n, 16392: 0x8000_0000_0000_9003n, 12296: 0x20_0083n }, 8)
    const paging = { ...off, cr0: PG, cr3: 0x20n, cr4: 1n << 5n }
    expect(translate(0x1abcn, paging, view)).toMatchObject({ physical: 0x9abc })
    expect(translate(0x20_0010n, paging, view)).toMatchObject({ physical: 0x20_0010, size: 0x20_0000n })
    expect(translate(0x4000_0000n, paging, view)).toEqual({ absent: true, length: 0x4000_0000n })
  })

  test('goes through four levels, also in the upper half, and pages of 2 MiB and 1 GiB', () => {
    const { view } = ram(
      {
        [0x1000 + 511 * 8]: 0x2003n,
        [0x2000 + 510 * 8]: 0x3003n,
        [0x2000 + 511 * 8]: 0x4000_0083n,
        [0x3000 + 8 * 8]: 0x4003n,
        [0x3000 + 9 * 8]: 0x60_0083n,
        16384: 0x8000_0000_0000_7003n,
      },
      8,
    )
    const paging = { ...off, cr0: PG, cr3: 0x1000n, cr4: 1n << 5n, efer: 1n << 10n }
    expect(translate(0xffff_ffff_8100_0042n, paging, view)).toMatchObject({ physical: 0x7042, size: 0x1000n })
    expect(translate(0xffff_ffff_8120_0042n, paging, view)).toMatchObject({ physical: 0x60_0042, size: 0x20_0000n })
    expect(translate(0xffff_ffff_c000_0001n, paging, view)).toMatchObject({ physical: 0x4000_0001, size: 0x4000_0000n })
    expect(translate(0n, paging, view)).toEqual({ absent: true, length: 1n << 39n })
  })
})

test('reading and writing go from page to page, and end where nothing is', () => {
  const { view, bytes } = ram({ 4096: 0x2007n, 8192: 0x9007n, 8196: 0x5007n }, 4)
  const paging = { ...off, cr0: PG, cr3: 0x1000n }
  bytes.set([1, 2], 0x9ffe)
  bytes.set([3, 4], 0x5000)
  expect([...readLinear(0xffen, 4, paging, view)]).toEqual([1, 2, 3, 4])
  expect(readLinear(0x1ffen, 4, paging, view)).toHaveLength(2)
  expect(writeLinear(0xfffn, Uint8Array.of(8, 9), paging, view)).toBe(2)
  expect([bytes[0x9fff], bytes[0x5000]]).toEqual([8, 9])
  expect(writeLinear(0x1fffn, Uint8Array.of(8, 9), paging, view)).toBe(1)
})

test('tables that point beyond memory are absent', () => {
  const { view } = ram({ 4096: 0xffff_f007n }, 4)
  expect(translate(0n, { ...off, cr0: PG, cr3: 0x1000n }, view)).toMatchObject({ absent: true })
})

describe('all pages', () => {
  const paging = { ...off, cr0: PG, cr3: 0x1000n, cr4: 1n << 5n, efer: 1n << 10n }

  test('are told upward, those of the upper half with their sign', () => {
    const { view } = ram({ 4096: 0x2003n, [0x1000 + 511 * 8]: 0x2003n, 8192: 0x3003n, 12288: 0x20_0083n }, 8)
    expect([...presentPages(paging, view)]).toMatchObject([
      { linear: 0n, physical: 0x20_0000n, length: 0x20_0000n },
      { linear: 0xffffff8000000000n, physical: 0x20_0000n, length: 0x20_0000n },
    ])
  })

  test('are not looked for without end in tables that lead to one another and map nothing', () => {
    const entries: { [address: number]: bigint } = {}
    for (const table of [0x1000, 0x2000, 0x3000])
      for (let i = 0; i < 512; i++) entries[table + i * 8] = BigInt(table + 0x1000) | 3n
    expect([...presentPages(paging, ram(entries, 8).view, 5000)]).toEqual([undefined])
  })
})
