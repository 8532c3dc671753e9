/**
 * `toRetireAtMost`: what was measured cost no more instructions than a number, or than is written down beside the test. The
 * counts are exact and the same on every host, so a file that was written on one is right on all.
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { MatcherState } from 'vitest'
import * as z from 'zod'
import { writeOutputFile } from '../../machine/host/output-file.js'
import { Measured } from '../vm/measure.js'
import { updateMode } from './baselines.js'
import type { MatcherResult } from './matcher-result.js'

export interface BaselineExpectation {
  /** The name under which the count stands in `__measures__/<test file>.json`. */
  baseline: string
  /** How much more it may be: `'0.5%'`, or a number of instructions. Default none. */
  tolerance?: string | number
}

const Baselines = z.record(z.string(), z.strictObject({ instructions: z.int().nonnegative() }))
type Baselines = z.infer<typeof Baselines>

const SHAPE = "a number of instructions, or { baseline: 'boot', tolerance: '0.5%' }"

export async function toRetireAtMost(
  this: MatcherState & { snapshotState?: unknown },
  received: unknown,
  expected: number | BaselineExpectation,
): Promise<MatcherResult> {
  if (!(received instanceof Measured))
    throw new TypeError('toRetireAtMost is for what vm.measure() gave, as in expect(measured).toRetireAtMost(…)')
  const { instructions } = received
  if (typeof expected === 'number') return judge(instructions, checked(expected, `${expected}`), 'asked for')
  const { testPath } = this
  if (testPath === undefined) throw new Error('toRetireAtMost needs a test file to keep its baselines beside')
  const { baseline: name, tolerance = 0 } = expected ?? {}
  if (typeof name !== 'string' || name === '') throw new TypeError(`toRetireAtMost takes ${SHAPE}`)
  const path = join(dirname(testPath), '__measures__', `${basename(testPath)}.json`)
  const all = read(path)
  const known = Object.hasOwn(all, name) ? all[name].instructions : undefined
  const mode = updateMode(this.snapshotState)
  const isWritten =
    known === undefined ? mode !== 'none' : known !== instructions && mode !== 'missing' && mode !== 'none'
  if (isWritten && !this.isNot) {
    write(path, { ...all, [name]: { instructions } })
    const before = known === undefined ? '' : `, which was ${words(known)} before`
    console.info(`bootwright: wrote ${words(instructions)} instructions as '${name}' in ${path}${before}`)
    return { pass: true, message: () => `'${name}' was just written to ${path}` }
  }
  if (known === undefined) {
    const how = this.isNot ? 'write it without .not first' : `run with -u locally to write ${instructions}`
    return { pass: this.isNot, message: () => `there is no baseline '${name}' in ${path}; ${how}` }
  }
  return judge(instructions, known + allowed(tolerance, known), `'${name}' in ${path} is ${words(known)}, and`, known)
}

function judge(instructions: number, most: number, whose: string, known = most): MatcherResult {
  const difference = instructions - known
  const share = known > 0 ? ` (${difference < 0 ? '' : '+'}${((difference / known) * 100).toFixed(2)} %)` : ''
  const limit = whose === 'asked for' ? `${words(most)} were asked for` : `${whose} ${words(most)} are allowed`
  const sign = difference < 0 ? '' : '+'
  return {
    pass: instructions <= most,
    message: () => `${words(instructions)} instructions were retired; ${limit}: ${sign}${words(difference)}${share}`,
  }
}

const words = (count: number) => count.toLocaleString('en-US')

function checked(number: number, text: string): number {
  if (Number.isSafeInteger(number) && number >= 0) return number
  throw new TypeError(`toRetireAtMost(${text}): it takes ${SHAPE}`)
}

function allowed(tolerance: string | number, known: number): number {
  if (typeof tolerance === 'number') return checked(tolerance, `{ tolerance: ${tolerance} }`)
  const percent = /^(\d+(?:\.\d+)?)\s*%$/.exec(tolerance)
  if (!percent)
    throw new TypeError(`tolerance '${tolerance}' is neither a share as in '0.5%' nor a number of instructions`)
  return Math.floor((known * Number(percent[1])) / 100)
}

/** Throws an error of one sentence for a file that is no such. */
function read(path: string): Baselines {
  if (!existsSync(path)) return {}
  try {
    return Baselines.parse(JSON.parse(readFileSync(path, 'utf8')))
  } catch {
    throw new Error(`${path} holds no baselines of toRetireAtMost; restore it, or remove it and run with -u`)
  }
}

/** By name, so that a change is a line of a diff. */
function write(path: string, baselines: Baselines): void {
  const sorted = Object.fromEntries(Object.entries(baselines).sort(([a], [b]) => (a < b ? -1 : 1)))
  mkdirSync(dirname(path), { recursive: true })
  writeOutputFile(path, `${JSON.stringify(sorted, undefined, 2)}\n`)
}
