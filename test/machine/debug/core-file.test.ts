import { expect, test } from 'vitest'
import type { CpuState } from '../../../machine/cpu/engine.js'
import { coreFile } from '../../../machine/debug/core-file.js'
import { BareCpu } from '../cpu/driver.js'

const PT_NOTE = 4
const CPU = new BareCpu(1 << 20)

/** Name and contents of each note. */
function notes(file: Buffer): [string, string][] {
  const count = file.readUInt16LE(44)
  const at = file.readUInt32LE(28)
  for (let i = 0; i < count; i++) {
    const entry = at + i * 32
    if (file.readUInt32LE(entry) !== PT_NOTE) continue
    const found: [string, string][] = []
    const end = file.readUInt32LE(entry + 4) + file.readUInt32LE(entry + 16)
    for (let note = file.readUInt32LE(entry + 4); note < end; ) {
      const [name, length] = [file.readUInt32LE(note), file.readUInt32LE(note + 4)]
      const contents = note + 12 + Math.ceil(name / 4) * 4
      found.push([
        file.toString('latin1', note + 12, note + 11 + name),
        file.toString('latin1', contents, contents + length),
      ])
      note = contents + Math.ceil(length / 4) * 4
    }
    return found
  }
  return []
}

function dumped(): Buffer {
  CPU.boot(Uint8Array.of(0xf4))
  return coreOf(CPU.state)
}

function coreOf(state: CpuState): Buffer {
  const bytes = (address: number, length: number) => CPU.ram.subarray(address, address + length)
  const machine = {
    ...{ cpus: 1, state: () => state, ram: () => [{ address: 0, size: CPU.ram.length }] },
    physical: { bytes, store: () => 0 },
  }
  return Buffer.concat([...coreFile(machine)])
}

/** Linear addresses, in hexadecimal, of what a core of 64-bit code has with page tables at `cr3`. */
function loads(cr3: number): string[] {
  const file = coreOf({ ...CPU.state, cr0: 0x80000011n, cr3: BigInt(cr3), cr4: 0x20n, efer: 0x500n })
  return Array.from({ length: file.readUInt16LE(56) }, (_, i) => file.readBigUInt64LE(64 + i * 56 + 16).toString(16))
}

/** Tables at 50000h that map 2 MiB at ffffffff80000000h. */
function mapKernel(): DataView {
  CPU.boot(Uint8Array.of(0xf4))
  const view = new DataView(CPU.ram.buffer, CPU.ram.byteOffset, CPU.ram.length)
  view.setBigUint64(0x50000 + 511 * 8, 0x51003n, true)
  view.setBigUint64(0x51000 + 510 * 8, 0x52003n, true)
  view.setBigUint64(0x52000, 0x83n, true)
  return view
}

/** As the kernel has it: a note at the beginning of a page. */
function place(page: number, text: string): void {
  const note = Buffer.alloc(24 + text.length)
  for (const [i, word] of [11, text.length, 0].entries()) note.writeUInt32LE(word, i * 4)
  note.write('VMCOREINFO', 12)
  note.write(text, 24)
  CPU.ram.set(note, page * 4096)
}

test('a core has what a Linux kernel says of itself, and nothing that only looks so', () => {
  expect(notes(dumped()).map(([name]) => name)).toEqual(['CORE', 'QEMU'])
  place(20, 'what somebody else has left')
  expect(notes(dumped()).map(([name]) => name)).toEqual(['CORE', 'QEMU'])
  place(33, 'OSRELEASE=6.1.0\nKERNELOFFSET=1e00000\n')
  expect(notes(dumped()).at(-1)).toEqual(['VMCOREINFO', 'OSRELEASE=6.1.0\nKERNELOFFSET=1e00000\n'])
})

test('a core of Linux has what its own page tables map, though a process is executed, whose tables leave the kernel out', () => {
  mapKernel()
  place(33, 'OSRELEASE=6.1.0\nSYMBOL(swapper_pg_dir)=ffffffff80150000\nNUMBER(phys_base)=-1048576\n')
  // Tables that map nothing.
  expect(loads(0x60000)).toEqual(['0', 'ffffffff80000000', '0'])
})

test('a page that is mapped a hundred thousand times takes the place of nothing else', () => {
  const view = mapKernel()
  // As Linux has its espfix stacks: every second page of 512 times 2 MiB at ffffff0000000000h is the same one.
  view.setBigUint64(0x50000 + 510 * 8, 0x53003n, true)
  view.setBigUint64(0x53000, 0x54003n, true)
  for (let i = 0; i < 512; i++) {
    view.setBigUint64(0x54000 + i * 8, 0x55003n, true)
    view.setBigUint64(0x55000 + i * 8, i % 2 ? 0n : 0x70003n, true)
  }
  const found = loads(0x50000)
  expect(found[1]).toBe('ffffffff80000000')
  expect(found.length).toBeLessThan(20)
})
