/**
 * Call frame information, as compilers write it into `.debug_frame` and `.eh_frame`.
 * Specification: DWARF Debugging Information Format, version 5, 6.4 and 7.24; Linux Standard Base Core 5.0, 10.6 for
 * `.eh_frame`; System V ABI, i386 and AMD64 supplements, for the registers' numbers.
 */
import { Cursor, Malformed } from './dwarf-cursor.js'
import { lastBefore, type UnwindRule, type UnwindTable } from './unwind.js'

/** DW_CFA_: operations without an operand in their lowest six bits. */
const CFA = {
  ...{ nop: 0x00, setLoc: 0x01, advance1: 0x02, advance2: 0x03, advance4: 0x04, offsetExtended: 0x05 },
  ...{ restoreExtended: 0x06, undefined: 0x07, sameValue: 0x08, register: 0x09, remember: 0x0a, restoreState: 0x0b },
  ...{ defCfa: 0x0c, defCfaRegister: 0x0d, defCfaOffset: 0x0e, defCfaExpression: 0x0f, expression: 0x10 },
  ...{ offsetExtendedSf: 0x11, defCfaSf: 0x12, defCfaOffsetSf: 0x13, valOffset: 0x14, valOffsetSf: 0x15 },
  ...{ valExpression: 0x16, gnuArgsSize: 0x2e },
} as const
const CFA_ADVANCE = 1
const CFA_OFFSET = 2
const CFA_RESTORE = 3
/** DW_EH_PE_: how `.eh_frame` writes addresses. */
const EH = {
  absptr: 0x00,
  udata2: 0x02,
  udata4: 0x03,
  udata8: 0x04,
  sdata2: 0x0a,
  sdata4: 0x0b,
  sdata8: 0x0c,
  pcrel: 0x10,
}
const EH_OMIT = 0xff
const MOST_ENTRIES = 1_000_000
const MOST_STATES = 64

/** Numbers of the frame pointer and the stack pointer. */
const REGISTERS = { 4: { fp: 5, sp: 4 }, 8: { fp: 6, sp: 7 } } as const

export interface FrameSection {
  readonly bytes: Uint8Array
  /** Where it is linked to. */
  readonly address: bigint
  readonly eh: boolean
}

/** What several functions have in common. */
interface Common {
  readonly codeFactor: bigint
  readonly dataFactor: bigint
  /** Number of the column that has the return address. */
  readonly returns: number
  readonly encoding: number
  readonly hasLength: boolean
  readonly isSignal: boolean
  readonly from: number
  readonly end: number
}

interface Entry {
  readonly start: bigint
  readonly size: bigint
  readonly common: Common
  readonly from: number
  readonly end: number
}

/** Where a register of the caller is: in memory, at an offset from the CFA; nowhere; or where it cannot be said here. */
type Place = bigint | 'undefined' | 'unknown'

interface Row {
  /** undefined: an expression. */
  cfa: { register: number; offset: bigint } | undefined
  places: Map<number, Place>
}

export class CallFrames implements UnwindTable {
  private known: readonly Entry[] | undefined

  constructor(
    private readonly section: FrameSection,
    readonly word: 4 | 8,
  ) {}

  at(linked: bigint): UnwindRule | undefined {
    this.known ??= entriesOf(this.section, this.word)
    const entry = lastBefore(this.known, linked)
    if (!entry || linked - entry.start >= entry.size) return undefined
    try {
      return this.ruleOf(this.rowAt(entry, linked), entry.common)
    } catch (error) {
      if (error instanceof Malformed) return undefined
      throw error
    }
  }

  private ruleOf({ cfa, places }: Row, { returns, isSignal }: Common): UnwindRule | undefined {
    const { fp, sp } = REGISTERS[this.word]
    const pc = places.get(returns)
    if (pc === 'undefined') return 'end'
    const saved = places.get(fp)
    const isHere = cfa && (cfa.register === fp || cfa.register === sp)
    if (!isHere || typeof pc !== 'bigint' || saved === 'unknown') return undefined
    const stack = places.get(sp)
    return {
      base: cfa.register === fp ? 'fp' : 'sp',
      offset: cfa.offset,
      pc,
      ...(typeof saved === 'bigint' && { fp: { base: 'cfa', offset: saved } }),
      ...(isSignal && typeof stack === 'bigint' && { sp: stack }),
    }
  }

  private rowAt(entry: Entry, linked: bigint): Row {
    const { common } = entry
    const row: Row = { cfa: undefined, places: new Map() }
    this.execute(common.from, common.end, common, row, undefined, linked)
    const initial = new Map(row.places)
    this.execute(entry.from, entry.end, common, row, { ...entry, initial }, linked)
    return row
  }

  /** Operations from the beginning up to where `linked` is behind. @param of undefined: those that all have in common. */
  private execute(
    from: number,
    end: number,
    common: Common,
    row: Row,
    of: { start: bigint; initial: ReadonlyMap<number, Place> } | undefined,
    linked: bigint,
  ): void {
    const { bytes, address } = this.section
    const at = new Cursor(bytes, from, end)
    const kept: Row[] = []
    let here = of?.start ?? 0n
    const scaled = (factored: bigint) => factored * common.dataFactor
    const signed = () => BigInt(at.sleb())
    const put = (register: number, place: Place) => row.places.set(register, place)
    const restore = (register: number) => {
      const first = of?.initial.get(register)
      if (first === undefined) row.places.delete(register)
      else put(register, first)
    }
    const cfaOf = (register: number, offset: bigint) => {
      row.cfa = { register, offset }
    }
    const move = (factored: bigint) => {
      here += factored * common.codeFactor
    }
    while (at.at < end && (!of || here <= linked)) {
      const operation = at.u8()
      const low = operation & 0x3f
      switch (operation >> 6) {
        case CFA_ADVANCE:
          move(BigInt(low))
          if (here > linked) return
          continue
        case CFA_OFFSET:
          put(low, scaled(at.uleb()))
          continue
        case CFA_RESTORE:
          restore(low)
          continue
      }
      switch (operation) {
        case CFA.nop:
          break
        case CFA.setLoc:
          here = pointer(at, common.encoding, address, this.word)
          break
        case CFA.advance1:
          move(BigInt(at.u8()))
          break
        case CFA.advance2:
          move(BigInt(at.u16()))
          break
        case CFA.advance4:
          move(BigInt(at.u32()))
          break
        case CFA.offsetExtended:
          put(Number(at.uleb()), scaled(at.uleb()))
          break
        case CFA.offsetExtendedSf:
          put(Number(at.uleb()), scaled(signed()))
          break
        case CFA.restoreExtended:
          restore(Number(at.uleb()))
          break
        case CFA.undefined:
          put(Number(at.uleb()), 'undefined')
          break
        case CFA.sameValue:
          row.places.delete(Number(at.uleb()))
          break
        case CFA.register:
        case CFA.valOffset:
          put(Number(at.uleb()), 'unknown')
          at.uleb()
          break
        case CFA.valOffsetSf:
          put(Number(at.uleb()), 'unknown')
          at.sleb()
          break
        case CFA.expression:
        case CFA.valExpression:
          put(Number(at.uleb()), 'unknown')
          at.skip(Number(at.uleb()))
          break
        case CFA.remember:
          if (kept.length >= MOST_STATES) throw new Malformed()
          kept.push({ cfa: row.cfa, places: new Map(row.places) })
          break
        case CFA.restoreState: {
          const before = kept.pop()
          if (!before) throw new Malformed()
          row.cfa = before.cfa
          row.places = before.places
          break
        }
        case CFA.defCfa:
          cfaOf(Number(at.uleb()), at.uleb())
          break
        case CFA.defCfaSf:
          cfaOf(Number(at.uleb()), scaled(signed()))
          break
        case CFA.defCfaRegister:
          cfaOf(Number(at.uleb()), row.cfa?.offset ?? 0n)
          break
        case CFA.defCfaOffset:
          if (row.cfa) cfaOf(row.cfa.register, at.uleb())
          else at.uleb()
          break
        case CFA.defCfaOffsetSf:
          if (row.cfa) cfaOf(row.cfa.register, scaled(signed()))
          else at.sleb()
          break
        case CFA.defCfaExpression:
          row.cfa = undefined
          at.skip(Number(at.uleb()))
          break
        case CFA.gnuArgsSize:
          at.uleb()
          break
        default:
          throw new Malformed()
      }
    }
  }
}

/** All functions of a section, by address. What cannot be read ends it, or is left out. */
function entriesOf({ bytes, address, eh }: FrameSection, word: 4 | 8): Entry[] {
  const found: Entry[] = []
  const commons = new Map<number, Common | undefined>()
  const commonAt = (offset: number): Common | undefined => {
    if (!commons.has(offset)) {
      commons.set(offset, undefined)
      commons.set(offset, readCommon(bytes, offset, eh, word))
    }
    return commons.get(offset)
  }
  try {
    for (let at = 0; at + 4 <= bytes.length && found.length < MOST_ENTRIES; ) {
      const head = headAt(bytes, at)
      // `.eh_frame` ends so.
      if (head.end === head.from) break
      const cursor = new Cursor(bytes, head.from, head.end)
      const id = head.wide && !eh ? Number(BigInt.asIntN(64, cursor.u64())) : cursor.u32()
      const isCommon = eh ? id === 0 : id === (head.wide ? -1 : 0xffffffff)
      const common = isCommon ? undefined : commonAt(eh ? head.from - id : id)
      if (common) {
        const start = pointer(cursor, common.encoding, address, word)
        const size = pointer(cursor, common.encoding & 0x0f, address, word)
        if (common.hasLength) cursor.skip(Number(cursor.uleb()))
        // A linker leaves what it has thrown away at 0.
        if (start > 0n && size > 0n) found.push({ start, size, common, from: cursor.at, end: head.end })
      }
      at = head.end
    }
  } catch (error) {
    if (!(error instanceof Malformed)) throw error
  }
  return found.sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0))
}

function headAt(bytes: Uint8Array, at: number): { from: number; end: number; wide: boolean } {
  const cursor = new Cursor(bytes, at, bytes.length)
  const short = cursor.u32()
  const wide = short === 0xffffffff
  const length = wide ? Number(cursor.u64()) : short
  if (length > bytes.length - cursor.at) throw new Malformed()
  return { from: cursor.at, end: cursor.at + length, wide }
}

/** undefined: it is none, or has what is not known here. */
function readCommon(bytes: Uint8Array, at: number, eh: boolean, word: 4 | 8): Common | undefined {
  if (at < 0 || at + 4 > bytes.length) return undefined
  const { from, end, wide } = headAt(bytes, at)
  const cursor = new Cursor(bytes, from, end)
  cursor.skip(wide && !eh ? 8 : 4)
  const version = cursor.u8()
  const augmentation = cursor.text()
  if (version >= 4 && (cursor.u8() !== word || cursor.u8() !== 0)) return undefined
  const codeFactor = cursor.uleb()
  const dataFactor = BigInt(cursor.sleb())
  const returns = version === 1 ? cursor.u8() : Number(cursor.uleb())
  const common = { codeFactor, dataFactor, returns, hasLength: augmentation.startsWith('z') }
  let encoding = EH.absptr
  let isSignal = false
  let begin = cursor.at
  if (common.hasLength) {
    const length = Number(cursor.uleb())
    begin = cursor.at + length
    for (const letter of augmentation.slice(1)) {
      if (letter === 'R') encoding = cursor.u8()
      else if (letter === 'L') cursor.skip(1)
      else if (letter === 'S') isSignal = true
      else if (letter === 'P') pointer(cursor, cursor.u8(), 0n, word)
      else return undefined
    }
  } else if (augmentation !== '') return undefined
  return { ...common, encoding, isSignal, from: begin, end }
}

/** @param section Where the cursor's bytes are linked to. */
function pointer(at: Cursor, encoding: number, section: bigint, word: 4 | 8): bigint {
  if (encoding === EH_OMIT) return 0n
  const here = section + BigInt(at.at)
  const value = plain(at, encoding & 0x0f, word)
  const how = encoding & 0xf0
  if (how !== EH.absptr && how !== EH.pcrel) throw new Malformed()
  return BigInt.asUintN(word * 8, how === EH.pcrel ? value + here : value)
}

function plain(at: Cursor, form: number, word: 4 | 8): bigint {
  switch (form) {
    case EH.absptr:
      return word === 8 ? at.u64() : BigInt(at.u32())
    case EH.udata2:
      return BigInt(at.u16())
    case EH.udata4:
      return BigInt(at.u32())
    case EH.udata8:
      return at.u64()
    case EH.sdata2:
      return BigInt.asIntN(16, BigInt(at.u16()))
    case EH.sdata4:
      return BigInt.asIntN(32, BigInt(at.u32()))
    case EH.sdata8:
      return BigInt.asIntN(64, at.u64())
    default:
      throw new Malformed()
  }
}
