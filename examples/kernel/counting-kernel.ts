/** A Multiboot kernel that counts, and has a bug, with a map of its symbols as `nm` writes it. */
import { writeFileSync } from 'node:fs'

const LOAD = 0x100000
const MAGIC = 0x1badb002
/** Bit 16: the header itself says where the kernel goes. */
const FLAGS = 1 << 16
const HEADER = 32
const START = LOAD + HEADER
const CHECK = START + 12
const BUG = CHECK + 20
const COUNTER = BUG + 2

const address = (value: number) => [0, 8, 16, 24].map((shift) => (value >> shift) & 0xff)

const CODE = [
  ...[0xbc, 0, 0, 0x20, 0], // start: mov esp, 200000h
  ...[0xe8, 2, 0, 0, 0], // again: call check
  ...[0xeb, 0xf9], // jmp again
  ...[0x55, 0x89, 0xe5], // check: push ebp; mov ebp, esp
  ...[0xff, 0x05, ...address(COUNTER)], // inc dword [counter]
  ...[0x83, 0x3d, ...address(COUNTER), 3], // cmp dword [counter], 3
  ...[0x73, 0x02], // jae bug
  ...[0x5d, 0xc3], // pop ebp; ret
  ...[0x0f, 0x0b], // bug: ud2, where there is no IDT
  ...address(0), // counter
]

export function writeCountingKernel(path: string, map: string): void {
  const image = new Uint8Array(HEADER + CODE.length)
  const header = new Uint32Array(image.buffer, 0, HEADER / 4)
  const end = LOAD + image.length
  header.set([MAGIC, FLAGS, -(MAGIC + FLAGS), LOAD, LOAD, end, end, START])
  image.set(CODE, HEADER)
  writeFileSync(path, image)
  const line = (at: number, kind: string, name: string) => `${at.toString(16).padStart(8, '0')} ${kind} ${name}\n`
  writeFileSync(
    map,
    line(START, 'T', 'start') + line(CHECK, 'T', 'check') + line(BUG, 't', 'check.bug') + line(COUNTER, 'D', 'counter'),
  )
}
