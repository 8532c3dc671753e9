/** Finds the fuzzers and runs them, case by case, until a count or a time is spent or a case fails. */
import { readdirSync } from 'node:fs'
import { Random } from '../random.js'
import { type Fuzzer, FuzzFailure } from './fuzzer.js'

const SUFFIX = '.fuzz.ts'

/** Those of `folder`, by name. */
export async function findFuzzers(folder: URL = new URL('./', import.meta.url)): Promise<Fuzzer[]> {
  const files = readdirSync(folder).filter((file) => file.endsWith(SUFFIX))
  const fuzzers = files.sort().map(async (file) => {
    const { default: fuzzer } = (await import(new URL(file, folder).href)) as { default: Fuzzer }
    if (`${fuzzer?.name}${SUFFIX}` !== file) throw new Error(`test/fuzz/${file} must export default a Fuzzer named so`)
    return fuzzer
  })
  return Promise.all(fuzzers)
}

export interface RunOptions {
  /** The first case's; the next ones' follow from it. */
  seed: number
  /** Most cases. */
  cases?: number
  /** For how long new cases are begun. */
  milliseconds?: number
  size?: number
  /** Called before each case. */
  onCase?(seed: number): void
}

export interface RunResult {
  cases: number
  /** Of the fuzzer's `unit`. */
  units: number
  /** The slowest case's. */
  slowest: { seed: number; milliseconds: number }
}

/** Runs cases of one fuzzer; the error of one that fails says how to repeat it. */
export async function runFuzzer(fuzzer: Fuzzer, options: RunOptions): Promise<RunResult> {
  const size = options.size ?? 1
  const result = { cases: 0, units: 0, slowest: { seed: options.seed, milliseconds: 0 } }
  const count = (units: number) => {
    result.units += units
  }
  const end = performance.now() + (options.milliseconds ?? Number.POSITIVE_INFINITY)
  while (result.cases < (options.cases ?? Number.POSITIVE_INFINITY)) {
    const started = performance.now()
    if (started >= end) break
    const seed = caseSeed(options.seed, result.cases++)
    options.onCase?.(seed)
    try {
      await fuzzer.run(new Random(seed), { size, count })
    } catch (error) {
      throw new Error(describe(fuzzer, seed, size, result.cases, error), { cause: error })
    }
    const milliseconds = performance.now() - started
    if (milliseconds > result.slowest.milliseconds) result.slowest = { seed, milliseconds }
  }
  return result
}

/** The seed of the nth case: the given one first, so that a case is repeated by its own. */
function caseSeed(seed: number, n: number): number {
  if (n === 0) return seed
  // The finalizer of MurmurHash3: neighbours must have nothing in common.
  let x = (Math.imul(n, 0x9e3779b1) + seed) >>> 0
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b)
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35)
  return (x ^ (x >>> 16)) >>> 0
}

function describe(fuzzer: Fuzzer, seed: number, size: number, cases: number, error: unknown): string {
  const { message, stack } = error instanceof Error ? error : { message: String(error), stack: undefined }
  const what = error instanceof FuzzFailure ? `${message}\n  input: ${error.input}` : (stack ?? message)
  const again = `npm run fuzz -- ${fuzzer.name} --seed ${seed} --cases 1${size === 1 ? '' : ` --size ${size}`}`
  return `${fuzzer.name}, case ${cases}: ${what}\n  again: ${again}`
}
