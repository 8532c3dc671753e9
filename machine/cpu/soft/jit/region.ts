/**
 * A region: blocks of one page and mode as one function, with copies of short functions of other pages that they call. Control
 * goes between its blocks by structured branches where they go forward or back to a loop's first block, and through a table at a
 * loop's start where a block in its midst is entered.
 *
 * Every edge pays for the block that it leads to; where the budget does not reach, the region is left in front of it. So
 * flags that the next block overwrites need not be written on the way.
 */
import * as at from '../layout.js'
import { Emitter } from './emitter.js'
import { emit, flagsAsked, flagsUnseen } from './emitters.js'
import { LOADS_SEGMENT, lastAction, pageOf, successors } from './flow.js'
import { type CodePage, Frame, LONG_REGION_TYPE, REGION_TYPE, type RegionMode } from './frame.js'
import type { Block, Op } from './ops.js'
import { perfectHash } from './perfect-hash.js'
import { isOnce } from './string.js'
import { type Body, I32, I64, LOAD, OP } from './wasm.js'

/** No block's number. */
const NONE = 0xffff

/** A loop over the blocks from `first` to `last` in the order of addresses. */
interface Span {
  first: number
  last: number
}

/** Up to so many likely targets of an indirect branch are compared one after the other; more are told apart by a hash. */
const COMPARED = 3
/** What a region has copies of. */
export interface Beside {
  /** They stand behind the region's own. */
  readonly blocks: readonly Block[]
  /** Physical pages by the page that a direct branch is in and how many pages on it leads, and by their own number. */
  readonly pages: ReadonlyMap<string, number>
  readonly code: ReadonlyMap<number, CodePage>
  /** Where indirect branches led to last, by the addresses of their blocks. */
  readonly led: ReadonlyMap<number, number>
}

/** The function's body. Entries have the blocks' numbers. */
export function compileRegion(own: readonly Block[], beside: Beside, mode: RegionMode, index: number): Body {
  return new Region([...own, ...beside.blocks], beside, mode, index).write()
}

class Region {
  private readonly frame: Frame
  private readonly emitter: Emitter
  private readonly numbers: ReadonlyMap<number, number>
  private readonly spans: readonly Span[]
  /** Blocks behind calls: where a RET may lead. */
  private readonly returnedTo: readonly number[]
  /** Blocks that no other one of the region leads to, and what it calls: where an indirect branch may lead. */
  private readonly entered: readonly number[]

  constructor(
    private readonly blocks: readonly Block[],
    private readonly beside: Beside,
    mode: RegionMode,
    index: number,
  ) {
    this.frame = new Frame(mode, index)
    this.emitter = new Emitter(this.frame)
    this.numbers = new Map(blocks.map((block, i) => [block.phys, i]))
    this.spans = this.findSpans()
    const calls = blocks.filter((block) => /^call_[JE]$/.test(lastAction(block).name))
    const numbersOf = (found: Iterable<number | undefined>) =>
      [...new Set(found)].filter((number): number is number => number !== undefined)
    this.returnedTo = numbersOf(calls.map((block) => this.find(block, block.offset + (block.ops.at(-1) as Op).next)))
    const led = new Set(blocks.flatMap((block) => this.next(block)))
    const called = calls.filter((block) => lastAction(block).name === 'call_J').map((block) => this.next(block)[0])
    this.entered = numbersOf(
      [...called, ...blocks.keys()].filter((number) => called.includes(number) || !led.has(number)),
    )
  }

  /** The number of the block at a page offset, seen from `block`; it may be in another page. */
  private find(block: Block, target: number): number | undefined {
    const [pages, offset] = pageOf(target)
    const page = pages ? this.beside.pages.get(`${block.page}:${pages}`) : block.page
    return page === undefined ? undefined : this.numbers.get(page * 0x1000 + offset)
  }

  private next(block: Block): number[] {
    return successors(block).flatMap((offset) => this.find(block, offset) ?? [])
  }

  write(): Body {
    const { frame } = this
    frame.wrap(() => {
      this.range(0, this.blocks.length - 1, [])
      frame.code.op(OP.unreachable)
    })
    return frame.code.body(frame.long ? LONG_REGION_TYPE : REGION_TYPE)
  }

  /** Loops by their first blocks, nested: one that would reach out of the one around it is cut there. */
  private findSpans(): Span[] {
    const last = new Map<number, number>()
    for (const [from, block] of this.blocks.entries()) {
      for (const to of this.next(block)) {
        if (to <= from) last.set(to, Math.max(last.get(to) ?? 0, from))
      }
    }
    const open: Span[] = []
    const spans: Span[] = []
    for (const first of [...last.keys()].sort((a, b) => a - b)) {
      while (open.length && (open.at(-1) as Span).last < first) open.pop()
      const span = { first, last: Math.min(last.get(first) as number, open.at(-1)?.last ?? NONE) }
      open.push(span)
      spans.push(span)
    }
    return spans
  }

  /** The blocks from `low` to `high`; `around` are the loops that they are in. */
  private range(low: number, high: number, around: readonly Span[]): void {
    const { code } = this.frame
    // Blocks, and loops that are not around already.
    const units: Span[] = []
    for (let i = low; i <= high; i++) {
      const span = this.spans.find((s) => s.first === i && !around.includes(s))
      units.push(span ?? { first: i, last: i })
      i = units[units.length - 1].last
    }
    for (const unit of [...units].reverse()) code.block(`block${unit.first}`)
    const labels: string[] = []
    for (const unit of units) for (let i = unit.first; i <= unit.last; i++) labels.push(`block${unit.first}`)
    if (labels.length > 1) {
      code.get(this.frame.entry)
      if (low) code.i32(low).op(OP.i32Sub)
      code.brTable([...labels, labels[0]])
    }
    for (const unit of units) {
      code.end()
      const loop = this.spans.includes(unit)
      if (loop) {
        code.loop(`loop${unit.first}`)
        this.range(unit.first, unit.last, [...around, unit])
        code.end()
      } else this.block(unit.first, around)
    }
  }

  private block(number: number, around: readonly Span[]): void {
    const { frame, emitter } = this
    const block = this.blocks[number]
    frame.begin(block)
    emitter.flags.reset(flagsAsked(block.ops))
    emitter.checked.clear()
    for (const [i, op] of block.ops.entries()) {
      frame.op = op
      frame.number = i
      if (op.action.ending === 'end' && !isOnce(op)) {
        frame.last()
        return
      }
      if (op.action.ending === 'jump') {
        if (!this.branch(op, number, around)) frame.handOver()
        return
      }
      emitter.flagsDead = flagsUnseen(block.ops.slice(i + 1))
      if (!emit(emitter, op)) {
        frame.call()
        emitter.flags.reset(true)
        if (LOADS_SEGMENT.has(op.action.name)) frame.checkSegments(block.offset + op.next, block.ops[i + 1]?.address)
      }
    }
    const last = block.ops.at(-1) as Op
    if (LOADS_SEGMENT.has(last.action.name)) {
      frame.ipOf(block.offset + last.next)
      frame.code.set(frame.target).br('leave')
      return
    }
    this.edge(block.offset + last.next, number, around)
  }

  // ---- branches ----

  /** On to the block at a page offset that is known. */
  private edge(offset: number, from: number, around: readonly Span[]): void {
    const { frame, emitter } = this
    const { code } = frame
    const to = this.find(this.blocks[from], offset)
    if (to === undefined || this.blocks[to].page !== this.blocks[from].page || this.blocks[to].crosses) {
      frame.ipOf(offset)
      code.set(frame.target)
      if (to !== undefined) this.cross(to, from, around)
      emitter.flags.write()
      code.br('leave')
      return
    }
    if (frame.limited) {
      // The block may have been decoded where the segment reached farther.
      frame.ipOf(this.blocks[to].end - 1)
      frame.loadAt(LOAD.i32, at.CS + at.SEG_LIMIT)
      code.op(OP.i32GtU).unlikely().if()
      emitter.flags.park()
      frame.ipOf(offset)
      code.set(frame.target).br('out').end()
    }
    this.pay(to, () => {
      frame.ipOf(offset)
      code.set(frame.target)
    })
    this.jump(to, from, around)
  }

  /** To a block that reaches into another page or is of one, if that is where the target leads now. */
  private cross(to: number, from: number, around: readonly Span[]): void {
    const { frame } = this
    const block = this.blocks[to]
    frame.pushIsThere(block, this.beside.code.get(block.page) as CodePage)
    if (frame.limited) {
      frame.code
        .get(frame.target)
        .i32(block.end - block.offset - 1)
        .op(OP.i32Add)
      frame.loadAt(LOAD.i32, at.CS + at.SEG_LIMIT)
      frame.code.op(OP.i32LeU, OP.i32And)
    }
    frame.code.likely().if()
    this.pay(to, () => {})
    frame.turnPage(block.offset)
    this.jump(to, from, around)
    frame.code.end()
  }

  /** Whoever enters a block pays for it; where the budget does not reach, the region is left at the target that `aim` sets. */
  private pay(to: number, aim: () => void): void {
    const { frame, emitter } = this
    const { code } = frame
    const { ops } = this.blocks[to]
    code.get(frame.left).i32(ops.length).op(OP.i32Sub).tee(frame.left).i32(0).op(OP.i32LtS)
    code.unlikely().if()
    code.get(frame.left).i32(ops.length).op(OP.i32Add).set(frame.left)
    emitter.flags.park()
    aim()
    code.br('out').end()
    if (flagsAsked(ops)) emitter.flags.write()
    else if (!flagsUnseen(ops)) emitter.flags.park()
  }

  /** An indirect branch to `target`, a local: to one of the blocks of `likely` without leaving, or wherever it leads. */
  private indirect(target: number, all: readonly number[], from: number, around: readonly Span[]): void {
    const { frame, emitter } = this
    const { code, long } = frame
    const { page } = this.blocks[from]
    const likely = all.filter((to) => this.blocks[to].page === page)
    const led = this.numbers.get(this.beside.led.get(this.blocks[from].address) ?? -1)
    const far = [...(led === undefined ? [] : [led]), ...all].filter((to) => this.blocks[to].page !== page)
    const offset = frame.temp('targetOffset', frame.word)
    const found = likely.length > COMPARED ? perfectHash(likely.map((number) => this.blocks[number].offset)) : undefined
    const compared = likely.length > COMPARED ? [] : likely
    if (likely.length) {
      code
        .get(target)
        .get(frame.page)
        .op(long ? OP.i64Sub : OP.i32Sub)
        .set(offset)
    }
    const go = (to: number) => {
      code.get(offset)
      frame.wordConst(this.blocks[to].offset)
      code.op(long ? OP.i64Eq : OP.i32Eq).if()
      this.edge(this.blocks[to].offset, from, around)
      code.end()
    }
    for (const to of compared) go(to)
    if (found) {
      code.block('elsewhere')
      for (const place of found.places) code.block(`likely${place}`)
      code.get(offset)
      if (long) code.op(OP.i32Wrap)
      code
        .i32(found.factor)
        .op(OP.i32Mul)
        .i32(32 - found.bits)
        .op(OP.i32ShrU)
      const labels = Array.from({ length: 1 << found.bits }, (_, place) =>
        found.places.includes(place) ? `likely${place}` : 'elsewhere',
      )
      code.brTable([...labels, 'elsewhere'])
      for (const to of [...likely].reverse()) {
        code.end()
        go(to)
        code.br('elsewhere')
      }
      code.end()
    }
    code.get(target).set(frame.target)
    for (const to of new Set(far.slice(0, COMPARED))) {
      code.get(target)
      if (long) code.op(OP.i32Wrap)
      if (frame.limited) {
        frame.loadAt(LOAD.i32, at.CS + at.SEG_BASE)
        code.op(OP.i32Add)
      }
      code.i32(0xfff).op(OP.i32And).i32(this.blocks[to].offset).op(OP.i32Eq).if()
      this.cross(to, from, around)
      code.end()
    }
    emitter.flags.write()
    code.br('leave')
  }

  private jump(to: number, from: number, around: readonly Span[]): void {
    const { code, entry } = this.frame
    if (to <= from) {
      // Back: to the first block of a loop around, or into its midst through the table at its start.
      const loop = [...around].reverse().find(({ first, last }) => first <= to && to <= last)
      code.i32(loop && loop.first === to ? NONE : to).set(entry)
      code.br(loop ? `loop${loop.first}` : 'all')
      return
    }
    // Forward: past the outermost loop that begins behind here.
    const outer = this.spans.find(({ first, last }) => first <= to && to <= last && first > from)
    if (!outer) {
      code.br(`block${to}`)
      return
    }
    code.i32(outer.first === to ? NONE : to).set(entry)
    code.br(`block${outer.first}`)
  }

  /** True where the target of a relative branch is checked; hands over where CS or the width of IP does not reach it. */
  private checkTarget(offset: number, size: number): void {
    const { frame } = this
    const { code } = frame
    if (frame.long) {
      if (this.find(frame.block, offset) !== undefined) return
      const target = frame.temp('checked', I64)
      frame.ipOf(offset)
      code.set(target)
      this.checkCanonical(target)
      return
    }
    if (frame.limited) {
      frame.ipOf(offset)
      frame.loadAt(LOAD.i32, at.CS + at.SEG_LIMIT)
      code.op(OP.i32GtU)
      frame.handOverIf()
    }
    if (size === 2) {
      frame.ipOf(offset)
      code.i32(0xffff).op(OP.i32GtU)
      frame.handOverIf()
    }
  }

  private checkCanonical(target: number): void {
    this.frame.code.get(target).i64(16n).op(OP.i64Shl).i64(16n).op(OP.i64ShrS).get(target).op(OP.i64Ne)
    this.frame.handOverIf()
  }

  /** An indirect branch's target in a local: hands over where it would fault. */
  private checkIndirect(target: number): void {
    const { frame } = this
    if (frame.long) this.checkCanonical(target)
    else if (frame.limited) {
      frame.code.get(target)
      frame.loadAt(LOAD.i32, at.CS + at.SEG_LIMIT)
      frame.code.op(OP.i32GtU)
      frame.handOverIf()
    }
  }

  /** False where the interpreter is to execute it. */
  private branch(op: Op, number: number, around: readonly Span[]): boolean {
    const { frame, emitter } = this
    const { code } = frame
    const { block } = frame
    const { name, size, memory, constants } = op.action
    const taken = block.offset + Number(op.immediate)
    const next = block.offset + op.next
    // In 64-bit code near branches are of 64 bits.
    if (frame.long && size !== 8) return false
    const pushNext = () => {
      frame.ipOf(next)
    }
    switch (name) {
      case 'jcc':
        this.checkTarget(taken, size)
        emitter.flags.condition(Number(constants[0]))
        code.if()
        this.edge(taken, number, around)
        code.end()
        this.edge(next, number, around)
        return true
      case 'jmp_J':
        this.checkTarget(taken, size)
        this.edge(taken, number, around)
        return true
      case 'call_J':
        this.checkTarget(taken, size)
        emitter.push(size, pushNext)
        this.edge(taken, number, around)
        return true
      case 'loop':
      case 'jcxz': {
        if (op.addressSize === 16 && frame.long) return false
        this.checkTarget(taken, size)
        const width = op.addressSize / 8
        const count = frame.temp('count', width === 8 ? I64 : I32)
        frame.get(at.RCX, width)
        if (name === 'loop') {
          emitter.constant(1n, width)
          code.op(width === 8 ? OP.i64Sub : OP.i32Sub)
          emitter.keep(count, width)
          code.get(count)
          frame.set(at.RCX, width)
          code.get(count).op(width === 8 ? OP.i64Eqz : OP.i32Eqz, OP.i32Eqz)
          const kind = Number(constants[0])
          if (kind < 2) {
            emitter.flags.zero()
            if (kind === 0) code.op(OP.i32Eqz)
            code.op(OP.i32And)
          }
        } else code.op(width === 8 ? OP.i64Eqz : OP.i32Eqz)
        code.if()
        this.edge(taken, number, around)
        code.end()
        this.edge(next, number, around)
        return true
      }
      case 'jmp_E':
      case 'call_E': {
        const target = frame.temp('indirect', frame.word)
        emitter.readE(op, size, memory)
        code.set(target)
        this.checkIndirect(target)
        if (name === 'call_E') emitter.push(size, pushNext)
        this.indirect(target, this.entered, number, around)
        return true
      }
      case 'ret':
      case 'ret_I': {
        const target = frame.temp('indirect', frame.word)
        emitter.peek(size)
        code.set(target)
        this.checkIndirect(target)
        emitter.addSp(size + (name === 'ret_I' ? Number(op.immediate & 0xffffn) : 0))
        this.indirect(target, this.returnedTo, number, around)
        return true
      }
    }
    return false
  }
}
