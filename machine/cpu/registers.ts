/** CPUs' registers as text, for failure reports. */
import type { CpuState, Engine } from './engine.js'

const GPR_NAMES = ['ax', 'cx', 'dx', 'bx', 'sp', 'bp', 'si', 'di']
const SEGMENT_NAMES = ['ES', 'CS', 'SS', 'DS', 'FS', 'GS']
const EFER_LMA = 0x400n

const hex = (value: bigint | number, digits: number): string => value.toString(16).padStart(digits, '0')

/** Sixteen registers with 16 digits in long mode, eight with 8 digits outside it. */
export function formatRegisters(state: CpuState): string {
  const long = (state.efer & EFER_LMA) !== 0n
  const digits = long ? 16 : 8
  const name = (i: number): string => (i < 8 ? `${long ? 'R' : 'E'}${GPR_NAMES[i].toUpperCase()}` : `R${i}`).padEnd(3)
  const lines: string[] = []
  const registers = state.gpr.slice(0, long ? 16 : 8).map((value, i) => `${name(i)}=${hex(value, digits)}`)
  for (let i = 0; i < registers.length; i += 4) lines.push(registers.slice(i, i + 4).join(' '))
  lines.push(
    `${long ? 'RIP' : 'EIP'}=${hex(state.rip, digits)} ${long ? 'RFLAGS' : 'EFLAGS'}=${hex(state.rflags, 8)}${state.halted ? ' halted' : ''}`,
  )
  const segments = [...state.segments, state.ldtr, state.tr]
  segments.forEach((s, i) => {
    const label = [...SEGMENT_NAMES, 'LDT', 'TR'][i].padEnd(3)
    lines.push(
      `${label}=${hex(s.selector, 4)} base=${hex(s.base, digits)} limit=${hex(s.limit, 8)} access=${hex(s.access, 5)}`,
    )
  })
  lines.push(
    `GDT=${hex(state.gdtr.base, digits)}:${hex(state.gdtr.limit, 4)} IDT=${hex(state.idtr.base, digits)}:${hex(state.idtr.limit, 4)}`,
  )
  lines.push(
    `CR0=${hex(state.cr0, 8)} CR2=${hex(state.cr2, digits)} CR3=${hex(state.cr3, digits)} CR4=${hex(state.cr4, 8)} EFER=${hex(state.efer, 4)}`,
  )
  return lines.join('\n')
}

/** Of all CPUs in order. */
export function cpuStates(engine: Engine): CpuState[] {
  return Array.from({ length: engine.cpus }, (_, i) => engine.getState(i))
}

/** Those of all CPUs. */
export function formatAllRegisters(engine: Engine): string {
  const [first, ...others] = cpuStates(engine).map(formatRegisters)
  return others.length === 0 ? first : [first, ...others].map((text, i) => `CPU ${i}:\n${text}`).join('\n')
}
