/** What of a CPU's registers two runs do not agree on. What only tells the time is left out. */
import type { CpuState, SegmentState, TableState } from '../../../machine/cpu/engine.js'

export interface RegisterDifference {
  /** In small letters, as gdb has it. */
  name: string
  /** Hexadecimal. */
  values: [string, string]
}

const GPR_NAMES = ['ax', 'cx', 'dx', 'bx', 'sp', 'bp', 'si', 'di']
const SEGMENT_NAMES = ['es', 'cs', 'ss', 'ds', 'fs', 'gs']
const EFER_LMA = 1n << 10n
/** FXSAVE's image: Intel SDM vol. 1, table 10-2. */
const X87 = 160
const XMM_BYTES = 16

export function registerDifferences(a: CpuState, b: CpuState): RegisterDifference[] {
  const found: RegisterDifference[] = []
  const long = ((a.efer | b.efer) & EFER_LMA) !== 0n
  const note = (name: string, one: bigint | number | string, other: bigint | number | string) => {
    if (one !== other) found.push({ name, values: [text(one), text(other)] })
  }
  note(long ? 'rip' : 'eip', a.rip, b.rip)
  a.gpr.forEach((value, i) => {
    note(i < 8 ? `${long ? 'r' : 'e'}${GPR_NAMES[i]}` : `r${i}`, value, b.gpr[i])
  })
  note(long ? 'rflags' : 'eflags', a.rflags, b.rflags)
  a.segments.forEach((one, i) => {
    note(SEGMENT_NAMES[i], segment(one), segment(b.segments[i]))
  })
  note('ldtr', segment(a.ldtr), segment(b.ldtr))
  note('tr', segment(a.tr), segment(b.tr))
  note('gdtr', table(a.gdtr), table(b.gdtr))
  note('idtr', table(a.idtr), table(b.idtr))
  for (const name of ['cr0', 'cr2', 'cr3', 'cr4', 'cr8', 'efer', 'xcr0'] as const) note(name, a[name], b[name])
  a.dr.forEach((value, i) => {
    note(`dr${i < 4 ? i : i + 2}`, value, b.dr[i])
  })
  for (const index of new Set([...Object.keys(a.msrs), ...Object.keys(b.msrs)]))
    note(`msr 0x${Number(index).toString(16)}`, a.msrs[Number(index)] ?? 0n, b.msrs[Number(index)] ?? 0n)
  note('halted', Number(a.halted), Number(b.halted))
  note('smm', Number(a.inSmm), Number(b.inSmm))
  if (Buffer.compare(a.fxsave, b.fxsave) === 0 && Buffer.compare(a.ymmHigh, b.ymmHigh) === 0) return found
  note('x87', bytes(a.fxsave, 0, X87), bytes(b.fxsave, 0, X87))
  for (let i = 0; i < 16; i++) {
    const at = X87 + i * XMM_BYTES
    note(`xmm${i}`, bytes(a.fxsave, at, XMM_BYTES), bytes(b.fxsave, at, XMM_BYTES))
    note(`ymm${i}`, bytes(a.ymmHigh, i * XMM_BYTES, XMM_BYTES), bytes(b.ymmHigh, i * XMM_BYTES, XMM_BYTES))
  }
  return found
}

const text = (value: bigint | number | string) => (typeof value === 'string' ? value : value.toString(16))

const segment = ({ selector, base, limit, access }: SegmentState) =>
  `${text(selector)} base ${text(base)} limit ${text(limit)} access ${text(access)}`

const table = ({ base, limit }: TableState) => `${text(base)}:${text(limit)}`

const bytes = (data: Uint8Array, at: number, length: number) =>
  Buffer.from(data.buffer, data.byteOffset + at, length).toString('hex')
