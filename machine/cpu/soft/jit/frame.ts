/**
 * What the code of a region is made with: the guest's registers in locals, its memory through the TLBs, and the ways out to
 * the interpreter. The layouts and the meaning of all that is read and written here are the core's (`core/state.ts`).
 * The file is longer than others, because registers, memory and ways out are used together by every emitter.
 */
import * as at from '../layout.js'
import type { Block, Op } from './ops.js'
import { baseOf, Lookups, type Place, Reaches } from './reach.js'
import { Code, type FunctionType, I32, I64, LOAD, OP, STORE, type ValueType } from './wasm.js'

/**
 * Parameters of a region, in 64-bit code or in other code: number of the entry, offset in CS of the page's first byte, budget, count
 * at its end, number of the region, the TLBs, and the general registers. So what a region does not touch goes on to the next one
 * without being moved: V8 hands over all but the first five in places on the stack that stay where they are.
 */
function typeOfRegions(registers: number, word: ValueType): FunctionType {
  return { parameters: [I32, I64, I32, I64, I32, I32, ...new Array<ValueType>(registers).fill(word)], results: [I32] }
}
/** By their numbers. */
export const REGION_TYPES = [typeOfRegions(8, I32), typeOfRegions(16, I64)] as const
/** Numbers of their types in each module. */
export const REGION_TYPE = 0
export const LONG_REGION_TYPE = 1
const ENTRY = 0
const PAGE_IP = 1
const LEFT = 2
const END = 3
export const INDEX = 4
const TLB = 5
const REGISTERS = 6

/** Imported functions and globals by their place. */
export const IMPORTS = {
  functions: ['executeOp', 'storePlace', 'loadPlace', 'executeLast', 'settleFlags', 'enterRegion', 'enterLongRegion'],
  globals: ['tlbRead', 'tlbGeneration'],
} as const
const TLB_READ = 0
const TLB_GENERATION = 1
const EXECUTE_OP = 0
const STORE_PLACE = 1
const LOAD_PLACE = 2
const EXECUTE_LAST = 3
const SETTLE_FLAGS = 4
const ENTER_REGION = 5
const ENTER_LONG_REGION = 6
/** A region is left after so many instructions at the latest: only then can V8 put better code in its place. */
const LONGEST = 0x200000n

/** Handlers of the x87 that no general register is changed by. */
const KEEPS_REGISTERS = /^f(?!nstsw_ax$)/

export interface RegionMode {
  /** MODE as its blocks have it. */
  readonly mode: number
  /** FLAT_* bits that must hold when it is entered. */
  readonly needs: number
}

/** What says of a page of code whether its blocks still are what they were: where its code map is, and its version. */
export interface CodePage {
  readonly map: number
  readonly version: number
}

export class Frame {
  readonly code: Code
  readonly long: boolean
  readonly flat: boolean
  readonly limited: boolean
  readonly mode: number
  readonly needs: number
  /** The type of addresses and of registers in locals. */
  readonly word: ValueType
  /** The op and the block that are being compiled. */
  op!: Op
  block!: Block
  readonly entry = ENTRY
  readonly left = LEFT
  /** Offset in CS of the page's first byte, in an address' type. */
  readonly page: number
  readonly target: number
  /** Flags that are in no memory yet, as `core/integer/parked-flags.ts` has them; 0 on entry. */
  readonly parked: { readonly flags: number; readonly a: number; readonly b: number; readonly stepped: number }
  private readonly opLocal: number
  private readonly blockLocal: number
  private readonly registers: number
  private readonly temps = new Map<string, number>()
  private readonly lookups: Lookups
  /** How deep the present block is in others: what is looked up deeper may not have been looked up behind. */
  private depth = 0
  /** The op's number in its block. */
  number = 0
  /** Registers of which the core's memory has what the locals have; and whether it has the block's count and address. */
  private readonly shown = new Set<number>()
  private isCounted = false

  /**
   * @param index where in the function table the region will be.
   */
  constructor(
    mode: RegionMode,
    private readonly index: number,
  ) {
    this.mode = mode.mode
    this.needs = mode.needs
    this.long = (mode.mode & at.MODE_CODE64) !== 0
    this.limited = (mode.mode & at.MODE_CS_LIMIT) !== 0
    this.flat = this.long || (mode.needs & at.FLAT_SEGMENTS) !== 0
    this.word = this.long ? I64 : I32
    this.registers = this.long ? 16 : 8
    this.code = new Code(REGISTERS + this.registers)
    this.lookups = new Lookups(this.registers)
    this.page = this.long ? PAGE_IP : this.code.local(I32)
    this.target = this.code.local(this.word)
    const { code, word } = this
    this.parked = { flags: code.local(I32), a: code.local(word), b: code.local(word), stepped: code.local(word) }
    this.opLocal = this.code.local(I32)
    this.blockLocal = this.code.local(I32)
  }

  /** A local for a value that no op but this one, and no other use of the name, needs. */
  temp(name: string, type: ValueType): number {
    const key = `${name}${type}`
    let local = this.temps.get(key)
    if (local === undefined) {
      local = this.code.local(type)
      this.temps.set(key, local)
    }
    return local
  }

  typeOf(size: number): ValueType {
    return size === 8 ? I64 : I32
  }

  // ---- the core's memory ----

  loadAt(opcode: number, address: number): void {
    this.code.i32(0).memory(opcode, address)
  }

  /** `value` pushes what is stored. */
  storeAt(opcode: number, address: number, value: () => void): void {
    this.code.i32(0)
    value()
    this.code.memory(opcode, address)
  }

  // ---- registers ----

  /** Pushes a whole register, in an address' type. */
  whole(n: number): void {
    this.code.get(REGISTERS + n)
  }

  setWhole(n: number): void {
    this.change(n)
    this.code.set(REGISTERS + n)
  }

  private change(n: number): void {
    this.lookups.change(n)
    this.shown.delete(n)
  }

  /** `set` puts into register `n` what is there already, and `bytes` more. */
  move(n: number, bytes: number, set: () => void): void {
    this.lookups.move(n, bytes, set)
  }

  /** Pushes a register: 8 and 16 bits are zero-extended to 32, 64 bits are an i64. */
  get(address: number, size: number): void {
    const n = (address - at.GPR) >> 3
    const { code } = this
    this.whole(n)
    if (size === 8) return
    if (this.long) code.op(OP.i32Wrap)
    if (size === 1) {
      if ((address - at.GPR) & 7) code.i32(8).op(OP.i32ShrU)
      code.i32(0xff).op(OP.i32And)
    } else if (size === 2) code.i32(0xffff).op(OP.i32And)
  }

  /** Pops into a register: 32 bits clear the upper half, 8 and 16 leave the rest. */
  set(address: number, size: number): void {
    const n = (address - at.GPR) >> 3
    const { code, long } = this
    const local = REGISTERS + n
    this.change(n)
    if (size === 4 && long) code.op(OP.i64ExtendU)
    if (size < 4) {
      const high = ((address - at.GPR) & 7) !== 0
      const mask = size === 2 ? 0xffff : 0xff
      code.i32(mask).op(OP.i32And)
      if (high) code.i32(8).op(OP.i32Shl)
      const keep = ~(high ? mask << 8 : mask)
      if (long) code.op(OP.i64ExtendU).get(local).i64(BigInt(keep)).op(OP.i64And, OP.i64Or)
      else code.get(local).i32(keep).op(OP.i32And, OP.i32Or)
    }
    code.set(local)
  }

  /** Writes a register to where the interpreter has it. */
  private spillOne(n: number): void {
    this.storeAt(this.long ? STORE.i64 : STORE.i32, at.GPR + n * 8, () => this.whole(n))
  }

  private spill(): void {
    for (let n = 0; n < this.registers; n++) this.spillOne(n)
  }

  /** The core's memory gets what it has not: registers, the count, and where the block is. */
  private show(): void {
    const { code } = this
    const always = code.depth === this.depth
    for (let n = 0; n < this.registers; n++) {
      if (this.shown.has(n)) continue
      this.spillOne(n)
      if (always) this.shown.add(n)
    }
    if (this.isCounted) return
    this.storeCount()
    this.storeAt(STORE.i64, at.REG_BLOCK_IP, () => {
      this.ipOf(this.block.offset)
      if (!this.long) code.op(OP.i64ExtendU)
    })
    this.isCounted = always
  }

  private reload(): void {
    for (let n = 0; n < this.registers; n++) {
      this.loadAt(this.long ? LOAD.i64 : LOAD.i32, at.GPR + n * 8)
      this.setWhole(n)
    }
    this.code.global(TLB_READ).set(TLB)
  }

  // ---- addresses ----

  wordConst(value: number | bigint): void {
    if (this.long) this.code.i64(BigInt(value))
    else this.code.i32(Number(BigInt.asIntN(32, BigInt(value))))
  }

  wordAdd(): void {
    this.code.op(this.long ? OP.i64Add : OP.i32Add)
  }

  /** Pushes the offset in CS of a byte of the page. */
  ipOf(offset: number): void {
    this.code.get(this.page)
    this.wordConst(offset)
    this.wordAdd()
  }

  /** Pushes the memory operand's offset in its segment, cut to the address size; `away` pushes what is added to it. */
  offset(op: Op, away?: () => void): void {
    const { code } = this
    let some = false
    const add = () => {
      if (some) this.wordAdd()
      some = true
    }
    if (op.base === at.REG_BLOCK_IP) {
      // Displacements count from the block's first byte.
      this.ipOf(this.block.offset + op.displacement + (op.index === at.REG_PAGE ? 0x1000 : 0))
      some = true
    } else {
      if (op.base !== at.REG_ZERO) {
        this.whole((op.base - at.GPR) >> 3)
        add()
      }
      if (op.index !== at.REG_ZERO) {
        this.whole((op.index - at.GPR) >> 3)
        if (op.scale) {
          this.wordConst(op.scale)
          code.op(this.long ? OP.i64Shl : OP.i32Shl)
        }
        add()
      }
      if (op.displacement || !some) {
        this.wordConst(op.displacement)
        add()
      }
    }
    if (away) {
      away()
      this.wordAdd()
    }
    if (op.addressSize === 16) code.i32(0xffff).op(OP.i32And)
    else if (op.addressSize === 32 && this.long) code.op(OP.i32Wrap, OP.i64ExtendU)
  }

  /**
   * Pops an offset in the segment and leaves the place of `size` bytes there in a local; goes to the interpreter where no TLB
   * has them or the segment does not reach so far. `write` asks for the right to write, `apart` says that these are bytes of
   * several accesses.
   */
  place(segment: number, size: number, write: boolean, name = 'place', apart = false): number {
    const { code, long, word } = this
    const linear = this.temp(`${name}Linear`, word)
    const entry = this.temp(`${name}Entry`, I32)
    const place = this.temp(name, I32)
    const checked = !long && !(this.flat && (segment === at.DS || segment === at.ES || segment === at.SS))
    code.set(linear)
    if (checked) {
      code.get(linear).op(OP.i64ExtendU).i64(BigInt(size)).op(OP.i64Add)
      this.loadAt(LOAD.i64, segment + (write ? at.SEG_WRITE_BOUND : at.SEG_READ_BOUND))
      code.op(OP.i64GtU)
      this.handOverIf()
      code.get(linear)
      this.loadAt(LOAD.i32, segment + at.SEG_BASE)
      code.op(OP.i32Add).set(linear)
    } else if (segment === at.FS64 || segment === at.GS64) {
      code.get(linear)
      this.loadAt(LOAD.i64, segment + at.SEG_BASE)
      code.op(OP.i64Add).set(linear)
    }
    const low = () => {
      code.get(linear)
      if (long) code.op(OP.i32Wrap)
    }
    low()
    code.i32(8).op(OP.i32ShrU).i32(0x3ff0).op(OP.i32And).get(TLB).op(OP.i32Add).tee(entry)
    const table = write ? at.TLB_WRITES : 0
    code.memory(long ? LOAD.i64 : LOAD.i32, table)
    code.get(linear)
    if (size > 1) {
      this.wordConst(size - 1)
      this.wordAdd()
    }
    this.wordConst(-4096)
    code.op(long ? OP.i64And : OP.i32And, long ? OP.i64Ne : OP.i32Ne)
    const isCalled = write || apart
    if (isCalled) {
      code.unlikely().if().get(linear)
      if (!long) code.op(OP.i64ExtendU)
      code
        .i32(size)
        .call(write ? STORE_PLACE : LOAD_PLACE)
        .tee(place)
        .op(OP.i32Eqz)
      this.handOverIf()
      code.op(OP.else)
    } else this.handOverIf()
    low()
    code
      .get(entry)
      .memory(LOAD.i32, table + 8)
      .op(OP.i32Add)
      .set(place)
    if (isCalled) code.end()
    return place
  }

  /** The present block begins. */
  begin(block: Block): void {
    this.block = block
    this.depth = this.code.depth
    this.lookups.begin(new Reaches(block, this.long ? 8 : 4))
    this.shown.clear()
    this.isCounted = false
  }

  /** The place of the present op's operand in memory; `away` pushes what is added to its address. */
  operand(op: Op, size: number, write: boolean, away?: () => void): Place {
    const base = away || !isFlatData(op.segment) ? -1 : baseOf(op, this.long ? 8 : 4)
    const found = base < 0 ? undefined : this.near(base, op.displacement, size, write)
    if (found) return found
    this.offset(op, away)
    return this.place(op.segment, size, write)
  }

  /**
   * The place of `size` bytes at what is in register `base` and `displacement` bytes on, found together with what lies around it and
   * is touched later in the block; undefined where that is not for this kind of code.
   */
  near(base: number, displacement: number, size: number, write: boolean): Place | undefined {
    if (!this.flat || this.code.depth !== this.depth) return undefined
    const { lookups } = this
    const known = lookups.find(base, displacement, size, write)
    if (known) return known
    const lookup = lookups.around(this.number, base, displacement, size, write)
    if (!lookup) return undefined
    this.whole(base)
    if (lookup.away) {
      this.wordConst(lookup.away)
      this.wordAdd()
    }
    const segment = this.long ? at.FLAT : at.DS
    lookups.add(lookup, this.place(segment, lookup.size, lookup.span.write, `lookup${lookups.count}`, true))
    return lookups.find(base, displacement, size, write)
  }

  /** Loads `size` bytes: 8 and 16 bits are zero-extended. */
  loadFrom(place: Place, size: number): void {
    const { local, plus } = partsOf(place)
    const opcode = size === 1 ? LOAD.u8 : size === 2 ? LOAD.u16 : size === 4 ? LOAD.i32 : LOAD.i64
    this.code.get(local).memory(opcode, plus)
  }

  storeTo(place: Place, size: number, value: () => void): void {
    const { local, plus } = partsOf(place)
    const opcode = size === 1 ? STORE.u8 : size === 2 ? STORE.u16 : size === 4 ? STORE.i32 : STORE.i64
    this.code.get(local)
    value()
    this.code.memory(opcode, plus)
  }

  /** Stores 4 or 8 bytes at an address of the core's. */
  storePart(address: number, size: number, value: () => void): void {
    this.storeAt(size === 8 ? STORE.i64 : STORE.i32, address, value)
  }

  // ---- ways out ----

  /** Writes the flags of the present moment to memory, and parks them; the emitter of flags sets both. */
  flagsOut: () => void = () => {}
  park: () => void = () => {}

  /** What is parked goes to memory. */
  settleFlags(): void {
    const { code, parked } = this
    code.get(parked.flags).if()
    code.get(parked.flags)
    for (const local of [parked.a, parked.b, parked.stepped]) {
      code.get(local)
      if (!this.long) code.op(OP.i64ExtendU)
    }
    code.call(SETTLE_FLAGS)
    this.nothingParked()
    code.end()
  }

  nothingParked(): void {
    this.code.i32(0).set(this.parked.flags)
  }

  /** Pops a condition: where it holds, the interpreter takes over in front of the present op. */
  handOverIf(): void {
    this.code.unlikely().if()
    this.handOver()
    this.code.end()
  }

  handOver(): void {
    this.leaveAt(this.op.address, 'side')
  }

  private leaveAt(op: number, label: string): void {
    this.park()
    this.code.i32(op).set(this.opLocal).i32(this.block.address).set(this.blockLocal).br(label)
  }

  /** Has the interpreter execute the present op, and goes on. Flags are in memory before and after. */
  call(): void {
    const { code, op } = this
    this.flagsOut()
    this.show()
    code.i32(op.address).i32(this.block.address).call(EXECUTE_OP).op(OP.i32Eqz)
    code.unlikely().if().i32(0).op(OP.return).end()
    const keeps = KEEPS_REGISTERS.test(op.action.name)
    if (!keeps) {
      this.reload()
      if (code.depth === this.depth) for (let n = 0; n < this.registers; n++) this.shown.add(n)
    }
    if (keeps && !(op.flags & at.OPF_MEM)) return
    this.lookups.forget()
    this.budget()
  }

  /** The budget anew: a wait for a bus has shortened it, or instructions were counted. */
  private budget(): void {
    const { code } = this
    const limit = this.temp('limit', I64)
    this.loadAt(LOAD.i64, at.ICOUNT_LIMIT)
    this.loadAt(LOAD.i64, at.ICOUNT)
    code.op(OP.i64Sub).set(limit)
    code.get(limit).i64(LONGEST).get(limit).i64(LONGEST).op(OP.i64LtU, OP.select).op(OP.i32Wrap).set(LEFT)
    this.loadAt(LOAD.i64, at.ICOUNT)
    code.get(LEFT).op(OP.i64ExtendS, OP.i64Add).set(END)
  }

  /** Has the interpreter execute the present op, the last of its block, and goes on where that leads. */
  last(): void {
    this.leaveAt(this.op.address, 'last')
  }

  /** A segment register was loaded: the region is left where segments are not what it needs any more, in front of `next` or behind the block. */
  checkSegments(offset: number, next: number | undefined): void {
    if (!(this.needs & at.FLAT_SEGMENTS)) return
    const { code } = this
    this.loadAt(LOAD.i32, at.FLAT_DATA)
    code.i32(this.needs).op(OP.i32And).i32(this.needs).op(OP.i32Ne).unlikely().if()
    if (next === undefined) {
      this.ipOf(offset)
      code.set(this.target).br('out')
    } else this.leaveAt(next, 'side')
    code.end()
  }

  private storeCount(): void {
    this.storeAt(STORE.i64, at.ICOUNT, () => this.code.get(END).get(LEFT).op(OP.i64ExtendS, OP.i64Sub))
  }

  private storeIp(address: number, push: () => void): void {
    this.storeAt(STORE.i64, address, () => {
      push()
      if (!this.long) this.code.op(OP.i64ExtendU)
    })
  }

  /** Where the block at `blockLocal` begins. */
  private storeBlockIp(): void {
    const { code } = this
    this.storeIp(at.REG_BLOCK_IP, () => {
      code.get(this.page)
      code.get(this.blockLocal).memory(LOAD.i32, at.BLOCK_PHYS).i32(0xfff).op(OP.i32And)
      if (this.long) code.op(OP.i64ExtendU)
      this.wordAdd()
    })
  }

  /** The labels that everything else is inside of; `inside` writes it. */
  wrap(inside: () => void): void {
    const { code } = this
    if (!this.long) code.get(PAGE_IP).op(OP.i32Wrap).set(this.page)
    code.loop('all').block('leave').block('last').block('side').block('out')
    inside()
    code.end()
    // out: in front of the block at `target`.
    this.settleFlags()
    this.spill()
    this.storeCount()
    this.storeIp(at.RIP, () => code.get(this.target))
    code.i32(0).op(OP.return)
    code.end()
    // side: the interpreter goes on with an op.
    this.settleFlags()
    this.spill()
    this.storeCount()
    this.storeAt(STORE.i32, at.JIT_BLOCK, () => code.get(this.blockLocal))
    this.storeBlockIp()
    code.get(this.opLocal).op(OP.return)
    code.end()
    // last: the interpreter executes a block's last op.
    this.settleFlags()
    this.spill()
    this.storeCount()
    this.storeBlockIp()
    code.get(this.opLocal).get(this.blockLocal).i32(this.needs).call(EXECUTE_LAST).op(OP.i32Eqz)
    code.unlikely().if().i32(0).op(OP.return).end()
    this.reload()
    this.budget()
    this.loadAt(this.long ? LOAD.i64 : LOAD.i32, at.RIP)
    code.set(this.target)
    code.end()
    // leave: on to the block at `target`, in another region where the jump cache knows one.
    this.leave()
    code.end().op(OP.unreachable)
  }

  /** Finds the slot of the jump cache where `target` belongs: leaves it and the linear address, as i64, in locals. */
  private findSlot(): { slot: number; linear: number } {
    const { code, long } = this
    const slot = this.temp('slot', I32)
    const linear = this.temp('linear', I64)
    code.get(this.target)
    if (!long) {
      this.loadAt(LOAD.i32, at.CS + at.SEG_BASE)
      code.op(OP.i32Add, OP.i64ExtendU)
    }
    // The slot is chosen by bits 12:0 of linear ^ linear >> 13.
    code.tee(linear).get(linear).i64(13n).op(OP.i64ShrU, OP.i64Xor, OP.i32Wrap)
    code.i32(0x1fff).op(OP.i32And).i32(4).op(OP.i32Shl).set(slot)
    return { slot, linear }
  }

  /**
   * Pushes whether `target` is where `block`, of another page, was compiled from: the jump cache leads there, and nothing of
   * its page has been dropped since.
   */
  pushIsThere(block: Block, { map, version }: CodePage): void {
    const { code } = this
    const { slot, linear } = this.findSlot()
    code.get(slot).memory(LOAD.i64, at.JUMP_CACHE).get(linear).op(OP.i64Eq)
    code
      .get(slot)
      .memory(LOAD.i32, at.JUMP_CACHE + 12)
      .global(TLB_GENERATION)
      .op(OP.i32Eq, OP.i32And)
    code
      .get(slot)
      .memory(LOAD.i32, at.JUMP_CACHE + 8)
      .i32(block.address)
      .op(OP.i32Eq, OP.i32And)
    this.loadAt(LOAD.i32, map + at.CODE_MAP_VERSION)
    code.i32(version).op(OP.i32Eq, OP.i32And)
  }

  /** The present page is that of `target`, which is its byte `offset`. */
  turnPage(offset: number): void {
    this.code.get(this.target)
    this.wordConst(offset)
    this.code.op(this.long ? OP.i64Sub : OP.i32Sub).set(this.page)
  }

  private leave(): void {
    const { code, long } = this
    const next = this.temp('next', I32)
    const left = this.temp('newLeft', I32)
    const { slot, linear } = this.findSlot()
    code.block('unknown')
    code.get(slot).memory(LOAD.i64, at.JUMP_CACHE).get(linear).op(OP.i64Ne).unlikely().brIf('unknown')
    code
      .get(slot)
      .memory(LOAD.i32, at.JUMP_CACHE + 12)
      .global(TLB_GENERATION)
      .op(OP.i32Ne)
      .unlikely()
      .brIf('unknown')
    code
      .get(slot)
      .memory(LOAD.i32, at.JUMP_CACHE + 8)
      .tee(next)
      .memory(LOAD.u16, at.BLOCK_ENTRY + 2)
    code.i32(regionKey(this)).op(OP.i32Ne).unlikely().brIf('unknown')
    if (this.limited) {
      code.get(this.target).get(next).memory(LOAD.i32, at.BLOCK_BYTES).op(OP.i32Add).i32(1).op(OP.i32Sub)
      this.loadAt(LOAD.i32, at.CS + at.SEG_LIMIT)
      code.op(OP.i32GtU).unlikely().brIf('unknown')
    }
    // Whoever enters a block pays for it.
    code
      .get(LEFT)
      .get(next)
      .memory(LOAD.i32, at.BLOCK_COUNT)
      .op(OP.i32Sub)
      .tee(left)
      .i32(0)
      .op(OP.i32LtS)
      .unlikely()
      .brIf('unknown')
    const page = () => {
      code.get(this.target)
      if (!long) code.op(OP.i64ExtendU)
      code.get(next).memory(LOAD.i32, at.BLOCK_PHYS).i32(0xfff).op(OP.i32And, OP.i64ExtendU, OP.i64Sub)
    }
    // Within this region nothing is handed over.
    code.get(next).memory(LOAD.i32, at.BLOCK_JIT).i32(this.index).op(OP.i32Eq).if()
    page()
    if (!long) code.op(OP.i32Wrap)
    code.set(this.page)
    code.get(left).set(LEFT)
    code.get(next).memory(LOAD.u16, at.BLOCK_ENTRY).set(ENTRY)
    code.br('all').end()
    code.get(next).memory(LOAD.u16, at.BLOCK_ENTRY)
    page()
    code.get(left).get(END)
    code.get(next).memory(LOAD.i32, at.BLOCK_JIT)
    code.get(TLB)
    for (let n = 0; n < this.registers; n++) this.whole(n)
    code.returnCall(long ? ENTER_LONG_REGION : ENTER_REGION)
    code.end()
    this.spill()
    this.storeCount()
    this.storeIp(at.RIP, () => code.get(this.target))
    code.i32(0).op(OP.return)
  }
}

const partsOf = (place: Place) => (typeof place === 'number' ? { local: place, plus: 0 } : place)

/** Segments that are flat where DS, ES and SS are. */
function isFlatData(segment: number): boolean {
  return segment === at.FLAT || segment === at.FLAT_SS || segment === at.DS || segment === at.ES || segment === at.SS
}

/** In the upper half of BLOCK_ENTRY: what must hold for a block's region to be entered; never 0. */
export function regionKey({ mode, needs }: RegionMode): number {
  return 0x8000 | (mode << 8) | needs
}
