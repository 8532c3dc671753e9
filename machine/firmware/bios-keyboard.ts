/**
 * The buffer in the BIOS data area in which INT 09h keeps keys until a program asks INT 16h for them.
 * Specification: IBM PS/2 and PC BIOS Interface Technical Reference, "Data Areas", keyboard: 40:1A and 40:1C point to
 * its first word and behind its last, 40:80 and 40:82 to where it begins and ends, each an offset in segment 40. One of
 * its words always stays free.
 */
import type { CpuState } from '../cpu/engine.js'

const BDA = 0x400
const HEAD = BDA + 0x1a
const TAIL = BDA + 0x1c
const START = BDA + 0x80
const END = BDA + 0x82

/** As far as the offsets of BIOSes that keep them may go. */
const AREA = 0x400
const WORD = 2

const CR0_PE = 1n
const EFLAGS_VM = 1n << 17n

/** What reads guest-physical memory, without any effect in RAM. */
interface Memory {
  mmioRead(address: number, size: 2): number
}

export interface BiosKeys {
  /** Keys that still fit: more are lost. */
  room: number
  /** Keys that no program has taken. */
  waiting: number
  /** Where the first of them is or will be: moves on with each key that is taken. */
  head: number
}

/**
 * What the buffer holds; undefined outside real and virtual-8086 mode, and where the pointers are none.
 * @param cpu The one that the BIOS runs on.
 */
export function biosKeys(cpu: Pick<CpuState, 'cr0' | 'rflags'>, memory: Memory): BiosKeys | undefined {
  const isReal = (cpu.cr0 & CR0_PE) === 0n
  if (!isReal && (cpu.rflags & EFLAGS_VM) === 0n) return undefined
  const [head, tail, start, end] = [HEAD, TAIL, START, END].map((address) => memory.mmioRead(address, WORD))
  const isOffset = (offset: number) => offset % WORD === 0 && offset >= start && offset < end
  if (end > AREA || end % WORD !== 0 || end - start <= WORD || !isOffset(start)) return undefined
  if (!isOffset(head) || !isOffset(tail)) return undefined
  const size = (end - start) / WORD
  const waiting = ((tail - head) / WORD + size) % size
  return { room: size - 1 - waiting, waiting, head }
}
