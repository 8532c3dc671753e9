/**
 * What a block will touch around an address: accesses by the same register lie in one page nearly always, so that one look at the
 * TLB serves for several of them. Here is only guessed which: `Frame` knows what is in a register, and looks again where a
 * guess was wrong.
 */
import * as at from '../layout.js'
import type { Block, Op } from './ops.js'

/** Bytes from the first to the last that are looked up at once. One that reaches into the next page goes by the interpreter. */
const MOST = 64

/** Bytes from `first` up to `end`, away from the address of the access that is asked about. */
export interface Reach {
  readonly first: number
  readonly end: number
  readonly write: boolean
}

interface Access extends Reach {
  /** Its op's number in the block, and the register whose value since `since` it goes by. */
  readonly op: number
  readonly base: number
  readonly since: number
}

const STACK = 4
const WRITES = /^(mov_E_[GI]|alu_E_[GI]|inc_dec_E|not_E|neg_E|setcc|xchg_E_G|xadd|cmpxchg|shift_.*|pop_E)$/
const READS =
  /^(mov_G_E|alu_G_E|cmp_(E_[GI]|G_E)|test_E_[GI]|movzx|movsx|movsxd|cmovcc|push_E|imul_G_E|imul_G_E_I|jmp_E|call_E)$/
/** What changes no register that it names, nor any other. */
const CHANGES_NONE = /^(push_[RIE]|cmp_.*|test_.*|mov_E_[GI]|jcc|jmp_.*|nop|setcc)$/

const numberOf = (register: number): number =>
  register >= at.GPR && register < at.REG_ZERO ? (register - at.GPR) >> 3 : -1

export class Reaches {
  private readonly accesses: readonly Access[]

  constructor(block: Block, word: 4 | 8) {
    const accesses: Access[] = []
    const since = new Array<number>(16).fill(0)
    let sp = 0
    let count = 0
    const add = (op: number, base: number, first: number, size: number, write: boolean) => {
      accesses.push({ op, base, since: since[base], first, end: first + size, write })
    }
    const change = (register: number) => {
      if (register < 0) return
      since[register] = ++count
      if (register === STACK) sp = 0
    }
    for (const [i, op] of block.ops.entries()) {
      const { name, size, from, constants } = op.action
      const base = baseOf(op, word)
      const write = WRITES.test(name)
      if (base >= 0 && (write || READS.test(name)))
        add(i, base, op.displacement + (base === STACK ? sp : 0), from || size, write)
      if (/^(push_[RIE]|call_[JE])$/.test(name)) {
        sp -= size
        add(i, STACK, sp, size, true)
      } else if (/^(pop_R|ret|ret_I)$/.test(name)) {
        add(i, STACK, sp, size, false)
        sp += size
      }
      const rm = op.action.memory ? -1 : numberOf(op.rm)
      if (name === 'alu_E_I' && rm === STACK && size === word && /^(ADD|SUB)$/.test(constants[0]))
        sp += (constants[0] === 'ADD' ? 1 : -1) * Number(op.immediate)
      else if (!CHANGES_NONE.test(name)) {
        change(rm)
        if (!/^(pop_R|alu_E_[GI])$/.test(name)) change(numberOf(op.reg))
      }
    }
    this.accesses = accesses
  }

  /** Around the access of op `op` by register `base`, or to the stack. */
  of(op: number, base: number): Reach | undefined {
    const start = this.accesses.findIndex((one) => one.op === op && one.base === base)
    if (start < 0) return undefined
    const own = this.accesses[start]
    let { first, end, write } = own
    for (const one of this.accesses.slice(start + 1)) {
      if (one.base !== base || one.since !== own.since) continue
      const [low, high] = [Math.min(first, one.first), Math.max(end, one.end)]
      if (high - low > MOST) continue
      first = low
      end = high
      write ||= one.write
    }
    return { first: first - own.first, end: end - own.first, write }
  }
}

/** The register by which alone an op's operand in memory is found, or -1. */
export function baseOf(op: Op, word: number): number {
  return op.action.memory && op.index === at.REG_ZERO && op.addressSize === word * 8 ? numberOf(op.base) : -1
}
