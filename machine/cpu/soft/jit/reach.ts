/**
 * Accesses of a block by the same register lie in one page nearly always, so that one look at the TLB serves for several of them.
 * `Reaches` guesses what a block will touch around an address; `Lookups` knows what is in the registers and what was looked up, and
 * so where a guess was wrong.
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

/** Where an access goes: to the address in a local, or so many bytes on. */
export type Place = number | { readonly local: number; readonly plus: number }

/** Bytes in one page, from `first` up to `end` away from a value that was in a register. */
interface Span extends Reach {
  readonly value: number
}

/** To be looked up: `size` bytes, `away` from what is in the register. */
export interface Lookup {
  readonly span: Span
  readonly away: number
  readonly size: number
}

/** What was looked up in the present block. */
export class Lookups {
  /** Which value is in each register, by a number that no other value has, and what was added to it. */
  private readonly contents: { readonly value: number; readonly plus: number }[] = []
  private values = 0
  /** The local has the address of the first byte. */
  private known: { readonly span: Span; readonly local: number }[] = []
  private reaches: Reaches | undefined

  constructor(private readonly registers: number) {}

  /** A block begins, in which anything may be in the registers. */
  begin(reaches: Reaches): void {
    this.reaches = reaches
    this.forget()
    for (let n = 0; n < this.registers; n++) this.change(n)
  }

  /** Translations may be others from here on. */
  forget(): void {
    this.known = []
  }

  /** Something else is in register `n`. */
  change(n: number): void {
    this.contents[n] = { value: this.values++, plus: 0 }
  }

  /** `set` puts into register `n` what is there already, and `bytes` more. */
  move(n: number, bytes: number, set: () => void): void {
    const { value, plus } = this.contents[n]
    set()
    this.contents[n] = { value, plus: plus + bytes }
  }

  /** How many there are. */
  get count(): number {
    return this.known.length
  }

  /** Where `size` bytes are, `displacement` bytes on from register `base`; undefined where that was not looked up. */
  find(base: number, displacement: number, size: number, write: boolean): Place | undefined {
    const { value, plus } = this.contents[base]
    const start = plus + displacement
    const found = this.known.find(
      ({ span }) => span.value === value && span.first <= start && start + size <= span.end && (span.write || !write),
    )
    return found && { local: found.local, plus: start - found.span.first }
  }

  /** What to look up for that access of op `op`; undefined where it is the only one there. */
  around(op: number, base: number, displacement: number, size: number, write: boolean): Lookup | undefined {
    const reach = this.reaches?.of(op, base)
    if (!reach || (write && !reach.write)) return undefined
    const { value, plus } = this.contents[base]
    const start = plus + displacement
    const first = start + reach.first
    const end = start + Math.max(reach.end, size)
    if (end - first === size) return undefined
    return { span: { value, first, end, write: reach.write }, away: first - plus, size: end - first }
  }

  add({ span }: Lookup, local: number): void {
    this.known.push({ span, local })
  }
}

/** The register by which alone an op's operand in memory is found, or -1. */
export function baseOf(op: Op, word: number): number {
  return op.action.memory && op.index === at.REG_ZERO && op.addressSize === word * 8 ? numberOf(op.base) : -1
}
