/**
 * How a CPU came to where it is: its stack, from the innermost function on. A guest's kernel rarely says how its stack is
 * to be read, so each frame tells how it was found, and what is not certain is marked. Nothing is believed that the stack
 * does not bear out: behind a return address stands a call, and a chain of frame pointers goes upward.
 * Specification: System V ABI, i386 and AMD64 supplements, 3.2.2 "The Stack Frame"; Intel SDM vol. 3, 6.12 and 6.14 for
 * what an interrupt leaves.
 */
import type { CpuState } from '../cpu/engine.js'
import type { Place, StackFrame } from '../report.js'
import type { Symbols } from './symbols/symbols.js'

const CR0_PE = 1n
const EFER_LMA = 1n << 10n
const RFLAGS_VM = 1n << 17n
/** Access bits of CS. */
const ACCESS_L = 1 << 13
const ACCESS_DB = 1 << 14
const RSP = 4
const RBP = 5
const CS = 1
const SS = 2
const MOST_FRAMES = 48
/** A stack that was overrun has many. */
const MOST_CALLS = 2000
/** Words of the stack in which a caller is looked for. */
const SEARCHED = 512
/** A frame of a function is no larger. */
const LARGEST_FRAME = 0x10_0000n
/** Bytes of the longest call: FF /2 with a prefix, SIB and 32 bits. */
const LONGEST_CALL = 8
/** EFLAGS whose bits are always zero, and the one that is always one. */
const FLAGS_ZERO = ~0x3f7fd7n
const FLAGS_ONE = 2n

export type ReadLinear = (linear: bigint, length: number) => Uint8Array

interface Frame {
  /** Of the next instruction. */
  pc: bigint
  sp: bigint
  /** The frame pointer's register. */
  fp: bigint
  by: StackFrame['by']
  times: number
}

export function backtrace(state: CpuState, read: ReadLinear, symbols: Symbols): StackFrame[] {
  const word = wordBytes(state)
  const first: Frame = {
    pc: BigInt.asUintN(64, state.segments[CS].base + state.rip),
    sp: BigInt.asUintN(64, (word === 8 ? 0n : state.segments[SS].base) + state.gpr[RSP]),
    fp: state.gpr[RBP],
    by: 'registers',
    times: 1,
  }
  const frames = [first]
  if (word !== undefined) {
    const stack = new Stack(word, BigInt(state.segments[CS].selector), read, symbols)
    for (let last = first, count = 0; frames.length < MOST_FRAMES && count < MOST_CALLS; count++) {
      const caller = stack.callerOf(last)
      if (!caller) break
      if (caller.pc === last.pc && caller.by === last.by) caller.times = last.times + 1
      if (caller.times > 1) frames[frames.length - 1] = caller
      else frames.push(caller)
      last = caller
    }
  }
  return frames.map(({ pc, by, times }) => {
    // A return address may be the next function's: the call stands before it.
    return { ...placeOf(isReturnAddress(by) ? pc - 1n : pc, symbols, pc), by, ...(times > 1 && { times }) }
  })
}

/** It is behind a call; else an instruction was about to be executed there. */
function isReturnAddress(by: StackFrame['by']): boolean {
  return by !== 'registers' && by !== 'interrupt'
}

/** What symbols know of an address. @param shown The address that is shown for it. */
export function placeOf(address: bigint, symbols: Symbols, shown = address): Place {
  const found = symbols.find(address)
  return {
    address: `0x${shown.toString(16)}`,
    ...(found && { symbol: found.symbol, offset: found.offset + Number(shown - address) }),
    ...symbols.lineAt(address),
  }
}

/** Bytes of a stack's word; undefined in 16-bit code, whose stacks no convention holds. */
function wordBytes({ cr0, efer, rflags, segments }: CpuState): 4 | 8 | undefined {
  const { access } = segments[CS]
  if (!(cr0 & CR0_PE) || rflags & RFLAGS_VM) return undefined
  if (efer & EFER_LMA && access & ACCESS_L) return 8
  return access & ACCESS_DB ? 4 : undefined
}

class Stack {
  constructor(
    private readonly word: 4 | 8,
    private readonly codeSelector: bigint,
    private readonly read: ReadLinear,
    private readonly symbols: Symbols,
  ) {}

  callerOf(frame: Frame): Frame | undefined {
    const { symbols } = this
    const told = this.byTable(frame)
    if (told) return told === 'end' ? undefined : told
    const found = symbols.find(isReturnAddress(frame.by) ? frame.pc - 1n : frame.pc)
    if (!found) return symbols.isEmpty || !this.isKnown(frame) ? this.byFramePointer(frame) : undefined
    const { framed, hasFrame } = this.prologue(found.start, found.offset)
    if (hasFrame) return this.byFramePointer(frame) ?? this.bySearch(frame, found.start)
    if (framed) return this.byPrologue(frame, found) ?? this.bySearch(frame, found.start)
    return this.bySearch(frame, found.start) ?? this.byFramePointer(frame)
  }

  /** As the compiler has written it down, where the stack bears that out. */
  private byTable({ pc, sp, fp, by }: Frame): Frame | 'end' | undefined {
    const rule = this.symbols.unwindAt(isReturnAddress(by) ? pc - 1n : pc, this.word)
    if (!rule || rule === 'end') return rule
    const word = (at: bigint): bigint | undefined => this.words(at, 1)[0]
    const here = (rule.base === 'sp' ? sp : fp) + rule.offset
    const found = rule.indirect === undefined ? here : word(here)
    if (found === undefined) return undefined
    const cfa = found + (rule.indirect ?? 0n)
    const back = word(cfa + rule.pc)
    const saved = rule.fp ? word((rule.fp.base === 'cfa' ? cfa : fp) + rule.fp.offset) : fp
    const stack = rule.sp === undefined ? cfa : word(cfa + rule.sp)
    if (back === undefined || saved === undefined || stack === undefined) return undefined
    if (rule.sp !== undefined) return { pc: back, sp: stack, fp: saved, by: 'interrupt', times: 1 }
    // Code that Linux has thrown away once it was up has no calls any more.
    if (stack <= sp || !(this.isReturn(back) || this.symbols.find(back - 1n))) return undefined
    return { pc: back, sp: stack, fp: saved, by: 'unwind table', times: 1 }
  }

  /** A file of symbols has something there, if not a name. */
  private isKnown({ pc }: Frame): boolean {
    return this.symbols.lineAt(pc - 1n) !== undefined
  }

  private words(at: bigint, count: number): bigint[] {
    const bytes = this.read(at, count * this.word)
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    return Array.from({ length: Math.floor(bytes.length / this.word) }, (_, i) =>
      this.word === 8 ? view.getBigUint64(i * 8, true) : BigInt(view.getUint32(i * 4, true)),
    )
  }

  /** Whether a function makes a frame (`push rbp; mov rbp, rsp`), and has made it before so many bytes of it. */
  private prologue(start: bigint, offset: number): { framed: boolean; hasFrame: boolean; pushed: boolean } {
    const code = this.read(start, 12)
    const begin = code[0] === 0xf3 && code[1] === 0x0f && code[2] === 0x1e ? 4 : 0
    const push = code[begin] === 0x55
    const move = begin + 1 + (this.word === 8 ? 1 : 0)
    const isMove = (this.word === 4 || code[begin + 1] === 0x48) && moves(code[move], code[move + 1])
    const framed = push && isMove
    return { framed, hasFrame: framed && offset >= move + 2, pushed: push && offset > begin }
  }

  private byFramePointer({ sp, fp }: Frame): Frame | undefined {
    const word = BigInt(this.word)
    if (fp % word !== 0n || fp < sp || fp - sp > LARGEST_FRAME) return undefined
    const [saved, pc] = this.words(fp, 2)
    if (pc === undefined || !this.isReturn(pc)) return undefined
    return { pc, sp: fp + 2n * word, fp: saved, by: 'frame pointer', times: 1 }
  }

  /** The function has not made its frame yet: its caller's stands, and the return address is the last thing pushed. */
  private byPrologue({ sp, fp }: Frame, { start, offset }: { start: bigint; offset: number }): Frame | undefined {
    const { pushed } = this.prologue(start, offset)
    const at = sp + (pushed ? BigInt(this.word) : 0n)
    const [pc] = this.words(at, 1)
    if (pc === undefined || !this.isReturn(pc)) return undefined
    return { pc, sp: at + BigInt(this.word), fp, by: 'call', times: 1 }
  }

  /** The first thing on the stack that leads to where the function was called from, or was interrupted. */
  private bySearch({ sp, fp }: Frame, start: bigint): Frame | undefined {
    const word = BigInt(this.word)
    const words = this.words(sp, SEARCHED)
    let guess: Frame | undefined
    for (const [i, pc] of words.entries()) {
      const at = sp + BigInt(i) * word
      if (!this.symbols.find(pc)) continue
      if (this.isInterrupted(words, i)) return this.interrupted(words, i, at, fp, guess)
      if (!this.isReturn(pc)) continue
      if (this.callTarget(pc) === start) return { pc, sp: at + word, fp, by: 'call', times: 1 }
      guess ??= { pc, sp: at + word, fp, by: 'guess', times: 1 }
    }
    return guess
  }

  /** An instruction's address, the kernel's CS, and flags: what an interrupt in the kernel pushed. */
  private isInterrupted(words: readonly bigint[], i: number): boolean {
    const [cs, flags] = [words[i + 1], words[i + 2]]
    if (cs === undefined || flags === undefined) return false
    return (
      (cs & 0xffffn) === this.codeSelector && cs <= 0xffffn && (flags & FLAGS_ZERO) === 0n && (flags & FLAGS_ONE) !== 0n
    )
  }

  private interrupted(
    words: readonly bigint[],
    i: number,
    at: bigint,
    fp: bigint,
    guess: Frame | undefined,
  ): Frame | undefined {
    if (guess) return guess
    // 64-bit interrupts push SS and RSP always, others where the privilege changes.
    const sp = this.word === 8 ? words[i + 3] : at + 3n * BigInt(this.word)
    return sp === undefined ? undefined : { pc: words[i], sp, fp, by: 'interrupt', times: 1 }
  }

  /** Behind a call, as far as its bytes tell. */
  private isReturn(pc: bigint): boolean {
    if (pc < BigInt(LONGEST_CALL)) return false
    const code = this.read(pc - BigInt(LONGEST_CALL), LONGEST_CALL)
    if (code.length < LONGEST_CALL) return false
    if (code[LONGEST_CALL - 5] === 0xe8) return true
    // 9A ptr16:32, through a call gate among others.
    if (this.word === 4 && code[LONGEST_CALL - 7] === 0x9a) return true
    // FF /2, and /3 of far ones: the register, memory by it, with a displacement, with a SIB byte.
    for (let length = 2; length <= 7; length++) {
      const [opcode, modrm] = [code[LONGEST_CALL - length], code[LONGEST_CALL - length + 1]]
      if (
        opcode === 0xff &&
        ((modrm & 0x38) === 0x10 || ((modrm & 0x38) === 0x18 && modrm < 0xc0)) &&
        modrmBytes(modrm, code[LONGEST_CALL - length + 2]) === length - 1
      )
        return true
    }
    return false
  }

  private callTarget(pc: bigint): bigint | undefined {
    const code = this.read(pc - 5n, 5)
    if (code[0] !== 0xe8) return undefined
    const relative = new DataView(code.buffer, code.byteOffset).getInt32(1, true)
    return BigInt.asUintN(this.word * 8, pc + BigInt(relative))
  }
}

/** `mov ebp, esp` in both of its encodings. */
function moves(opcode: number, modrm: number): boolean {
  return (opcode === 0x89 && modrm === 0xe5) || (opcode === 0x8b && modrm === 0xec)
}

/** Bytes of a ModR/M byte with what follows it (Intel SDM vol. 2, table 2-2). */
function modrmBytes(modrm: number, sib: number): number {
  const [mode, register] = [modrm >> 6, modrm & 7]
  if (mode === 3) return 1
  const withSib = register === 4 ? 2 : 1
  if (mode === 1) return withSib + 1
  if (mode === 2) return withSib + 4
  const isAbsolute = register === 5 || (register === 4 && (sib & 7) === 5)
  return withSib + (isAbsolute ? 4 : 0)
}
