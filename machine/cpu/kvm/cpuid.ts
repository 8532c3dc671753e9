/**
 * What CPUID shows under KVM: what the kernel supports, less what this machine does not have.
 *
 * - One processor: no topology leaves, one logical processor in the caches' leaves.
 * - State beyond `CpuState` (AVX-512, AMX, protection keys, CET) and features whose MSRs nothing here keeps (PMU, MCE,
 *   MPX, SGX, processor trace, TSC deadline, x2APIC without an in-kernel APIC).
 * - KVM's own leaves at 0x40000000: a guest with a paravirtual clock could not go on under the soft engine.
 */

import { libc, Struct } from '../../host/libc.js'
import type { CpuState } from '../engine.js'
import { FEATURE_WORDS, FEATURES } from '../features.js'
import { KVM_GET_SUPPORTED_CPUID } from './abi.js'
import { KvmError } from './access.js'

/** Struct kvm_cpuid_entry2. */
export interface CpuidEntry {
  leaf: number
  subleaf: number
  flags: number
  eax: number
  ebx: number
  ecx: number
  edx: number
}

const ENTRY_SIZE = 40
const MAX_ENTRIES = 256
const FLAG_SIGNIFICANT_SUBLEAF = 1

const bits = (...numbers: number[]): number => numbers.reduce((all, n) => all | (1 << n), 0)

// Leaf 1.
const ECX1_DTES64_MONITOR = 0x0c
const ECX1_VMX_SMX_EIST_TM2 = 0x1e0
const ECX1_PDCM = 1 << 15
const ECX1_X2APIC = 1 << 21
const ECX1_TSC_DEADLINE = 1 << 24
const ECX1_HYPERVISOR = 1 << 31
const EDX1_MCE_MCA = (1 << 7) | (1 << 14)
const EDX1_DS_ACPI = (1 << 21) | (1 << 22)
const EDX1_HTT_TM_PBE = (1 << 28) | (1 << 29) | (1 << 31)
/** EBX 31:24 is the APIC's number, 23:16 the logical processors. */
const EBX1_KEEP = 0x0000ff00

// Leaf 7: FSGSBASE, BMI1, AVX2, SMEP, BMI2, ERMS, INVPCID, RDSEED, ADX, SMAP, CLFLUSHOPT, CLWB, SHA.
const EBX7_KEEP = bits(0, 3, 5, 7, 8, 9, 10, 18, 19, 20, 23, 24, 29)
/** UMIP, GFNI, VAES, VPCLMULQDQ, RDPID. */
const ECX7_KEEP = (1 << 2) | (1 << 8) | (1 << 9) | (1 << 10) | (1 << 22)
/** FSRM. */
const EDX7_KEEP = 1 << 4

/** x87, SSE, AVX. */
const XCR0_KEEP = 7
const XSAVE_SIZE_AVX = 832
const XSAVE_SIZE_SSE = 576
/** XSAVEOPT, XSAVEC, XGETBV with ECX = 1; not XSAVES. */
const LEAF_D1_KEEP = 7

// Leaf 80000001, ECX: SVM, IBS, SKINIT, WDT, LWP, NodeId, topology and performance extensions, MWAITX.
const ECX8_DROP = bits(2, 10, 12, 13, 15, 19, 22, 23, 24, 28, 29)

const LEAF_HYPERVISOR = 0x40000000
/** "Bootwright  " */
const SIGNATURE = [0x746f6f42, 0x67697277, 0x20207468]

/** What the kernel can show. Throws a KvmError. */
export function supportedCpuid(kvmFd: number): CpuidEntry[] {
  const table = new Struct(8 + MAX_ENTRIES * ENTRY_SIZE)
  table.view.setUint32(0, MAX_ENTRIES, true)
  if (libc().ioctl(kvmFd, KVM_GET_SUPPORTED_CPUID, table.address) < 0)
    throw new KvmError('KVM_GET_SUPPORTED_CPUID', libc().errno())
  const count = table.view.getUint32(0, true)
  const u32 = (i: number, n: number): number => table.view.getUint32(8 + i * ENTRY_SIZE + n * 4, true)
  return Array.from({ length: count }, (_, i) => ({
    leaf: u32(i, 0),
    subleaf: u32(i, 1),
    flags: u32(i, 2),
    eax: u32(i, 3),
    ebx: u32(i, 4),
    ecx: u32(i, 5),
    edx: u32(i, 6),
  }))
}

/** The leaf as the guest is to see it; undefined leaves it out. */
function filter(entry: CpuidEntry): CpuidEntry | undefined {
  const { leaf, subleaf } = entry
  switch (leaf) {
    case 1:
      return {
        ...entry,
        ebx: (entry.ebx & EBX1_KEEP) | 0x10000,
        ecx:
          (entry.ecx & ~(ECX1_DTES64_MONITOR | ECX1_VMX_SMX_EIST_TM2 | ECX1_PDCM | ECX1_X2APIC | ECX1_TSC_DEADLINE)) |
          ECX1_HYPERVISOR,
        edx: entry.edx & ~(EDX1_MCE_MCA | EDX1_DS_ACPI | EDX1_HTT_TM_PBE),
      }
    case 4:
      // Cores in the package and threads that share the cache: one each.
      return { ...entry, eax: entry.eax & 0x3fff }
    case 5: // MONITOR
    case 6: // thermal and power
    case 0xa: // performance counters
      return { ...entry, eax: 0, ebx: 0, ecx: 0, edx: 0 }
    case 7:
      if (subleaf !== 0) return undefined
      return { ...entry, eax: 0, ebx: entry.ebx & EBX7_KEEP, ecx: entry.ecx & ECX7_KEEP, edx: entry.edx & EDX7_KEEP }
    case 0xd:
      if (subleaf === 0) {
        const components = entry.eax & XCR0_KEEP
        const size = components & 4 ? XSAVE_SIZE_AVX : XSAVE_SIZE_SSE
        return { ...entry, eax: components, ebx: size, ecx: size, edx: 0 }
      }
      if (subleaf === 1) return { ...entry, eax: entry.eax & LEAF_D1_KEEP, ebx: 0, ecx: 0, edx: 0 }
      return subleaf === 2 ? entry : undefined
    case 0x80000001:
      return { ...entry, ecx: entry.ecx & ~ECX8_DROP }
    case 0x80000007:
      // Invariant TSC: pauses are taken out of the TSC, see HostClock.
      return { ...entry, eax: 0, ebx: 0, ecx: 0 }
    case 0x80000008:
      // ECX: number of cores. EBX: speculation controls, whose MSRs are not kept.
      return { ...entry, ebx: 0, ecx: 0 }
    case 0x8000001d:
      return { ...entry, eax: entry.eax & 0x3fff }
  }
  // Topology, SGX, processor trace, AMX, what hypervisors show, SVM, encrypted memory.
  if (leaf === 0xb || (leaf >= 0x10 && leaf < 0x40000000)) return undefined
  if (leaf >= 0x40000000 && leaf < 0x80000000) return undefined
  if (leaf === 0x8000000a || leaf >= 0x8000001e) return undefined
  return entry
}

export function guestCpuid(supported: readonly CpuidEntry[]): CpuidEntry[] {
  const entries = supported.map(filter).filter((entry) => entry !== undefined)
  const basic = entries.find((e) => e.leaf === 0)
  if (basic) basic.eax = Math.min(basic.eax, 0xd)
  const extended = entries.find((e) => e.leaf === 0x80000000)
  if (extended) extended.eax = Math.min(extended.eax >>> 0, 0x8000001d)
  const [ebx, ecx, edx] = SIGNATURE
  entries.push({ leaf: LEAF_HYPERVISOR, subleaf: 0, flags: 0, eax: LEAF_HYPERVISOR, ebx, ecx, edx })
  return entries
}

/** What a guest switches on, by the feature that it takes: CR4, EFER and XCR0 (Intel SDM vol. 3, chapter 2). */
const SWITCHED: readonly [register: 'cr4' | 'efer' | 'xcr0', bit: number, feature: string][] = [
  ['cr4', 11, 'umip'],
  ['cr4', 16, 'fsgsbase'],
  ['cr4', 17, 'pcid'],
  ['cr4', 18, 'xsave'],
  ['cr4', 20, 'smep'],
  ['cr4', 21, 'smap'],
  ['efer', 10, 'lm'],
  ['efer', 11, 'nx'],
  ['xcr0', 2, 'avx'],
]

/** Features that a guest uses and that this CPUID does not show, by the names that `--cpu` takes. */
export function missingFeatures(
  state: Pick<CpuState, 'cr4' | 'efer' | 'xcr0'>,
  entries: readonly CpuidEntry[],
): string[] {
  const isShown = (name: string): boolean => {
    const number = FEATURES.get(name) as number
    const [leaf, register] = FEATURE_WORDS[number >> 5].split('.')
    const entry = entries.find((one) => one.leaf === Number.parseInt(leaf, 16) && one.subleaf === 0)
    return entry !== undefined && ((entry[register as 'ecx'] >>> (number & 31)) & 1) === 1
  }
  return SWITCHED.filter(([register, bit]) => (state[register] >> BigInt(bit)) & 1n)
    .map(([, , name]) => name)
    .filter((name) => !isShown(name))
}

/** Struct kvm_cpuid2. */
export function cpuidTable(entries: readonly CpuidEntry[]): Struct {
  const table = new Struct(8 + entries.length * ENTRY_SIZE)
  table.view.setUint32(0, entries.length, true)
  entries.forEach((entry, i) => {
    const { leaf, subleaf, flags, eax, ebx, ecx, edx } = entry
    const values = [leaf, subleaf, flags & FLAG_SIGNIFICANT_SUBLEAF, eax, ebx, ecx, edx]
    values.forEach((value, n) => {
      table.view.setUint32(8 + i * ENTRY_SIZE + n * 4, value >>> 0, true)
    })
  })
  return table
}

/** EDX at reset: leaf 1's EAX. */
export function cpuSignature(entries: readonly CpuidEntry[]): number {
  return entries.find((e) => e.leaf === 1)?.eax ?? 0x600
}

/** XCR0's bits that the guest may set. */
export function xsaveComponents(entries: readonly CpuidEntry[]): number {
  return entries.find((e) => e.leaf === 0xd && e.subleaf === 0)?.eax ?? 0
}
