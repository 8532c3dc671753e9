/**
 * A decoded instruction: 32 bytes, made once by decode.ts and executed by a case of the generated dispatch switch.
 * Registers are held as addresses in linear memory, so that an operand is one load away whatever its kind.
 */
import { CS, FLAT, FLAT_SS, FS, FS64, GPR, GS, GS64, SS } from '../state'

export const OP_SIZE: usize = 32
export const OP_HANDLER: usize = 0 // u16: case of the dispatch switch
export const OP_LENGTH: usize = 2 // u8: bytes of the instruction
export const OP_FLAGS: usize = 3 // u8: OPF_* and the operand size (bits 1:0: 0 byte, 1 word, 2 dword, 3 qword)
export const OP_IP: usize = 4 // u16: offset of the instruction from the block's first byte
export const OP_NEXT: usize = 6 // u16: offset of the following instruction
export const OP_REG: usize = 8 // u16: address of the ModRM.reg operand's register (or the plain number for segment, CR and DR)
export const OP_RM: usize = 10 // u16: address of the register operand in ModRM.rm or in the opcode; for x87 the plain number 0 to 7
export const OP_BASE: usize = 12 // u16: address of the base register, or REG_ZERO
export const OP_INDEX: usize = 14 // u16
export const OP_SCALE: usize = 16 // u8: 0 to 3
export const OP_ADDRESS_SHIFT: usize = 17 // u8: 48, 32 or 0: 64 - address size
export const OP_SEG: usize = 18 // u16: address of the segment record of the memory operand
export const OP_DISP: usize = 20 // i32
export const OP_IMM: usize = 24 // i64: immediate, sign- or zero-extended; for relative branches the target's offset from the block's first byte
/** u16: address of the register in VEX.vvvv, above an immediate byte; such instructions have no longer immediate. */
export const OP_VVVV: usize = 30
/** Direct branches have no memory operand: their links stand in its place. u32 addresses of blocks, 0 unlinked. */
export const OP_LINK_TAKEN: usize = 12
export const OP_LINK_NEXT: usize = 20

export const OPF_SIZE: u8 = 3
export const OPF_REP: u8 = 4 // F3
export const OPF_REPNE: u8 = 8 // F2
export const OPF_LOCK: u8 = 16
export const OPF_MEM: u8 = 32 // ModRM has a memory operand
export const OPF_WIDE: u8 = 64 // VEX.L: 256 bits

/** Register number of OP_REG or OP_RM when it is a general register of 16 bits or more. */
@inline export function gprNumber(address: usize): u32 {
  return <u32>((address - GPR) >> 3)
}

/** Offset of the memory operand in its segment, cut to the address size. */
@inline export function ea(op: usize): u64 {
  const a =
    load<u64>(load<u16>(op, OP_BASE)) +
    (load<u64>(load<u16>(op, OP_INDEX)) << (<u64>load<u8>(op, OP_SCALE))) +
    <u64>(<i64>load<i32>(op, OP_DISP))
  return a & (u64.MAX_VALUE >> (<u64>load<u8>(op, OP_ADDRESS_SHIFT)))
}

@inline export function opSeg(op: usize): usize {
  return <usize>load<u16>(op, OP_SEG)
}

/** True where faults of accesses through this segment record are #SS. */
@inline export function isStackSegment(seg: usize): bool {
  return seg == SS || seg == FLAT_SS
}

/** The architectural segment record behind a pseudo-segment of 64-bit mode. */
export function architecturalSegment(seg: usize): usize {
  if (seg == FLAT_SS) return SS
  if (seg == FS64) return FS
  if (seg == GS64) return GS
  return seg == FLAT ? CS : seg
}
