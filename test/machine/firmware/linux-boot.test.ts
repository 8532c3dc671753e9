import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { bootImage } from '../../../machine/firmware/boot-rom.js'
import { parseSetupHeader, planLinuxBoot } from '../../../machine/firmware/linux-boot.js'
import { makeElf, makeKernel } from './kernels.js'

const MIB = 2 ** 20
const lowMemory = 64 * MIB

describe('the setup header', () => {
  test('tells the size of the real-mode part, with 0 sectors meaning 4', () => {
    expect(parseSetupHeader(makeKernel({ setupSects: 30 })).setupBytes).toBe(31 * 512)
    expect(parseSetupHeader(makeKernel({ setupSects: 0 })).setupBytes).toBe(5 * 512)
  })

  test('what is no kernel is refused in one sentence that says what it is', () => {
    const parse = (data: Uint8Array) => () => parseSetupHeader(data)
    expect(parse(new Uint8Array(0))).toThrow('The kernel file is not a Linux/x86 kernel image (bzImage): it is empty.')
    expect(parse(makeElf([{ virtual: 0, physical: 0x100000, data: new Uint8Array(99) }], 0))).toThrow(
      /it is an ELF file/,
    )
    expect(parse(Uint8Array.of(0x1f, 0x8b, 8, 0))).toThrow(/gzip-compressed data, to be unpacked first/)
    expect(parse(new Uint8Array(4096).fill(0x41))).toThrow(/no 'HdrS' setup header/)
    const bootSector = new Uint8Array(4096)
    bootSector.set([0x55, 0xaa], 0x1fe)
    expect(parse(bootSector)).toThrow(/not a Linux/)
    expect(parse(makeKernel().subarray(0, 2000))).toThrow(/cut short/)
  })
})

describe('a direct Linux boot', () => {
  test('puts a modern kernel at 1 MiB, its setup at 64 KiB and its command line at 128 KiB', () => {
    const plan = planLinuxBoot({ kernel: makeKernel(), append: 'console=ttyS0', lowMemory })
    expect(plan.segments.map(({ address }) => address)).toEqual([0x10000, 0x20000, 0x100000])
    expect(plan.entry).toEqual({ mode: 'real', dataSegment: 0x1000, codeSegment: 0x1020, stack: 0xfff0 })
    expect(new TextDecoder().decode(plan.cmdline.data)).toBe('console=ttyS0\0')
    const setup = new DataView(plan.setup.data.buffer)
    expect(setup.getUint8(0x210)).toBe(0xff)
    expect(setup.getUint8(0x211)).toBe(0x81)
    expect(setup.getUint16(0x224, true)).toBe(0xfff0 - 0x200)
    expect(setup.getUint32(0x228, true)).toBe(0x20000)
    expect(() => bootImage(plan)).not.toThrow()
  })

  test("leaves the caller's kernel as it is", () => {
    const kernel = makeKernel()
    const before = kernel.slice()
    planLinuxBoot({ kernel, append: 'vga=ask', initrd: new Uint8Array(10), lowMemory })
    expect(kernel).toEqual(before)
  })

  test('puts a zImage at 64 KiB and tells a 2.00 kernel its command line by the old magic', () => {
    const kernel = makeKernel({ version: 0x200, loadflags: 0 })
    const plan = planLinuxBoot({ kernel, append: 'root=/dev/fd0', lowMemory })
    expect(plan.kernel.address).toBe(0x10000)
    expect(plan.setup.address).toBe(0x90000)
    const setup = new DataView(plan.setup.data.buffer)
    expect(setup.getUint16(0x20, true)).toBe(0xa33f)
    expect(plan.cmdline.address).toBe(0x90000 + setup.getUint16(0x22, true))
    expect(plan.cmdline.address + plan.cmdline.data.length).toBeLessThanOrEqual(0x9a000)
    expect(setup.getUint8(0x211) & 0x80).toBe(0)
  })

  test('puts the initrd as high as kernel and memory allow, on a page', () => {
    const initrd = new Uint8Array(5000)
    const place = (initrdAddrMax: number): number => {
      const plan = planLinuxBoot({ kernel: makeKernel({ initrdAddrMax }), initrd, lowMemory })
      const view = new DataView(plan.setup.data.buffer)
      expect(view.getUint32(0x21c, true)).toBe(5000)
      expect(plan.initrd?.address).toBe(view.getUint32(0x218, true))
      return view.getUint32(0x218, true)
    }
    expect(place(0x7fffffff)).toBe(63 * MIB - 8192)
    expect(place(0x1ffffff)).toBe(32 * MIB - 8192)
  })

  test('refuses an initrd or kernel that does not fit, and says how much memory would do', () => {
    const initrd = new Uint8Array(8 * MIB)
    const kernel = makeKernel({ prefAddress: 16 * MIB, initSize: 40 * MIB })
    expect(() => planLinuxBoot({ kernel, initrd, lowMemory })).toThrow(/at least 66 MiB of memory/)
    expect(planLinuxBoot({ kernel, initrd, lowMemory: 66 * MIB }).initrd?.address).toBeGreaterThanOrEqual(56 * MIB)
    expect(() => planLinuxBoot({ kernel: makeKernel({ body: new Uint8Array(8 * MIB) }), lowMemory: 8 * MIB })).toThrow(
      /does not fit/,
    )
  })

  test('refuses an initrd whose contents would not fit, before the kernel panics', () => {
    // 8 MiB packed, 40 MiB by gzip's trailer.
    const initrd = new Uint8Array(8 * MIB)
    initrd.set([0x1f, 0x8b])
    new DataView(initrd.buffer).setUint32(8 * MIB - 4, 40 * MIB, true)
    const kernel = makeKernel({ prefAddress: 16 * MIB, initSize: 10 * MIB })
    const plan = (append: string, memory: number) => () =>
      planLinuxBoot({ kernel, initrd, append, lowMemory: memory * MIB })
    expect(plan('', 64)).toThrow(
      /\(8 MiB, 40 MiB unpacked\) does not fit in 64 MiB .* more than 80 MiB, e\.g\. 128 MiB/,
    )
    expect(plan('', 80)).not.toThrow()
    // Where a root device is named, the contents may take more than half.
    expect(plan('root=/dev/ram0', 64)).not.toThrow()
    expect(plan('root=/dev/ram0', 58)).toThrow(/more than 59 MiB/)
  })

  test('refuses a command line that the kernel would cut', () => {
    const kernel = makeKernel({ cmdlineSize: 10 })
    expect(() => planLinuxBoot({ kernel, append: '12345678901', lowMemory })).toThrow(/11 bytes.* 10 at most/)
    expect(() => planLinuxBoot({ kernel, append: '1234567890', lowMemory })).not.toThrow()
  })

  test('obeys vga= as a boot loader does', () => {
    const mode = (append: string): number =>
      new DataView(planLinuxBoot({ kernel: makeKernel(), append, lowMemory }).setup.data.buffer).getUint16(0x1fa, true)
    expect(mode('quiet vga=791 x')).toBe(791)
    expect(mode('vga=0x317')).toBe(0x317)
    expect(mode('vga=normal')).toBe(0xffff)
    expect(mode('vga=ask')).toBe(0xfffd)
    expect(mode('nvga=1 vga=nonsense')).toBe(0)
  })
})

const debian = '/usr/lib/debian-installer/images/12/i386/text/debian-installer/i386/'

describe.skipIf(!existsSync(`${debian}linux`))("Debian's installer (package debian-installer-12-netboot-i386)", () => {
  test('is laid out without overlaps', () => {
    const [kernel, initrd] = ['linux', 'initrd.gz'].map((file) => readFileSync(debian + file))
    const plan = planLinuxBoot({ kernel, initrd, append: 'console=ttyS0', lowMemory: 512 * MIB })
    expect(plan.header.version).toBeGreaterThanOrEqual(0x20f)
    expect(plan.header.relocatable).toBe(true)
    const parts = bootImage(plan)
    // Neither kernel nor initrd is copied.
    expect(parts.some((part) => part.buffer === initrd.buffer && part.length === initrd.length)).toBe(true)
  })
})
