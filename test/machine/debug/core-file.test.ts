import { expect, test } from 'vitest'
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
  const bytes = (address: number, length: number) => CPU.ram.subarray(address, address + length)
  const machine = {
    ...{ cpus: 1, state: () => CPU.state, ram: () => [{ address: 0, size: CPU.ram.length }] },
    physical: { bytes, store: () => 0 },
  }
  return Buffer.concat([...coreFile(machine)])
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
