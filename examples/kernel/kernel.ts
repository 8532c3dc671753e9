/** A Multiboot kernel that runs its tests, says on COM1 how they went, and leaves through isa-debug-exit. */
import { writeFileSync } from 'node:fs'

const START = 0x100000
const MAGIC = 0x1badb002
/** Bit 16: the header itself says where the kernel goes. */
const FLAGS = 1 << 16
const HEADER = 32

/** As `nasm -f bin` makes it, behind the header. */
const CODE = [
  ...[0xbe, 0x39, 0x00, 0x10, 0x00, 0x66, 0xba, 0xf8, 0x03, 0xfc], // esi = text, dx = COM1, cld
  ...[0xac, 0x84, 0xc0, 0x74, 0x03, 0xee, 0xeb, 0xf8], // say: lodsb; until 0: out
  ...[0x66, 0xba, 0xf4, 0x00, 0xb0, 0x10, 0xee], // out F4h, 10h
]
/** What a bug does: an undefined instruction where there is no IDT. */
const BUG = [0x0f, 0x0b]

export function writeKernel(path: string, { isBroken = false } = {}): void {
  const code = isBroken ? BUG : CODE
  const text = new TextEncoder().encode('kernel: 3 tests passed\n\0')
  const image = new Uint8Array(HEADER + code.length + text.length)
  const header = new Uint32Array(image.buffer, 0, HEADER / 4)
  const end = START + image.length
  header.set([MAGIC, FLAGS, -(MAGIC + FLAGS), START, START, end, end, START + HEADER])
  image.set(code, HEADER)
  image.set(text, HEADER + code.length)
  writeFileSync(path, image)
}
