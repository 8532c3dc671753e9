/** The pair of targets that the conformance tests compare, and how much of a sample they take. */
import { Comparison } from './compare.js'
import { nativeCpu, whyNotNative } from './native-cpu.js'
import { SoftCpu } from './soft-cpu.js'

const skipReason = whyNotNative()
/** True where there is no native oracle. */
export const skip = skipReason !== undefined
/** For the name of a test group, so that a skipped one says why. */
export const note = skip ? ` (skipped: ${skipReason})` : ''

/** Random cases of each instruction; BOOTWRIGHT_NATIVE_CASES asks for more. */
export function cases(usual: number): number {
  return Number(process.env.BOOTWRIGHT_NATIVE_CASES ?? usual)
}

/** BOOTWRIGHT_NATIVE_SEED draws another sample. */
export const seed = Number(process.env.BOOTWRIGHT_NATIVE_SEED ?? 1)

/** A test's time limit, ms: large samples are asked for on purpose. */
export const LONGEST = 3_600_000

let shared: Promise<Comparison> | undefined

export function comparison(): Promise<Comparison> {
  shared ??= nativeCpu().then((native) => new Comparison(native, new SoftCpu()))
  return shared
}
