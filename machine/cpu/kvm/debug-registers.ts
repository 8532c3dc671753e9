/**
 * A debugger's places as KVM can stop at them: the processor's four debug registers, and INT3 for instructions beyond
 * those.
 * Specification: Intel SDM vol. 3, 17.2 (debug registers), table 17-1 (lengths).
 */
import { type Breakpoint, isEvent } from '../engine.js'

export const DEBUG_REGISTERS = 4

/** What one register looks at. */
export interface Watched {
  point: Breakpoint
  address: bigint
  length: 1 | 2 | 4 | 8
}

export interface Plan {
  /** DR0 to DR3, from the first on. */
  registers: readonly Watched[]
  /** Instructions for which none is left. */
  patched: readonly Breakpoint[]
}

const TYPE: { readonly [kind: string]: number } = { execute: 0, write: 1, access: 3 }
const LENGTH = { 1: 0, 2: 1, 8: 2, 4: 3 } as const
/** Bit 10 is always 1; GE makes old processors report data exactly. */
const DR7_FIXED = 0x400
const DR7_GE = 0x200

/** Naturally aligned pieces, as a register takes no others. */
function pieces(point: Breakpoint): Watched[] {
  const found: Watched[] = []
  const end = point.address + BigInt(point.length)
  for (let address = point.address; address < end; ) {
    const length = ([8, 4, 2] as const).find((one) => address % BigInt(one) === 0n && address + BigInt(one) <= end) ?? 1
    found.push({ point, address, length })
    address += BigInt(length)
  }
  return found
}

const isData = (point: Breakpoint): boolean => point.kind !== 'execute' && !isEvent(point)

/** Why KVM cannot stop at all of these; undefined where it can. */
export function refusal(points: readonly Breakpoint[]): string | undefined {
  const silent = points.find(({ kind }) => kind === 'interrupt' || kind === 'rdmsr' || kind === 'wrmsr')
  if (silent)
    return `KVM does ${silent.kind === 'interrupt' ? 'interrupts and exceptions' : 'MSRs'} without telling; take the soft engine to stop at them`
  if (points.some(({ kind }) => kind === 'read'))
    return 'the processor has no watchpoint for reads alone; watch for any access, or take the soft engine'
  const needed = points.filter(isData).flatMap(pieces).length
  if (needed > DEBUG_REGISTERS)
    return `the processor has ${DEBUG_REGISTERS} debug registers, and watchpoints on these bytes would need ${needed}; take the soft engine, or watch fewer`
  return undefined
}

/**
 * Data first, which nothing else finds; then instructions where no INT3 can be put (ROM, pages that are not there yet),
 * then the others.
 */
export function planned(points: readonly Breakpoint[], canPatch: (address: bigint) => boolean): Plan {
  const data = points.filter(isData).flatMap(pieces).slice(0, DEBUG_REGISTERS)
  const instructions = points.filter(({ kind }) => kind === 'execute')
  const left = DEBUG_REGISTERS - data.length
  const ordered =
    instructions.length <= left
      ? instructions
      : [
          ...instructions.filter(({ address }) => !canPatch(address)),
          ...instructions.filter(({ address }) => canPatch(address)),
        ]
  const inRegisters = ordered.slice(0, left).map((point): Watched => ({ point, address: point.address, length: 1 }))
  return { registers: [...data, ...inRegisters], patched: ordered.slice(left) }
}

/** DR7 with all of them on. */
export function control(registers: readonly Watched[]): number {
  const bits = registers.map(
    ({ point, length }, i) => (2 << (i * 2)) | (((LENGTH[length] << 2) | TYPE[point.kind]) << (16 + i * 4)),
  )
  return bits.reduce((all, one) => all | one, DR7_FIXED | DR7_GE) >>> 0
}
