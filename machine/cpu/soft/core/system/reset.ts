/** The CPU after RESET# and INIT# (Intel SDM vol. 3, table 10-1). */
import { cpuSignature } from './cpuid'
import { RANDOM_STATE } from './features'
import { setFlags } from '../integer/flags'
import { flushTlb } from '../memory/tlb'
import { resetMsrs, writeTsc } from './msr'
import { segmentAddress, setFlat64, setSegmentBounds, updateMode } from './segment'
import {
  A20_MASK, ATTENTION, ATTN_DEBUG, ATTN_NMI, ATTN_SMI, ATTN_STEP, CPL, CR0, CR0_CD, CR0_ET, CR0_NW, CR2, CR3, CR4,
  CR8, CS, DELIVERING, DR, EFER, EXIT_REASON, FLAT, FLAT_SS, FPR, FPU_CONTROL, FPU_CS, FPU_DP, FPU_DS, FPU_IP,
  FPU_OPCODE, FPU_STATUS, FPU_TAGS, FPU_TOP, GDTR_BASE, GDTR_LIMIT, GPR, HALTED, IDTR_BASE, IDTR_LIMIT, IN_SMM, LDTR,
  MXCSR, NMI_MASKED, NO_VECTOR, PENDING_VECTOR, RDX, REG_ZERO, RIP, SEG_ACCESS, SEG_BASE, SEG_LIMIT, SEG_SELECTOR,
  SHADOW, SMBASE, TR, XCR0, XMM, XMM_SIZE,
} from '../state'

/** RDRAND and RDSEED give the same numbers in every run. */
const RANDOM_SEED: u64 = 0x9e3779b97f4a7c15

function setRecord(seg: usize, selector: u32, base: u64, access: u32): void {
  store<u16>(seg, <u16>selector, SEG_SELECTOR)
  store<u64>(seg, base, SEG_BASE)
  store<u32>(seg, 0xffff, SEG_LIMIT)
  store<u32>(seg, access, SEG_ACCESS)
  setSegmentBounds(seg)
}

/** `init`: x87, SSE, MSRs, SMBASE, TSC and the cache bits of CR0 stay. */
export function resetCpu(init: bool): void {
  memory.fill(GPR, 0, 16 * 8)
  store<u64>(REG_ZERO, 0)
  store<u64>(RDX, cpuSignature())
  setFlags(2)
  store<u64>(RIP, 0xfff0)
  const cache = init ? load<u32>(CR0) & (CR0_CD | CR0_NW) : CR0_CD | CR0_NW
  store<u64>(CR0, CR0_ET | cache)
  store<u64>(CR2, 0)
  store<u64>(CR3, 0)
  store<u64>(CR4, 0)
  store<u64>(CR8, 0)
  store<u64>(EFER, 0)
  for (let i: usize = 0; i < 4; i++) store<u64>(DR + i * 8, 0)
  store<u64>(DR + 48, 0xffff0ff0)
  store<u64>(DR + 56, 0x400)
  store<u64>(GDTR_BASE, 0)
  store<u32>(GDTR_LIMIT, 0xffff)
  store<u64>(IDTR_BASE, 0)
  store<u32>(IDTR_LIMIT, 0xffff)
  for (let i: u32 = 0; i < 6; i++) setRecord(segmentAddress(i), 0, 0, 0x93)
  setRecord(CS, 0xf000, 0xffff0000, 0x93)
  setRecord(LDTR, 0, 0, 0x82)
  setRecord(TR, 0, 0, 0x8b)
  setFlat64(FLAT, 0)
  setFlat64(FLAT_SS, 0)
  store<u32>(CPL, 0)
  store<u32>(SHADOW, 0)
  store<u32>(HALTED, 0)
  store<u32>(PENDING_VECTOR, NO_VECTOR)
  store<u32>(DELIVERING, 0)
  store<u32>(EXIT_REASON, 0)
  store<u32>(ATTENTION, load<u32>(ATTENTION) & ~(ATTN_DEBUG | ATTN_STEP))
  if (!init) {
    store<u32>(ATTENTION, load<u32>(ATTENTION) & ~(ATTN_NMI | ATTN_SMI))
    store<u32>(NMI_MASKED, 0)
    store<u32>(IN_SMM, 0)
    store<u32>(SMBASE, 0x30000)
    store<u32>(A20_MASK, 1)
    store<u64>(XCR0, 1)
    resetMsrs()
    writeTsc(0)
    store<u64>(RANDOM_STATE, RANDOM_SEED)
    resetFpu()
  }
  updateMode()
  flushTlb()
}

/**
 * As after FNINIT. Out of RESET# all exceptions of x87 are unmasked and its registers in use (Intel SDM vol. 3, table 10-1),
 * but a PC's BIOS executes FNINIT. SeaBIOS does not, as QEMU's and KVM's CPUs begin so, and guests count on it.
 */
function resetFpu(): void {
  memory.fill(FPR, 0, 128)
  store<u16>(FPU_CONTROL, 0x37f)
  store<u16>(FPU_STATUS, 0)
  store<u32>(FPU_TOP, 0)
  memory.fill(FPU_TAGS, 0, 8)
  store<u16>(FPU_OPCODE, 0)
  store<u64>(FPU_IP, 0)
  store<u16>(FPU_CS, 0)
  store<u64>(FPU_DP, 0)
  store<u16>(FPU_DS, 0)
  store<u32>(MXCSR, 0x1f80)
  memory.fill(XMM, 0, 16 * XMM_SIZE)
}
