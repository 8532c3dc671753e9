/** A CPU's registers as QEMU shows them (`-d cpu`, `info registers`): the lines that people and scripts know. */
import type { CpuState, SegmentState } from './engine.js'

const EFER_LMA = 0x400n
const CR0_PE = 1n
const ACCESS_PRESENT = 0x80
const ACCESS_CODE_OR_DATA = 0x10
const ACCESS_LONG = 0x2000
const ACCESS_BIG = 0x4000
const ACCESS_PAGES = 0x8000

const hex = (value: bigint | number, digits: number): string =>
  BigInt.asUintN(digits * 4, BigInt(value))
    .toString(16)
    .padStart(digits, '0')

/** Order of QEMU's first lines: by the numbers of the registers in `gpr`. */
const ORDER = [0, 3, 1, 2, 6, 7, 5, 4]
const NAMES = ['AX', 'CX', 'DX', 'BX', 'SP', 'BP', 'SI', 'DI']
const SEGMENTS = ['ES', 'CS', 'SS', 'DS', 'FS', 'GS']
const FLAGS: readonly [letter: string, bit: bigint][] = [
  ['D', 0x400n],
  ['O', 0x800n],
  ['S', 0x80n],
  ['Z', 0x40n],
  ['A', 0x10n],
  ['P', 4n],
  ['C', 1n],
]
/** Of system segments outside long mode and in it. */
const SYSTEM = [
  ...['Reserved', 'TSS16-avl', 'LDT', 'TSS16-busy', 'CallGate16', 'TaskGate', 'IntGate16', 'TrapGate16'],
  ...['Reserved', 'TSS32-avl', 'Reserved', 'TSS32-busy', 'CallGate32', 'Reserved', 'IntGate32', 'TrapGate32'],
]
const SYSTEM_LONG: { readonly [type: number]: string } = {
  ...{ 2: 'LDT', 9: 'TSS64-avl', 11: 'TSS64-busy', 12: 'CallGate64', 14: 'IntGate64', 15: 'TrapGate64' },
}

export function cplOf({ cr0, rflags, segments }: CpuState): number {
  if (!(cr0 & CR0_PE)) return 0
  return rflags & 0x20000n ? 3 : (segments[2].access >> 5) & 3
}

/** Lines with their ends. */
export function cpuDump(state: CpuState): string {
  const { gpr, rflags, segments, efer, cr0 } = state
  const long = (efer & EFER_LMA) !== 0n
  const wide = long && (segments[1].access & ACCESS_LONG) !== 0
  const digits = wide ? 16 : 8
  const named = (i: number) => (i < 8 ? `${wide ? 'R' : 'E'}${NAMES[i]}` : `R${i}`).padEnd(3)
  const registers = [...ORDER, ...(wide ? [8, 9, 10, 11, 12, 13, 14, 15] : [])]
  const lines: string[] = []
  for (let i = 0; i < registers.length; i += 4)
    lines.push(
      registers
        .slice(i, i + 4)
        .map((n) => `${named(n)}=${hex(gpr[n], digits)}`)
        .join(' '),
    )
  const flags = FLAGS.map(([letter, bit]) => (rflags & bit ? letter : '-')).join('')
  const ip = `${wide ? 'RIP' : 'EIP'}=${hex(state.rip, digits)} ${wide ? 'RFL' : 'EFL'}=${hex(rflags, 8)} [${flags}]`
  const bits = [state.interruptShadow !== 'none', true, state.inSmm, state.halted].map(Number)
  lines.push(`${ip} CPL=${cplOf(state)} II=${bits[0]} A20=${bits[1]} SMM=${bits[2]} HLT=${bits[3]}`)
  const shows = (cr0 & CR0_PE) !== 0n
  for (const [i, segment] of segments.entries()) lines.push(segmentLine(SEGMENTS[i], segment, digits, shows, long))
  lines.push(segmentLine('LDT', state.ldtr, digits, shows, long), segmentLine('TR', state.tr, digits, shows, long))
  const table = (name: string, { base, limit }: CpuState['gdtr']) =>
    `${name}=     ${hex(base, long ? 16 : 8)} ${hex(limit, 8)}`
  lines.push(table('GDT', state.gdtr), table('IDT', state.idtr))
  const wideControl = long ? 16 : 8
  lines.push(
    `CR0=${hex(cr0, 8)} CR2=${hex(state.cr2, wideControl)} CR3=${hex(state.cr3, wideControl)} CR4=${hex(state.cr4, 8)}`,
    state.dr
      .slice(0, 4)
      .map((value, i) => `DR${i}=${hex(value, wideControl)}`)
      .join(' '),
    `DR6=${hex(state.dr[4], wideControl)} DR7=${hex(state.dr[5], wideControl)}`,
    `EFER=${hex(efer, 16)}`,
  )
  return `${lines.join('\n')}\n`
}

/** x87 and SSE registers, which QEMU shows behind the others where somebody asks for them. */
export function fpuDump({ fxsave, segments, efer }: CpuState): string {
  const view = new DataView(fxsave.buffer, fxsave.byteOffset, fxsave.byteLength)
  const [control, status] = [view.getUint16(0, true), view.getUint16(2, true)]
  const mxcsr = hex(view.getUint32(24, true), 8)
  const lines = [
    `FCW=${hex(control, 4)} FSW=${hex(status, 4)} [ST=${(status >> 11) & 7}] FTW=${hex(fxsave[4], 2)} MXCSR=${mxcsr}`,
  ]
  const pair = (text: (i: number) => string, count: number) => {
    for (let i = 0; i < count; i += 2) lines.push(`${text(i)} ${text(i + 1)}`)
  }
  const top = (status >> 11) & 7
  pair((i) => {
    // The image has them by the stack, ST(0) first, and QEMU shows them by number.
    const at = 32 + ((i - top) & 7) * 16
    return `FPR${i}=${hex(view.getBigUint64(at, true), 16)} ${hex(view.getUint16(at + 8, true), 4)}`
  }, 8)
  const wide = (efer & EFER_LMA) !== 0n && (segments[1].access & ACCESS_LONG) !== 0
  pair(
    (i) => {
      const at = 160 + i * 16
      const [low, high] = [view.getBigUint64(at, true), view.getBigUint64(at + 8, true)]
      return `XMM${String(i).padStart(2, '0')}=${hex(high, 16)} ${hex(low, 16)}`
    },
    wide ? 16 : 8,
  )
  return `${lines.join('\n')}\n`
}

function segmentLine(name: string, segment: SegmentState, digits: number, shows: boolean, long: boolean): string {
  const { selector, base, limit, access } = segment
  // Bits 23:8 of the descriptor's upper half, with the limit's in their place.
  const kept = limit >>> (access & ACCESS_PAGES ? 12 : 0)
  const flags = ((access & 0xf0ff) << 8) | (kept & 0xf0000)
  const plain = `${name.padEnd(3)}=${hex(selector, 4)} ${hex(base, digits)} ${hex(limit, 8)} ${hex(flags, 8)}`
  if (!shows || !(access & ACCESS_PRESENT)) return plain
  const dpl = `DPL=${(access >> 5) & 3}`
  if (!(access & ACCESS_CODE_OR_DATA)) {
    const type = access & 15
    return `${plain} ${dpl} ${long ? (SYSTEM_LONG[type] ?? 'Reserved') : SYSTEM[type]}`
  }
  const bit = (mask: number, letter: string) => (access & mask ? letter : '-')
  if (access & 8) {
    const kind = access & ACCESS_LONG ? 'CS64' : access & ACCESS_BIG ? 'CS32' : 'CS16'
    return `${plain} ${dpl} ${kind} [${bit(4, 'C')}${bit(2, 'R')}${bit(1, 'A')}]`
  }
  return `${plain} ${dpl} ${access & ACCESS_BIG ? 'DS  ' : 'DS16'} [${bit(4, 'E')}${bit(2, 'W')}${bit(1, 'A')}]`
}
