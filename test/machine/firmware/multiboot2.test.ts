/** Multiboot 2 and PVH: how headers are read, where things go, and what is refused; and headers that were changed at random. */
import { describe, expect, test } from 'vitest'
import { type BootPlan, bootImage } from '../../../machine/firmware/boot-rom.js'
import { kernelProtocol, planKernel } from '../../../machine/firmware/kernel-protocol.js'
import { planMultiboot2 } from '../../../machine/firmware/multiboot2.js'
import { Random } from '../../random.js'
import { makeElf } from './kernels.js'

const MIB = 2 ** 20
const lowMemory = 32 * MIB

type Tag = readonly [type: number, flags: number, ...words: number[]]

/** An ELF file whose segment begins with a header of these tags. */
function multiboot2(tags: readonly Tag[] = [], architecture = 0, bytes = 4096): Uint8Array {
  const words: number[] = []
  for (const [type, flags, ...fields] of [...tags, [0, 0] as const]) {
    words.push(type | (flags << 16), 8 + 4 * fields.length, ...fields)
    if (fields.length % 2) words.push(0)
  }
  const length = 16 + 4 * words.length
  const data = new Uint8Array(bytes)
  const view = new DataView(data.buffer)
  const all = [0xe85250d6, architecture, length, -(0xe85250d6 + architecture + length), ...words]
  for (const [i, word] of all.entries()) view.setUint32(4 * i, word, true)
  return makeElf([{ virtual: 0x200000, physical: 0x200000, data, memoryBytes: 2 * bytes }], 0x200800)
}

const note = [4, 0, 0, 0, 4, 0, 0, 0, 18, 0, 0, 0, 0x58, 0x65, 0x6e, 0, 0x00, 0x09, 0x20, 0x00]

function pvh(): Uint8Array {
  const data = new Uint8Array(4096)
  data.set(note, 0x100)
  const image = makeElf(
    [
      { virtual: 0x200000, physical: 0x200000, data },
      { virtual: 0, physical: 0, data: Uint8Array.from(note) },
    ],
    0x200800,
  )
  new DataView(image.buffer).setUint32(52 + 32, 4, true) // PT_NOTE
  return image
}

/** The tags of the boot information by type: offsets of their contents. */
function tagsOf({ segments }: BootPlan): { view: DataView; at: Map<number, number[]> } {
  const block = segments.find(({ name }) => name === 'boot information')
  const data = block?.data as Uint8Array
  const view = new DataView(data.buffer)
  const at = new Map<number, number[]>()
  for (let offset = 24; offset < data.length; ) {
    const [type, size] = [view.getUint32(offset, true), view.getUint32(offset + 4, true)]
    at.set(type, [...(at.get(type) ?? []), offset + 8])
    offset += Math.ceil(size / 8) * 8
  }
  return { view, at }
}

const text = (view: DataView, at: number) => Buffer.from(view.buffer).subarray(at).toString('utf8').split('\0')[0]

describe('a Multiboot 2 kernel', () => {
  test('gets its command line, modules, and a place for what the firmware says', () => {
    const plan = planKernel({
      image: multiboot2(),
      append: 'a b',
      bootDrive: 0x80,
      modules: [{ data: Uint8Array.of(1, 2, 3), commandLine: 'env x=1' }],
      lowMemory,
    })
    expect(plan.entry).toMatchObject({ mode: 'protected', address: 0x200800, eax: 0x36d76289, ebx: 0x10010 })
    const { view, at } = tagsOf(plan)
    expect([...at.keys()].sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 14, 15])
    const [cmdline, module, device] = [1, 3, 5].map((type) => at.get(type)?.[0] ?? 0)
    expect(text(view, cmdline)).toBe('a b')
    expect(text(view, at.get(2)?.[0] ?? 0)).toMatch(/GRUB 2/)
    expect([0, 4].map((offset) => view.getUint32(module + offset, true))).toEqual([0x202000, 0x202003])
    expect(text(view, module + 8)).toBe('env x=1')
    expect([0, 4, 8].map((offset) => view.getUint32(device + offset, true))).toEqual([0x80, 0, 0xffffffff])
    // The map is the last one, and on a boundary of 8.
    const map = at.get(6)?.[0] ?? 0
    expect([view.getUint32(map, true), (map + 8) % 8, map + 8]).toEqual([24, 0, view.byteLength])
    expect(() => bootImage(plan)).not.toThrow()
  })

  test('with address and entry tags is loaded by them', () => {
    const addresses: Tag = [2, 0, 0x300000, 0x300000, 0, 0x310000]
    const plan = planKernel({ image: multiboot2([addresses, [3, 0, 0x300040]]), lowMemory })
    expect(plan.entry).toMatchObject({ address: 0x300040 })
    expect(plan.segments.find(({ name }) => name === 'kernel')).toMatchObject({ address: 0x300000, size: 0x10000 })
  })

  test.each([
    ['where it was linked for', 0, 0x200000],
    ['as low as it goes', 1, 0x180000],
    ['as high as it goes', 2, 31 * MIB - 0x80000],
  ])('that is relocatable goes %s, and is told', (_, preference, base) => {
    const plan = planKernel({ image: multiboot2([[10, 0, 0x180000, 0xffffffff, 0x80000, preference]]), lowMemory })
    expect(plan.segments.find(({ name }) => name === 'kernel segment 1')?.address).toBe(base)
    expect(plan.entry).toMatchObject({ address: base + 0x800 })
    const { view, at } = tagsOf(plan)
    expect(view.getUint32(at.get(21)?.[0] ?? 0, true)).toBe(base)
  })

  test('that wishes to be high, as Xen does, leaves room for its modules', () => {
    const image = multiboot2([[10, 1, 0x200000, 0xffffffff, 0x200000, 2]])
    const plan = planKernel({ image, modules: [{ data: new Uint8Array(9 * MIB) }], lowMemory })
    const [kernel, module] = ['kernel segment 1', 'module 1'].map((name) =>
      plan.segments.find((one) => one.name === name),
    )
    expect([kernel?.address, module?.address]).toEqual([20 * MIB, 20 * MIB + 0x2000])
    expect(() => planKernel({ image, modules: [{ data: new Uint8Array(30 * MIB) }], lowMemory })).toThrow(
      /has no room for it/,
    )
  })

  test.each<[string, readonly Tag[], RegExp]>([
    ['information that is not there', [[1, 0, 4, 6, 12]], /requires information that is not there for it \(tags 12\)/],
    ['a tag that nobody knows', [[77, 0]], /requires something that is not known here \(header tag 77\)/],
    ['a console that nobody knows', [[4, 0, 8]], /requires features of a console/],
    ['addresses without an entry', [[2, 0, 0x300000, 0x300000, 0, 0]], /load addresses in its header, and no entry/],
    ['a place that is not there', [[10, 0, 64 * MIB, 128 * MIB, 4096, 1]], /has no room for it; give it more memory/],
  ])('that requires %s is refused in one sentence', (_, tags, sentence) => {
    expect(() => planKernel({ image: multiboot2(tags), lowMemory })).toThrow(sentence)
  })

  test('asks for the same in vain where it says that it can do without', () => {
    const image = multiboot2([
      [1, 1, 12],
      [77, 1],
      [7, 0],
      [9, 0, 0x200800],
    ])
    expect(planKernel({ image, lowMemory }).entry).toMatchObject({ address: 0x200800 })
  })

  test('for another processor, or cut short, is refused', () => {
    expect(() => planKernel({ image: multiboot2([], 4), lowMemory })).toThrow(/another processor .*architecture 4/)
    const cut = multiboot2()
    expect(() => planMultiboot2({ image: cut.subarray(0, 118), lowMemory })).toThrow(/beyond|cut short/)
  })

  test('a picture that it wishes for is told to the ROM', () => {
    const { entry } = planKernel({ image: multiboot2([[5, 0, 1024, 768, 0]]), lowMemory })
    if (entry.mode !== 'protected') throw new Error('wrong mode')
    expect(entry.handover.video).toMatchObject({ width: 1024, height: 768, depth: 32 })
  })
})

describe('a PVH kernel', () => {
  test('is entered by its note, with its modules and command line', () => {
    const image = pvh()
    expect(kernelProtocol(image)).toBe('pvh')
    const plan = planKernel({ image, append: 'quiet', modules: [{ data: new Uint8Array(9) }], lowMemory })
    expect(plan.entry).toMatchObject({ mode: 'protected', address: 0x200900, ebx: 0x10010 })
    const [{ data }] = plan.segments
    const view = new DataView(data.buffer)
    expect([0, 4, 12].map((at) => view.getUint32(16 + at, true))).toEqual([0x336ec578, 1, 1])
    const list = view.getUint32(16 + 16, true) - 0x10000
    expect([view.getUint32(list, true), view.getUint32(list + 8, true)]).toEqual([0x201000, 9])
    expect(text(view, view.getUint32(16 + 24, true) - 0x10000)).toBe('quiet')
    expect(() => bootImage(plan)).not.toThrow()
  })
})

test('a kernel with headers of Multiboot 1 and 2 is taken for the first, as QEMU does', () => {
  const image = multiboot2()
  const view = new DataView(image.buffer)
  const at = image.length - 64
  for (const [i, word] of [0x1badb002, 0, -0x1badb002].entries()) view.setUint32(at + 4 * i, word, true)
  expect(kernelProtocol(image)).toBe('multiboot')
})

test('kernels that were changed at random are booted or refused in a sentence', () => {
  const source = new Random(16)
  const next = () => source.u32()
  const kernels = [
    () =>
      multiboot2([
        [1, 0, 4, 6],
        [2, 0, 0x200000, 0x200000, 0, 0],
        [3, 0, 0x200100],
        [5, 1, 800, 600, 32],
      ]),
    () =>
      multiboot2([
        [10, 0, MIB, 8 * MIB, 4096, 1],
        [6, 0],
      ]),
    pvh,
  ]
  for (let round = 0; round < 3000; round++) {
    const image = kernels[round % kernels.length]()
    // Headers of ELF, and of the protocol: what is behind is code.
    for (let changes = 1 + (next() % 3); changes > 0; changes--) {
      const at = next() % 3 ? next() % 300 : next() % image.length
      image[at] = [0, 1, 0x7f, 0x80, 0xff, next() & 0xff][next() % 6]
    }
    const cut = next() % 8 ? image : image.subarray(0, next() % image.length)
    try {
      const plan = planKernel({ image: cut, modules: [{ data: new Uint8Array(3) }], lowMemory })
      bootImage(plan)
    } catch (error) {
      expect((error as Error).name, (error as Error).stack).toBe('BootImageError')
      expect((error as Error).message).toMatch(/^[A-Z][^\n]*\.$/)
    }
  }
})
