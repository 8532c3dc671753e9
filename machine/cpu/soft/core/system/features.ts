/**
 * What the CPU model shows in CPUID, in linear memory: the engine writes it before a reset. The decoder refuses the
 * instructions of features that are not here; the F_* numbers in generated/features.ts name them.
 */

/** Words by FEATURE_WORDS of `machine/cpu/features.ts`, u32 each. */
export const CPU_FEATURES: usize = 0x3060
/** CPUID 1 EAX, u32: family, model, stepping. */
export const CPU_SIGNATURE: usize = 0x3040
/** Highest basic and extended leaf, u32 each; an extended one of 0 is none. */
export const CPU_LEVEL: usize = 0x3044
export const CPU_EXTENDED_LEVEL: usize = 0x3048
/** Local APIC ID (a CPU's own) and the number of CPUs, u32 each. */
export const CPU_APIC_ID: usize = 0x1550
export const CPU_COUNT: usize = 0x304c
/** Another CPU could execute if it had its turn, u32. */
export const OTHERS_RUN: usize = 0x3050
/** State of RDRAND and RDSEED, u64. */
export const RANDOM_STATE: usize = 0x3030

/** True where the model has the feature `F_*`. */
@inline export function has(feature: u32): bool {
  return ((load<u32>(CPU_FEATURES + (<usize>(feature >> 5) << 2)) >> (feature & 31)) & 1) != 0
}

@inline export function featureWord(n: usize): u32 {
  return load<u32>(CPU_FEATURES + (n << 2))
}
