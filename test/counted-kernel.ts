/** A Multiboot kernel that goes round a loop and leaves through debug-exit: what it executes can be counted by hand. */
import { writeFileSync } from 'node:fs'

const LOAD = 0x100000
const MAGIC = 0x1badb002
/** Bit 16: the header itself says where the kernel goes. */
const FLAGS = 1 << 16
const HEADER = 32

/** Where its first instruction is. */
export const START = LOAD + HEADER
export const ROUNDS = 1000
/** `mov ecx, ROUNDS` and the two that leave. */
const OUTSIDE = 3

/** What it executes up to its exit. */
export const instructionsOf = (nops: number) => ROUNDS * (nops + 1) + OUTSIDE

/** @param nops In each round, beside its `loop`. */
export function writeCountedKernel(path: string, nops: number): string {
  const code = [
    ...[0xb9, ROUNDS & 0xff, ROUNDS >> 8, 0, 0], // mov ecx, ROUNDS
    ...Array.from({ length: nops }, () => 0x90), // again: nop …
    ...[0xe2, 0x100 - nops - 2], // loop again
    ...[0xb0, 0, 0xe6, 0xf4], // mov al, 0; out 0xf4, al
  ]
  const image = new Uint8Array(HEADER + code.length)
  const header = new Uint32Array(image.buffer, 0, HEADER / 4)
  const end = LOAD + image.length
  header.set([MAGIC, FLAGS, -(MAGIC + FLAGS), LOAD, LOAD, end, end, START])
  image.set(code, HEADER)
  writeFileSync(path, image)
  return path
}
