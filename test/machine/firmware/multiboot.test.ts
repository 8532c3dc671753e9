import { describe, expect, test } from 'vitest'
import { bootImage } from '../../../machine/firmware/boot-rom.js'
import { MULTIBOOT_INFO_ADDRESS } from '../../../machine/firmware/boot-rom-layout.js'
import { findMultibootHeader, planMultiboot } from '../../../machine/firmware/multiboot.js'
import { makeElf, makeKernel } from './kernels.js'

const MIB = 2 ** 20
const lowMemory = 32 * MIB

function elf(flags = 0): Uint8Array {
  return makeElf(
    [{ virtual: 0x100000, physical: 0x100000, data: new Uint8Array(64), memoryBytes: 0x5000 }],
    0x100010,
    flags,
  )
}

function addresses(fields: number[], flags = 0x10000): Uint8Array {
  const image = new Uint8Array(256).fill(0x90)
  const view = new DataView(image.buffer)
  view.setUint32(16, 0x1badb002, true)
  view.setUint32(20, flags, true)
  view.setUint32(24, -(0x1badb002 + flags), true)
  for (const [i, value] of fields.entries()) view.setUint32(28 + 4 * i, value, true)
  return image
}

describe('the Multiboot header', () => {
  test('is found on a 4-byte boundary in the first 8192 bytes, with a right checksum only', () => {
    const image = new Uint8Array(10000)
    const view = new DataView(image.buffer)
    const put = (at: number, checksum = -(0x1badb002 + 3)): void => {
      view.setUint32(at, 0x1badb002, true)
      view.setUint32(at + 4, 3, true)
      view.setUint32(at + 8, checksum, true)
    }
    put(8184)
    expect(findMultibootHeader(image)).toBeUndefined() // not wholly in the first 8192 bytes
    put(100, 0)
    expect(findMultibootHeader(image)).toBeUndefined()
    put(4002)
    expect(findMultibootHeader(image)).toBeUndefined()
    put(8180)
    expect(findMultibootHeader(image)).toEqual({ offset: 8180, flags: 3 })
  })
})

describe('a Multiboot kernel', () => {
  test('as ELF goes to its physical addresses, with its bss', () => {
    const plan = planMultiboot({ image: elf(), lowMemory })
    const kernel = plan.segments.find((segment) => segment.name === 'kernel segment 1')
    expect(kernel).toMatchObject({ address: 0x100000, size: 0x5000 })
    expect(kernel?.data).toHaveLength(64)
    expect(plan.entry).toMatchObject({ mode: 'protected', address: 0x100010, eax: 0x2badb002 })
    expect(() => bootImage(plan)).not.toThrow()
  })

  test('whose segment of zeros begins on a page behind the end of its file is loaded', () => {
    const code = { virtual: 0x100000, physical: 0x100000, data: new Uint8Array(64) }
    const zeros = { virtual: 0x101000, physical: 0x101000, data: new Uint8Array(), memoryBytes: 0x4010 }
    const image = makeElf([code, zeros], 0x100010, 0)
    new DataView(image.buffer).setUint32(52 + 32 + 4, 0x2000, true) // p_offset, as ld has it
    const { segments } = planMultiboot({ image, lowMemory })
    expect(segments.find(({ name }) => name === 'kernel segment 2')).toMatchObject({
      address: 0x101000,
      data: new Uint8Array(),
      size: 0x4010,
    })
  })

  test('with a virtual entry point is entered at its physical place', () => {
    const high = makeElf([{ virtual: 0xc0100000, physical: 0x100000, data: new Uint8Array(64) }], 0xc0100020, 0)
    expect(planMultiboot({ image: high, lowMemory }).entry).toMatchObject({ address: 0x100020 })
  })

  test('with address fields is loaded by them, ELF or not', () => {
    // Header at offset 16 and address 0x200010, so loading starts with byte 0.
    const plan = planMultiboot({ image: addresses([0x200010, 0x200000, 0x200080, 0x201000, 0x200040]), lowMemory })
    expect(plan.segments[1]).toMatchObject({ address: 0x200000, size: 0x1000 })
    expect(plan.segments[1].data).toHaveLength(0x80)
    expect(plan.entry).toMatchObject({ address: 0x200040 })
    // load_end_addr 0: the whole file; load_addr equal to header_addr: from the header on.
    const rest = planMultiboot({ image: addresses([0x200000, 0x200000, 0, 0, 0x200040]), lowMemory })
    expect(rest.segments[1].data).toHaveLength(240)
  })

  test('gets its command line, its modules above it on pages, and their strings', () => {
    const plan = planMultiboot({
      image: elf(),
      name: 'smp.flat',
      append: 'a b',
      modules: [{ data: Uint8Array.of(1, 2, 3), commandLine: 'env x=1' }, { data: new Uint8Array(5000) }],
      lowMemory,
    })
    if (plan.entry.mode !== 'protected' || !plan.entry.info) throw new Error('wrong mode')
    expect(plan.entry.ebx).toBe(MULTIBOOT_INFO_ADDRESS)
    const info = new DataView(plan.entry.info.buffer)
    const strings = plan.segments[0]
    const text = (address: number): string =>
      new TextDecoder().decode(strings.data.subarray(address - strings.address)).split('\0')[0]
    expect(info.getUint32(0, true)).toBe(0x24d)
    expect(text(info.getUint32(16, true))).toBe('smp.flat a b')
    expect(text(info.getUint32(64, true))).toBe('Bootwright')
    expect(info.getUint32(20, true)).toBe(2)
    const list = new DataView(strings.data.buffer, info.getUint32(24, true) - strings.address)
    expect([0, 4, 16, 20].map((at) => list.getUint32(at, true))).toEqual([0x105000, 0x105003, 0x106000, 0x107388])
    expect(text(list.getUint32(8, true))).toBe('env x=1')
    expect(text(list.getUint32(24, true))).toBe('')
    expect(plan.segments.at(-1)).toMatchObject({ address: 0x106000, name: 'module 2' })
  })

  test.each([
    ['a disk, its first partition', 0x80, 0x8000ffff],
    ['a floppy', 0, 0x00ffffff],
  ])('is told that it came from %s', (_, bootDrive, device) => {
    const { entry } = planMultiboot({ image: elf(), lowMemory, bootDrive })
    if (entry.mode !== 'protected' || !entry.info) throw new Error('wrong mode')
    const info = new DataView(entry.info.buffer)
    expect(info.getUint32(0, true) & 0x002).toBe(0x002)
    expect(info.getUint32(12, true)).toBe(device)
  })

  test('that is none or cannot be loaded is refused in one sentence', () => {
    const plan = (image: Uint8Array) => () => planMultiboot({ image, lowMemory })
    expect(plan(new Uint8Array(100))).toThrow(/no Multiboot header: there is no magic 0x1badb002/)
    expect(plan(makeKernel())).toThrow(/no Multiboot header/)
    expect(plan(makeElf([{ virtual: 0, physical: 0x100000, data: new Uint8Array(64) }], 0))).toThrow(
      /ELF file without one/,
    )
    expect(plan(elf(0x20))).toThrow(/requires features \(flags 0x20\)/)
    const arm = elf()
    arm[18] = 40
    expect(plan(arm)).toThrow(/another processor/)
    expect(plan(elf().subarray(0, 120))).toThrow(/beyond its end/)
    expect(plan(addresses([0x200010, 0x200000, 0x300000, 0, 0]))).toThrow(/cut short/)
    expect(plan(addresses([0x200000, 0x200010, 0, 0, 0]))).toThrow(/do not fit its file/)
    expect(plan(addresses([0x200010, 0x200000, 0x200080, 0x200010, 0]))).toThrow(/bss_end_addr/)
    expect(() => planMultiboot({ image: elf(), modules: [{ data: new Uint8Array(31 * MIB) }], lowMemory })).toThrow(
      /at least 34 MiB of memory/,
    )
  })

  test('a 64-bit ELF file is loaded and entered in 32-bit code, as GRUB does it', () => {
    const image = new Uint8Array(512)
    const view = new DataView(image.buffer)
    image.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
    view.setUint16(16, 2, true)
    view.setUint16(18, 62, true)
    view.setBigUint64(24, 0xffffffff80100010n, true)
    view.setBigUint64(32, 64n, true)
    view.setUint16(54, 56, true)
    view.setUint16(56, 1, true)
    view.setUint32(64, 1, true)
    for (const [i, value] of [0x100n, 0xffffffff80100000n, 0x100000n, 0x100n, 0x5000n].entries())
      view.setBigUint64(72 + 8 * i, value, true)
    for (const [i, value] of [0x1badb002, 3, -(0x1badb002 + 3)].entries()) view.setUint32(0x100 + 4 * i, value, true)
    const { entry, segments } = planMultiboot({ image, lowMemory })
    expect(entry).toMatchObject({ mode: 'protected', address: 0x100010, eax: 0x2badb002 })
    expect(segments[1]).toMatchObject({ address: 0x100000, size: 0x5000 })
  })

  test('a 64-bit ELF file with address fields is taken as 32-bit code', () => {
    const image = addresses([0x200010, 0x200000, 0, 0, 0x200040])
    image.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
    expect(planMultiboot({ image, lowMemory }).segments[1].address).toBe(0x200000)
  })
})
