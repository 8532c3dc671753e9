/**
 * CPUID (Intel SDM vol. 2, CPUID). Feature bits, signature and levels are the model's (features.ts); the other leaves
 * describe what every model has in common.
 */
import { XCR0_AVX, xcr0Bits, xsaveSize } from './xsave'
import {
  CPU_APIC_ID, CPU_COUNT, CPU_EXTENDED_LEVEL, CPU_LEVEL, CPU_SIGNATURE, featureWord, has,
} from './features'
import { F_HYPERVISOR, F_LM, F_MONITOR, F_XSAVE } from '../generated/features'
import { msrLow, msrRead } from '../host'
import { setGpr } from '../execute/operand'
import { CR4, CR4_OSXSAVE, RAX, RBX, RCX, RDX, XCR0 } from '../state'

const FEATURE_APIC: u32 = 1 << 9
const FEATURE_OSXSAVE: u32 = 1 << 27

/** Physical address bits; page-walk.ts and msr.ts refuse the others. */
const PHYSICAL_BITS: u32 = 40

const ROW: usize = 5
/** Leaf, EAX, EBX, ECX, EDX of what never changes. Ends with the leaf ffffffff. */
const FIXED: StaticArray<u32> = [
  // 'GenuineIntel'; EAX is the level.
  0x00000000, 0, 0x756e6547, 0x6c65746e, 0x49656e69,
  // L1: 32 KiB data, 32 KiB instructions; L2: 2 MiB.
  0x00000002, 1, 0, 0, 0x002c307d,
  // 'Bootwright', as on KVM: no leaves of any hypervisor's behind it.
  0x40000000, 0x40000000, 0x746f6f42, 0x67697277, 0x20207468,
  // 'Bootwright Virtual CPU'
  0x80000002, 0x746f6f42, 0x67697277, 0x56207468, 0x75747269,
  0x80000003, 0x43206c61, 0x00005550, 0, 0,
  // L2: 2 MiB, 8 ways, lines of 64 bytes.
  0x80000006, 0, 0, 0x08006040, 0,
  // The TSC runs on at one rate.
  0x80000007, 0, 0, 0, 0x100,
  0xffffffff, 0, 0, 0, 0,
]

/** Leaf 4: L1 data, L1 instructions, L2. EAX, EBX (ways, line size), ECX (sets - 1). */
const CACHES: StaticArray<u32> = [
  0x00000121, 0x01c0003f, 63,
  0x00000122, 0x01c0003f, 63,
  0x00000143, 0x01c0003f, 4095,
]

let a: u32 = 0
let b: u32 = 0
let c: u32 = 0
let d: u32 = 0

@inline function answer(eax: u32, ebx: u32, ecx: u32, edx: u32): void {
  a = eax
  b = ebx
  c = ecx
  d = edx
}

/** What EDX holds after a reset. */
export function cpuSignature(): u32 {
  return load<u32>(CPU_SIGNATURE)
}

function fixed(leaf: u32): void {
  let row = changetype<usize>(FIXED)
  answer(0, 0, 0, 0)
  while (load<u32>(row) != 0xffffffff) {
    if (load<u32>(row) == leaf) {
      answer(load<u32>(row, 4), load<u32>(row, 8), load<u32>(row, 12), load<u32>(row, 16))
      return
    }
    row += ROW * 4
  }
}

/** The number of bits that count up to `n` values. */
@inline function bitsFor(n: u32): u32 {
  return n <= 1 ? 0 : 32 - clz(n - 1)
}

/** Leaf 0Bh: every CPU is a core of one package. */
function topology(sub: u32): void {
  const count = max<u32>(load<u32>(CPU_COUNT), 1)
  const id = load<u32>(CPU_APIC_ID)
  if (sub == 0) answer(0, 1, 0x100, id)
  else if (sub == 1) answer(bitsFor(count), count, 0x201, id)
  else answer(0, 0, sub, id)
}

/** Leaf 0Dh: what XSAVE saves. */
function extendedState(sub: u32): void {
  answer(0, 0, 0, 0)
  if (!has(F_XSAVE)) return
  const all = xcr0Bits()
  if (sub == 0) answer(all, xsaveSize(load<u32>(XCR0)), xsaveSize(all), 0)
  else if (sub == 1) answer(featureWord(7), xsaveSize(load<u32>(XCR0)), 0, 0)
  else if (sub == 2 && all & XCR0_AVX) answer(256, 576, 0, 0)
}

/** 0F A2. */
export function cpuid(op: usize): void {
  let leaf = load<u32>(RAX)
  const sub = load<u32>(RCX)
  const level = load<u32>(CPU_LEVEL)
  const extended = load<u32>(CPU_EXTENDED_LEVEL)
  const base = leaf & 0x80000000
  const highest: u32 = base == 0 ? level : extended
  // Past the last leaf Intel's CPUs answer as for the last basic one.
  const hypervisor = has(F_HYPERVISOR) && (leaf & 0xffffff00) == 0x40000000
  if (leaf > highest && !hypervisor) leaf = level
  switch (leaf) {
    case 1: {
      answer(load<u32>(CPU_SIGNATURE), (load<u32>(CPU_APIC_ID) << 24) | 0x0800, featureWord(1), featureWord(0))
      // CPUs in the package, where there is more than one: HTT.
      const count = load<u32>(CPU_COUNT)
      if (count > 1) {
        b |= (1 << bitsFor(count)) << 16
        d |= 1 << 28
      } else b |= 0x10000
      if (!(msrRead(0x1b) && msrLow() & 0x800)) d &= ~FEATURE_APIC
      if (load<u32>(CR4) & CR4_OSXSAVE) c |= FEATURE_OSXSAVE
      break
    }
    case 4: {
      if (sub < 3) {
        const row = changetype<usize>(CACHES) + <usize>sub * 12
        // Bits 31:26: cores of the package - 1.
        const cores = (1 << bitsFor(max<u32>(load<u32>(CPU_COUNT), 1))) - 1
        answer(load<u32>(row) | (cores << 26), load<u32>(row, 4), load<u32>(row, 8), 0)
      } else answer(0, 0, 0, 0)
      break
    }
    case 5:
      // Lines of 64 bytes, no sub-states.
      if (has(F_MONITOR)) answer(64, 64, 0, 0)
      else answer(0, 0, 0, 0)
      break
    case 7:
      // EAX of the first is the last that there is.
      if (sub == 2) answer(0, 0, 0, featureWord(8))
      else if (sub) answer(0, 0, 0, 0)
      else answer(featureWord(8) ? 2 : 0, featureWord(2), featureWord(3), featureWord(4))
      break
    case 0xb:
      topology(sub)
      break
    case 0xd:
      extendedState(sub)
      break
    case 0x80000001:
      answer(0, 0, featureWord(6), featureWord(5))
      break
    case 0x80000008:
      answer(PHYSICAL_BITS | ((has(F_LM) ? 48 : 32) << 8), 0, 0, 0)
      break
    default:
      fixed(leaf)
      if (leaf == 0) a = level
      else if (leaf == 0x80000000) a = extended
  }
  setGpr<u32>(RAX, a)
  setGpr<u32>(RBX, b)
  setGpr<u32>(RCX, c)
  setGpr<u32>(RDX, d)
}
