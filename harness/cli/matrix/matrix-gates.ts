/** What a run of the matrix may end with: parts of the guests, a baseline that nothing may fall behind. */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type Change, changesSummary, compareMatrix } from '../../../reports/matrix/compare-matrix.js'
import { type Cell, parseMatrix } from '../../../reports/matrix/matrix-result.js'
import { latest, type Measurement, measurementsOf } from '../../../reports/matrix/measurement.js'
import { readResults } from '../../../reports/matrix/results-folder.js'
import { printable } from '../../../reports/printable.js'
import { EXIT, UsageError } from '../errors.js'

export interface Gate {
  measurements: Measurement[]
  /** Where its pictures are. */
  folder: string
}

/** A matrix.json, or a folder of a matrix. Throws a UsageError for what is none. */
export function readBaseline(path: string | undefined): Gate | undefined {
  if (path === undefined) return undefined
  const stats = path === '' ? undefined : statSync(path, { throwIfNoEntry: false })
  if (!stats) throw new UsageError(`--baseline '${path}' is not there; name a matrix.json, or a folder of a matrix`)
  if (stats.isDirectory()) {
    const { measurements } = readResults(path)
    if (measurements.length > 0) return { measurements: latest(measurements), folder: path }
    throw new UsageError(`--baseline '${path}' has no measurements in it; name a folder of a matrix`)
  }
  let data: unknown
  try {
    data = JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    throw new UsageError(`--baseline '${path}' is no JSON; name a matrix.json`)
  }
  return { measurements: measurementsOf(parseMatrix(data)), folder: join(path, '..') }
}

/** `2/5`: the second of five parts, the same ones on every host. */
export function shardOf<T extends { name: string }>(guests: readonly T[], part: string | undefined): T[] {
  if (part === undefined) return [...guests]
  const [, index, count] = /^(\d+)\/(\d+)$/.exec(part)?.map(Number) ?? []
  if (!index || !count || index > count)
    throw new UsageError(`--shard '${part}' is no part; write 2/5 for the second of five`)
  const sorted = [...guests].sort((a, b) => (a.name < b.name ? -1 : 1))
  return sorted.filter((_, i) => i % count === index - 1)
}

export interface GateFlags {
  strict?: boolean
  /** The run was of these guests by name: the baseline's others were not meant. */
  named?: ReadonlySet<string>
  out: string
}

/** Says how a run stands against the baseline. Returns the exit code. */
export function gate(baseline: Gate, now: readonly Pick<Measurement, 'guest' | 'cell'>[], flags: GateFlags): number {
  const changes = compareMatrix(baseline.measurements, now)
  const wasMeant = (guest: string) => flags.named?.has(guest) ?? true
  const shown = changes.filter(({ kind, guest }) => kind !== 'not booted' || (flags.strict && wasMeant(guest)))
  tellChanges(shown, 'against the baseline', flags.out, baseline.folder)
  return shown.some(({ kind }) => kind === 'not booted' || kind === 'regressed') ? EXIT.failed : EXIT.ok
}

/** A line on each; of what works no longer with both pictures. */
export function tellChanges(changes: readonly Change[], against: string, after: string, before = after): void {
  console.log(`${changesSummary(changes)} ${against}`)
  for (const { kind, title, engine, words, level, before: old, after: now } of changes) {
    console.log(printable(`${kind}: ${title} on ${engine}: ${words}`))
    if (kind !== 'regressed') continue
    const [a, b] = [pictureOf(old, level, before), pictureOf(now, level, after)]
    if (a || b) console.log(printable(`  before: ${a ?? 'no picture'}; after: ${b ?? 'no picture'}`))
  }
}

function pictureOf(cell: Cell | undefined, name: string | undefined, folder: string): string | undefined {
  const end = cell?.levels.findIndex((level) => level.name === name) ?? -1
  const path = cell?.levels.slice(0, end + 1).findLast((level) => level.evidence?.screenshot?.path)?.evidence
    ?.screenshot?.path
  const file = path && join(folder, path)
  return file && existsSync(file) ? file : undefined
}
