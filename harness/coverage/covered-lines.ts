/** From what was executed of programs to lines and functions of their sources. */
import { isAbsolute, resolve } from 'node:path'
import type { ExecutedPart, PlacedFile } from '../../machine/debug/symbols/symbols.js'
import type { CoverageResult, CoveredFile, CoveredFunction } from '../../reports/coverage-result.js'
import { openProgram } from '../config/symbol-files.js'
import { CoverageError } from './coverage-records.js'

/** Symbols of functions have at least this rank. */
const FUNCTION_RANK = 4

/**
 * All programs' lines, each with how many machines executed it. Throws a CoverageError where a program is not what it was
 * when it was executed.
 */
export function coveredLines(parts: readonly ExecutedPart[]): CoverageResult {
  const files = new Map<string, CoveredFile>()
  const programs = new Map<string, ExecutedPart[]>()
  for (const part of parts) programs.set(part.path, [...(programs.get(part.path) ?? []), part])
  for (const [path, records] of programs) {
    const program = openProgram(path)
    const other = records.find(({ build }) => build !== program.covered.build)
    if (other)
      throw new CoverageError(
        `${JSON.stringify(path)} was built anew since some of the records were written; run 'bootwright coverage --clean', and the guests again`,
      )
    addProgram(program, new Counts(records), files)
  }
  return { files: [...files.values()].sort((a, b) => (a.path < b.path ? -1 : 1)) }
}

/** How many machines executed something between two addresses, at most. */
class Counts {
  private readonly at: bigint[]
  private readonly counts: number[] = []

  constructor(records: readonly ExecutedPart[]) {
    const steps = new Map<bigint, number>()
    const step = (at: bigint, by: number) => steps.set(at, (steps.get(at) ?? 0) + by)
    for (const { stretches } of records)
      for (const [low, high] of merged(stretches)) {
        step(low, 1)
        step(high, -1)
      }
    this.at = [...steps.keys()].sort(byAddress)
    let count = 0
    for (const at of this.at) {
      count += steps.get(at) ?? 0
      this.counts.push(count)
    }
  }

  between(low: bigint, high: bigint): number {
    let most = 0
    for (let i = Math.max(0, lastUpTo(this.at, low)); i < this.at.length && this.at[i] < high; i++)
      most = Math.max(most, this.counts[i])
    return most
  }
}

/** The index of the last one that is not behind `address`; -1 where all are. */
function lastUpTo(sorted: readonly bigint[], address: bigint): number {
  let from = 0
  let to = sorted.length
  while (from < to) {
    const middle = (from + to) >> 1
    if (sorted[middle] <= address) from = middle + 1
    else to = middle
  }
  return from - 1
}

const byAddress = (a: bigint, b: bigint) => (a < b ? -1 : a > b ? 1 : 0)

/** One machine may have executed the same code at two addresses. */
function merged(stretches: readonly [bigint, bigint][]): [bigint, bigint][] {
  const all: [bigint, bigint][] = []
  for (const [low, high] of [...stretches].sort(([a], [b]) => byAddress(a, b))) {
    const last = all.at(-1)
    if (last && low <= last[1]) last[1] = high > last[1] ? high : last[1]
    else all.push([low, high])
  }
  return all
}

function addProgram(
  { file, covered }: ReturnType<typeof openProgram>,
  counts: Counts,
  files: Map<string, CoveredFile>,
): void {
  const functions = functionsOf(file)
  const starts = functions.map(({ address }) => address)
  const known = new Map<FunctionSymbol, CoveredFunction>()
  file.lines?.each((low, high, name, line) => {
    // What a linker left out has the address 0.
    if (!file.segments.some(({ virtual, size }) => low >= virtual && low < virtual + size)) return
    const path = isAbsolute(name) ? resolve(name) : resolve(covered.path, '..', name)
    let found = files.get(path)
    if (!found) {
      found = { path, lines: new Map(), functions: [] }
      files.set(path, found)
    }
    found.lines.set(line, Math.max(found.lines.get(line) ?? 0, counts.between(low, high)))
    const symbol = functions[lastUpTo(starts, low)]
    if (!symbol || low >= symbol.address + symbol.size) return
    if (low === symbol.address) known.set(symbol, functionIn(found, symbol.name, line, counts.between(low, low + 1n)))
    const own = known.get(symbol)
    // What was inlined may be of another file.
    if (own && found.functions.includes(own) && !own.lines.includes(line)) own.lines.push(line)
  })
}

/** One that several programs have is one. */
function functionIn({ functions }: CoveredFile, name: string, line: number, count: number): CoveredFunction {
  const same = functions.find((one) => one.name === name && one.line === line)
  if (same) {
    same.count = Math.max(same.count, count)
    return same
  }
  const found: CoveredFunction = { name, line, count, lines: [] }
  functions.push(found)
  return found
}

type FunctionSymbol = PlacedFile['file']['symbols'][number]

/** By their first addresses. */
function functionsOf({ symbols }: PlacedFile['file']): FunctionSymbol[] {
  return symbols
    .filter(({ rank, size }) => rank >= FUNCTION_RANK && size > 0n)
    .sort((a, b) => byAddress(a.address, b.address))
    .filter(({ address }, i, all) => i === 0 || all[i - 1].address !== address)
}
