/**
 * CPUID (Intel SDM vol. 2, CPUID). A model is a table of leaves: what it shows is what the core does, and what the rest
 * of the core lets through (bits of CR4, MSRs) is asked of the same table.
 */
import { msrRead } from './host'
import { setGpr } from './operand'
import { RAX, RBX, RCX, RDX } from './state'

/** Which of MODELS the CPU is, u32: 0 is the 32-bit model, 1 the 64-bit one. The engine sets it before a reset. */
export const CPU_MODEL: usize = 0x1540

// Leaf 1, EDX.
const FEATURE_FPU: u32 = 1 << 0
export const FEATURE_VME: u32 = 1 << 1
export const FEATURE_DE: u32 = 1 << 2
export const FEATURE_PSE: u32 = 1 << 3
const FEATURE_TSC: u32 = 1 << 4
const FEATURE_MSR: u32 = 1 << 5
export const FEATURE_PAE: u32 = 1 << 6
export const FEATURE_MCE: u32 = 1 << 7
const FEATURE_CX8: u32 = 1 << 8
const FEATURE_APIC: u32 = 1 << 9
const FEATURE_SEP: u32 = 1 << 11
const FEATURE_MTRR: u32 = 1 << 12
export const FEATURE_PGE: u32 = 1 << 13
const FEATURE_CMOV: u32 = 1 << 15
const FEATURE_PAT: u32 = 1 << 16
const FEATURE_PSE36: u32 = 1 << 17
const FEATURE_CLFSH: u32 = 1 << 19
const FEATURE_MMX: u32 = 1 << 23
const FEATURE_FXSR: u32 = 1 << 24
const FEATURE_SSE: u32 = 1 << 25
const FEATURE_SSE2: u32 = 1 << 26
// Leaf 80000001, EDX.
export const FEATURE_SYSCALL: u32 = 1 << 11
export const FEATURE_NX: u32 = 1 << 20
export const FEATURE_LM: u32 = 1 << 29
// Leaf 80000001, ECX.
const FEATURE_LAHF: u32 = 1

const FEATURES_SSE2: u32 =
  FEATURE_FPU | FEATURE_VME | FEATURE_DE | FEATURE_PSE | FEATURE_TSC | FEATURE_MSR | FEATURE_PAE | FEATURE_CX8 |
  FEATURE_APIC | FEATURE_SEP | FEATURE_MTRR | FEATURE_PGE | FEATURE_CMOV | FEATURE_PAT | FEATURE_PSE36 |
  FEATURE_CLFSH | FEATURE_MMX | FEATURE_FXSR | FEATURE_SSE | FEATURE_SSE2

/** Family 6, model 13, stepping 8: the last family 6 without 64 bits and SSE3. */
const SIGNATURE_32: u32 = 0x6d8
const SIGNATURE_64: u32 = 0x6fb

/** CLFLUSH lines of 64 bytes, one logical processor, APIC ID 0. */
const LEAF1_EBX: u32 = 0x00010800

const ROW: usize = 5
/** Leaf, EAX, EBX, ECX, EDX. Ends with the leaf ffffffff. */
const MODEL_32: StaticArray<u32> = [
  // 'GenuineIntel'
  0x00000000, 2, 0x756e6547, 0x6c65746e, 0x49656e69,
  0x00000001, SIGNATURE_32, LEAF1_EBX, 0, FEATURES_SSE2,
  // L1: 32 KiB data, 32 KiB instructions; L2: 2 MiB.
  0x00000002, 1, 0, 0, 0x002c307d,
  0x80000000, 0x80000008, 0, 0, 0,
  0x80000001, 0, 0, 0, 0,
  // 'Bootwright Virtual CPU'
  0x80000002, 0x746f6f42, 0x67697277, 0x56207468, 0x75747269,
  0x80000003, 0x43206c61, 0x00005550, 0, 0,
  0x80000004, 0, 0, 0, 0,
  // 40 physical address bits, 32 linear ones.
  0x80000008, 0x00002028, 0, 0, 0,
  0xffffffff, 0, 0, 0, 0,
]
const MODEL_64: StaticArray<u32> = [
  0x00000000, 2, 0x756e6547, 0x6c65746e, 0x49656e69,
  0x00000001, SIGNATURE_64, LEAF1_EBX, 0, FEATURES_SSE2,
  0x00000002, 1, 0, 0, 0x002c307d,
  0x80000000, 0x80000008, 0, 0, 0,
  0x80000001, 0, 0, FEATURE_LAHF, FEATURE_SYSCALL | FEATURE_NX | FEATURE_LM,
  0x80000002, 0x746f6f42, 0x67697277, 0x56207468, 0x75747269,
  0x80000003, 0x43206c61, 0x00005550, 0, 0,
  0x80000004, 0, 0, 0, 0,
  0x80000008, 0x00003028, 0, 0, 0,
  0xffffffff, 0, 0, 0, 0,
]

@inline function model(): usize {
  return load<u32>(CPU_MODEL) ? changetype<usize>(MODEL_64) : changetype<usize>(MODEL_32)
}

/** Address of the row of `leaf`, or 0. */
function findRow(leaf: u32): usize {
  let row = model()
  while (load<u32>(row) != 0xffffffff) {
    if (load<u32>(row) == leaf) return row
    row += ROW * 4
  }
  return 0
}

/** Leaf 1's EDX as the model has it. */
export function cpuFeatures1(): u32 {
  return load<u32>(findRow(1), 16)
}

/** Leaf 80000001's EDX. */
export function cpuFeaturesExtended(): u32 {
  return load<u32>(findRow(0x80000001), 16)
}

/** What EDX holds after a reset. */
export function cpuSignature(): u32 {
  return load<u32>(findRow(1), 4)
}

/** 0F A2. */
export function cpuid(op: usize): void {
  let leaf = load<u32>(RAX)
  const base = leaf & 0x80000000
  const highest = base == 0 || base == 0x80000000 ? load<u32>(findRow(base), 4) : 0
  // Past the last leaf Intel's CPUs answer as for the last basic one.
  if (leaf > highest) leaf = load<u32>(findRow(0), 4)
  const row = findRow(leaf)
  let edx: u32 = row ? load<u32>(row, 16) : 0
  if (leaf == 1 && !(msrRead(0x1b) & 0x800)) edx &= ~FEATURE_APIC
  setGpr<u32>(RAX, row ? load<u32>(row, 4) : 0)
  setGpr<u32>(RBX, row ? load<u32>(row, 8) : 0)
  setGpr<u32>(RCX, row ? load<u32>(row, 12) : 0)
  setGpr<u32>(RDX, edx)
}
