/**
 * ORC, the table by which x86-64's Linux unwinds itself.
 * Source: the kernel's Documentation/x86/orc-unwinder.rst, arch/x86/include/asm/orc_types.h.
 */
import { lastBefore, type UnwindRule, type UnwindTable } from './unwind.js'

const BYTES = 6
/** ORC_REG_ */
const REG = { undefined: 0, prevSp: 1, bp: 4, sp: 5, bpIndirect: 8, spIndirect: 9 }
/** ORC_TYPE_, before Linux 6.4 and from it on, where the table has a header. */
const OLD_TYPES = ['call', 'regs', 'partial', 'call'] as const
const TYPES = ['undefined', 'end', 'call', 'regs', 'partial', 'undefined', 'undefined', 'undefined'] as const
const OLD_END = 1 << 10
/** In struct pt_regs, and in what an interrupt pushes. */
const REGS = { bp: 32n, ip: 128n, sp: 152n }
const PUSHED = { ip: 0n, sp: 24n }

export interface OrcSections {
  readonly ips: Uint8Array
  /** Where they are linked to. */
  readonly address: bigint
  readonly entries: Uint8Array
  readonly hasHeader: boolean
}

export class OrcTable implements UnwindTable {
  readonly word = 8
  private sorted: readonly { start: bigint; at: number }[] | undefined

  constructor(private readonly sections: OrcSections) {}

  at(linked: bigint): UnwindRule | undefined {
    this.sorted ??= this.read()
    const found = lastBefore(this.sorted, linked)
    return found && this.ruleAt(found.at)
  }

  private read(): { start: bigint; at: number }[] {
    const { ips, address, entries } = this.sections
    const view = new DataView(ips.buffer, ips.byteOffset, ips.byteLength)
    const count = Math.min(Math.floor(ips.length / 4), Math.floor(entries.length / BYTES))
    const read = Array.from({ length: count }, (_, i) => ({
      start: BigInt.asUintN(64, address + BigInt(4 * i + view.getInt32(4 * i, true))),
      at: BYTES * i,
    }))
    return read.sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0))
  }

  private ruleAt(at: number): UnwindRule | undefined {
    const { entries, hasHeader } = this.sections
    const view = new DataView(entries.buffer, entries.byteOffset + at, BYTES)
    const [spOffset, bpOffset] = [BigInt(view.getInt16(0, true)), BigInt(view.getInt16(2, true))]
    const bits = view.getUint16(4, true)
    const [spReg, bpReg] = [bits & 15, (bits >> 4) & 15]
    const type = hasHeader ? TYPES[(bits >> 8) & 7] : OLD_TYPES[(bits >> 8) & 3]
    if (type === 'end' || (!hasHeader && bits & OLD_END)) return 'end'
    if (type === 'undefined' || spReg === REG.undefined) return undefined
    const base =
      spReg === REG.sp
        ? ({ base: 'sp', offset: spOffset } as const)
        : spReg === REG.bp
          ? ({ base: 'fp', offset: spOffset } as const)
          : spReg === REG.spIndirect
            ? ({ base: 'sp', offset: 0n, indirect: spOffset } as const)
            : spReg === REG.bpIndirect
              ? ({ base: 'fp', offset: spOffset, indirect: 0n } as const)
              : undefined
    if (!base) return undefined
    const fp =
      bpReg === REG.prevSp
        ? ({ base: 'cfa', offset: bpOffset } as const)
        : bpReg === REG.bp
          ? ({ base: 'fp', offset: bpOffset } as const)
          : undefined
    if (type === 'regs') return { ...base, pc: REGS.ip, sp: REGS.sp, fp: { base: 'cfa', offset: REGS.bp } }
    if (type === 'partial') return { ...base, pc: PUSHED.ip, sp: PUSHED.sp, ...(fp && { fp }) }
    return { ...base, pc: -8n, ...(fp && { fp }) }
  }
}
