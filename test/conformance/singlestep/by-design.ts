/** Where today's CPUs do otherwise than those that the tests were recorded on: such tests are left out, with the reason. */
import type { MooTest, Registers } from './moo.js'

export const STRING_OPCODES = /^(6[C-F]|A[4-7A-F])$/
/** The 80286 has no longer instructions. */
const LONGEST_286 = 10
const SEGMENT_MOVES = /^8[CE]$/
const PREFIXES = [0x26, 0x2e, 0x36, 0x3e, 0xf2, 0xf3]

/** Why a test of an 80286 says nothing of its successors, or undefined. */
export function differs286(test: MooTest, opcode: string): string | undefined {
  if (test.bytes.length - 1 > LONGEST_286) return 'longer than 10 bytes'
  // The 80286 locks the bus for any instruction; later CPUs raise #UD where LOCK makes no sense.
  if (prefixes(test.bytes).includes(0xf0)) return 'LOCK'
  const vector = test.exception?.vector
  if (vector === 6 && SEGMENT_MOVES.test(opcode)) return 'FS and GS'
  if (vector === 13 && STRING_OPCODES.test(opcode))
    return 'string instructions that fault after they moved their registers'
  if (vector === 13 && stackFault(test)) return '#GP for what is #SS now'
  return undefined
}

/** The exception is for an operand in SS: one of the stack, or one with BP as its base. */
function stackFault(test: MooTest): boolean {
  const { sp, bp } = test.initial.registers as Required<Registers>
  return sp === 0xffff || sp < 8 || /[ ,]\[bp/.test(test.name) || (bp === 0xffff && /leave/.test(test.name))
}

/** The same of an 8086. @param status The row's of metadata.json. */
export function differs8086(
  test: MooTest,
  opcode: string,
  reg: string | undefined,
  status: string,
): string | undefined {
  if (status === 'fpu') return 'ESC without an 8087'
  if (status !== 'normal') return `${status} there, another instruction or #UD now`
  const { ss, sp, cx } = test.initial.registers as Required<Registers>
  const before = prefixes(test.bytes)
  const modrm = test.bytes[before.length + 1]
  const divides = opcode === 'D4' || (/^F[67]$/.test(opcode) && (reg === '6' || reg === '7'))
  if (opcode === '54' || (opcode === 'FF' && reg === '6' && modrm === 0xf4)) return 'PUSH SP of the SP that is new'
  if (/^D[23]$/.test(opcode) && (cx & 0xff) > 31) return 'shift counts above 31'
  if (SEGMENT_MOVES.test(opcode) && modrm & 0x20) return 'four segment registers alone'
  if (opcode === '8E' && (modrm & 0x38) === 0x08) return 'MOV CS'
  if (divides && pushesAddress(test, ss, sp)) return 'divide errors, which return behind the instruction'
  if (/^F[67]$/.test(opcode) && before.some((byte) => byte >= 0xf2))
    return 'REP turns the sign of a product or quotient'
  if (wraps(test)) return 'words at FFFF and instructions that wrap around their segment'
  return undefined
}

/** ModRM.reg, which is part of the opcode in some. */
export function regOf(bytes: Uint8Array): string {
  return String((bytes[prefixes(bytes).length + 1] >> 3) & 7)
}

function prefixes(bytes: Uint8Array): number[] {
  const end = bytes.findIndex((byte) => byte !== 0xf0 && !PREFIXES.includes(byte))
  return [...bytes.subarray(0, end < 0 ? bytes.length : end)]
}

/** IP was pushed behind CS and the flags. */
function pushesAddress(test: MooTest, ss: number, sp: number): boolean {
  const at = ((ss << 4) + ((sp - 6) & 0xffff)) & 0xfffff
  return test.final.memory.some(([address]) => address === at) || test.final.registers.sp === ((sp - 6) & 0xffff)
}

/** It has to do with the last and the first byte of one segment. */
function wraps(test: MooTest): boolean {
  const bytes = new Set([...test.initial.memory, ...test.final.memory].map(([address]) => address))
  const { cs, ds, es, ss } = test.initial.registers as Required<Registers>
  return [cs, ds, es, ss].some((segment) => {
    const first = segment << 4
    return bytes.has(first & 0xfffff) && bytes.has((first + 0xffff) & 0xfffff)
  })
}
