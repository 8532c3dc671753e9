import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { Assembler } from '../../../machine/firmware/assembler.js'
import { BOOT_IMAGE_FILE, BootImageError, bootImage, buildBootRom } from '../../../machine/firmware/boot-rom.js'
import { planLinuxBoot } from '../../../machine/firmware/linux-boot.js'
import { planMultiboot } from '../../../machine/firmware/multiboot.js'
import { makeKernel } from './kernels.js'

const MIB = 2 ** 20

describe('the boot ROM', () => {
  test('is a plug-and-play option ROM with a boot entry vector', () => {
    const rom = buildBootRom()
    const view = new DataView(rom.buffer)
    const sum = (bytes: Uint8Array): number => bytes.reduce((total, byte) => (total + byte) & 0xff, 0)
    expect([rom[0], rom[1], rom[2] * 512]).toEqual([0x55, 0xaa, rom.length])
    expect(sum(rom)).toBe(0)
    const pnp = view.getUint16(0x1a, true)
    expect(new TextDecoder().decode(rom.subarray(pnp, pnp + 4))).toBe('$PnP')
    expect(sum(rom.subarray(pnp, pnp + 32))).toBe(0)
    const vector = view.getUint16(pnp + 26, true)
    expect(vector).toBeGreaterThanOrEqual(pnp + 32)
    expect(vector).toBeLessThan(rom.length)
  })
})

describe('the boot image', () => {
  const entry = { mode: 'real', dataSegment: 0x1000, codeSegment: 0x1020, stack: 0xfff0 } as const

  test('lists data first and zero-filled parts last, where the file reads as zeros', () => {
    const parts = bootImage({
      entry,
      segments: [
        { name: 'a', address: 0x100000, data: Uint8Array.of(1, 2), size: 0x1000 },
        { name: 'bss', address: 0x300000, data: new Uint8Array(0), size: 0x500 },
        { name: 'b', address: 0x200000, data: Uint8Array.of(3) },
      ],
    })
    expect(parts.map((part) => part.length)).toEqual([4096, 2, 1])
    const view = new DataView(parts[0].buffer)
    expect(view.getUint16(6, true)).toBe(4)
    const segments = [0, 1, 2, 3].map((i) => [view.getUint32(0xd0 + i * 8, true), view.getUint32(0xd4 + i * 8, true)])
    expect(segments).toEqual([
      [0x100000, 2],
      [0x200000, 1],
      [0x100002, 0xffe],
      [0x300000, 0x500],
    ])
  })

  test('refuses segments that overlap each other or the ROM itself', () => {
    const image = (...ranges: [number, number][]): Uint8Array[] =>
      bootImage({
        entry,
        segments: ranges.map(([address, size], i) => ({ name: `part ${i}`, address, size, data: new Uint8Array(0) })),
      })
    expect(() => image([0x100000, 0x2000], [0x101fff, 1])).toThrow(/part 1 at 0x101fff overlaps the part 0/)
    expect(() => image([0x9a000, 0x1001])).toThrow(BootImageError)
    expect(() => image([0x9dfff, 1])).toThrow(BootImageError)
    expect(() => image([0x100000, 0x2000], [0x102000, 1], [0x9a000, 0x1000], [0x9e000, 1])).not.toThrow()
  })
})

const hasQemu = (() => {
  try {
    execFileSync('qemu-system-i386', ['-version'], { stdio: 'pipe' })
    return true
  } catch {
    return false
  }
})()

/** Boots a boot image under QEMU's SeaBIOS and returns what the kernel writes to COM1. */
function runInQemu(parts: readonly Uint8Array[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'bootwright-rom-'))
  try {
    writeFileSync(join(folder, 'boot.rom'), buildBootRom())
    writeFileSync(join(folder, 'boot'), Buffer.concat(parts))
    const args = ['-m', '32', '-display', 'none', '-net', 'none', '-no-reboot', '-serial', 'file:serial']
    args.push('-option-rom', 'boot.rom,bootindex=0', '-fw_cfg', `name=${BOOT_IMAGE_FILE},file=boot`)
    args.push('-device', 'isa-debug-exit,iobase=0xf4', '-chardev', 'file,id=con,path=out')
    args.push('-device', 'isa-debugcon,iobase=0xe9,chardev=con')
    try {
      execFileSync('qemu-system-i386', args, { cwd: folder, stdio: 'pipe', timeout: 20_000 })
    } catch (error) {
      // isa-debug-exit ends QEMU with an odd status: 1 for the value 0.
      if ((error as { status?: number }).status !== 1) throw error
    }
    return execFileSync('cat', ['out'], { cwd: folder, encoding: 'latin1' })
  } finally {
    rmSync(folder, { recursive: true })
  }
}

describe.skipIf(!hasQemu)("under QEMU's SeaBIOS (qemu-system-i386)", () => {
  test('enters a Linux kernel in real mode with the segments and stack of the boot protocol', () => {
    // Setup code: writes CS, DS, ES, SS and SP to port E9h, then ends QEMU.
    const code = new Assembler()
    for (const move of [0xc8, 0xd8, 0xc0, 0xd0, 0xe0, 0xe8]) {
      code.op(0x8c, move) // mov ax, cs / ds / es / ss / fs / gs
      code.op(0xe6, 0xe9, 0x88, 0xe0, 0xe6, 0xe9) // out 0xe9, al; mov al, ah; out 0xe9, al
    }
    code.op(0x89, 0xe0, 0xe6, 0xe9, 0x88, 0xe0, 0xe6, 0xe9) // mov ax, sp and out
    code.op(0x30, 0xc0, 0xe6, 0xf4) // xor al, al; out 0xf4, al
    const kernel = makeKernel({ setupCode: code.assemble(), body: Uint8Array.of(0x12, 0x34) })
    const out = runInQemu(bootImage(planLinuxBoot({ kernel, lowMemory: 32 * MIB })))
    const words = Array.from({ length: 7 }, (_, i) => out.charCodeAt(2 * i) | (out.charCodeAt(2 * i + 1) << 8))
    expect(words).toEqual([0x1020, 0x1000, 0x1000, 0x1000, 0x1000, 0x1000, 0xfff0])
  }, 30_000)

  test('enters a Multiboot kernel in protected mode with the magic, the information and the memory map', () => {
    const code = new Assembler()
    code
      .u32(0x1badb002)
      .u32(0x10000)
      .u32(-(0x1badb002 + 0x10000))
    code.u32(0x100000).u32(0x100000).u32(0).u32(0x102000).u32(0x100020) // addresses, entry right behind
    code.op(0x89, 0xde) // mov esi, ebx
    code.op(0xe6, 0xe9) // out 0xe9, al             low byte of the magic
    code.op(0x8b, 0x06, 0xe6, 0xe9) // mov eax, [esi]; out      flags
    for (const field of [4, 8, 44]) {
      code.op(0x8b, 0x46, field, 0xe6, 0xe9) // mov eax, [esi+field]; out
      code.op(0x88, 0xe0, 0xe6, 0xe9) // mov al, ah; out
      code.op(0xc1, 0xe8, 16, 0xe6, 0xe9) // shr eax, 16; out
    }
    code.op(0xa1).u32(0x101ffc) // mov eax, [last word of bss]
    code.op(0xe6, 0xe9) // out 0xe9, al
    code.op(0x8b, 0x46, 24, 0x8b, 0x18, 0x8a, 0x03, 0xe6, 0xe9) // first byte of the first module
    code.op(0x30, 0xc0, 0xe6, 0xf4) // xor al, al; out 0xf4, al
    const image = code.assemble()
    const plan = planMultiboot({ image, modules: [{ data: Uint8Array.of(0x5a) }], lowMemory: 32 * MIB })
    const out = [...Buffer.from(runInQemu(bootImage(plan)), 'latin1')]
    const value = (at: number): number => out[at] | (out[at + 1] << 8) | (out[at + 2] << 16)
    expect(out.slice(0, 2)).toEqual([0x02, 0x4d])
    expect(value(2)).toBe(639)
    // Up to where SeaBIOS keeps its tables, below 32 MiB.
    expect(value(5)).toBeGreaterThan(30 * 1024)
    expect(value(5)).toBeLessThan(31 * 1024)
    expect(value(8) % 24).toBe(0)
    expect(value(8)).toBeGreaterThanOrEqual(4 * 24)
    expect(out.slice(11)).toEqual([0x00, 0x5a])
  }, 30_000)
})
