/**
 * How far a Linux kernel that randomised its place (KASLR) is from where it was linked: what its CPU's registers point to
 * is compared with what the symbols call so.
 * Source: Linux, arch/x86/entry/entry_64.S and kernel/idt.c: LSTAR holds entry_SYSCALL_64, and the IDT asm_exc_*.
 */
import type { CpuState } from '../cpu/engine.js'
import type { ReadLinear } from './backtrace.js'

const IA32_LSTAR = 0xc0000082
const EFER_LMA = 1n << 10n
/** CONFIG_PHYSICAL_ALIGN is 2 MiB at least; the kernel moves by its multiples. */
const ALIGNMENT = 0x20_0000n
/** The names of a gate's function, new and old ones. */
const GATES: readonly { vector: number; names: readonly string[] }[] = [
  { vector: 14, names: ['asm_exc_page_fault', 'async_page_fault', 'page_fault'] },
  { vector: 0, names: ['asm_exc_divide_error', 'divide_error'] },
  { vector: 6, names: ['asm_exc_invalid_op', 'invalid_op'] },
]

/**
 * @param linked Where a name of the file was linked to.
 * @returns What is to be added to its addresses; undefined where nothing tells.
 */
export function linuxOffset(
  state: CpuState,
  read: ReadLinear,
  linked: (name: string) => bigint | undefined,
): bigint | undefined {
  const entry = linked('entry_SYSCALL_64')
  const target = state.msrs[IA32_LSTAR]
  if (entry !== undefined && target) {
    const offset = aligned(target - entry)
    if (offset !== undefined) return offset
  }
  for (const { vector, names } of GATES) {
    const name = names.find((one) => linked(one) !== undefined)
    const gate = name === undefined ? undefined : gateTarget(state, read, vector)
    if (name === undefined || gate === undefined) continue
    const offset = aligned(gate - (linked(name) as bigint))
    if (offset !== undefined) return offset
  }
  return undefined
}

function aligned(offset: bigint): bigint | undefined {
  return offset % ALIGNMENT === 0n ? offset : undefined
}

function gateTarget({ efer, idtr }: CpuState, read: ReadLinear, vector: number): bigint | undefined {
  const size = efer & EFER_LMA ? 16 : 8
  const bytes = (vector + 1) * size - 1 <= idtr.limit ? read(idtr.base + BigInt(vector * size), size) : []
  if (bytes.length < size) return undefined
  const view = new DataView((bytes as Uint8Array).buffer, (bytes as Uint8Array).byteOffset)
  const low = BigInt(view.getUint16(0, true) | (view.getUint16(6, true) << 16)) & 0xffffffffn
  return size === 16 ? low | (BigInt(view.getUint32(8, true)) << 32n) : low
}
