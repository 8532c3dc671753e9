/** What the pages of the site show: guests with what they reached last on each engine, what they did before, and the runs. */
import { type Change, compareMatrix } from '../matrix/compare-matrix.js'
import { type Cell, type GuestRow, type MatrixResult, SCREEN_OFF } from '../matrix/matrix-result.js'
import { byDate, type Measurement, measurementKey } from '../matrix/measurement.js'

/** Of a serial line in a thumbnail. */
const LINES = 10
const COLUMNS = 44

export interface SiteRun {
  id: string
  date: string
  bootwright: Measurement['run']['bootwright']
  hosts: string[]
  /** The last of each guest, engine and devices in it. */
  measurements: Measurement[]
}

export interface SiteGuest {
  row: GuestRow
  /** The latest of each engine and devices. */
  latest: Measurement[]
  /** All, the newest first. */
  history: Measurement[]
  /** Of the latest ones against those before them. */
  regressed: Change[]
  /** Why it was not booted, where nobody has. */
  untested?: string
}

export interface SiteModel {
  guests: SiteGuest[]
  engines: string[]
  families: string[]
  /** The newest first. */
  runs: SiteRun[]
  matrix: MatrixResult
  /** What the site says of itself where its results are made up. */
  notice?: string
}

export function siteModel(measurements: readonly Measurement[], matrix: MatrixResult, notice?: string): SiteModel {
  const sorted = byDate(measurements)
  const byGuest = groupBy(sorted, ({ cell }) => cell.guest)
  const guests = matrix.guests.map((row): SiteGuest => {
    const own = byGuest.get(row.name) ?? []
    const byKey = [...groupBy(own, measurementKey).values()]
    const latest = byKey.map((list) => list[list.length - 1])
    const before = byKey.flatMap((list) => list.at(-2) ?? [])
    const again = latest.filter((one) => before.some((other) => measurementKey(other) === measurementKey(one)))
    const regressed = compareMatrix(before, again).filter(({ kind }) => kind === 'regressed')
    const skipped = matrix.cells.find(({ guest, status }) => guest === row.name && status === 'skipped')
    return {
      row,
      latest,
      history: [...own].reverse(),
      regressed,
      ...(own.length === 0 && { untested: skipped?.reason ?? 'nobody has booted it yet' }),
    }
  })
  const engines = [...new Set(sorted.map(({ cell }) => cell.engine))].sort()
  return {
    guests,
    engines: engines.length > 0 ? engines : matrix.engines.map(({ id }) => id),
    families: [...new Set(matrix.guests.map(({ family }) => family))].sort(),
    runs: runsOf(sorted),
    matrix,
    ...(notice !== undefined && { notice }),
  }
}

function runsOf(sorted: readonly Measurement[]): SiteRun[] {
  const runs = [...groupBy(sorted, ({ run }) => run.id)].map(([id, list]) => {
    const last = [...new Map(list.map((one) => [measurementKey(one), one])).values()]
    const [{ run }] = list
    const hosts = [...new Set(list.map(({ run: { host } }) => `${host.os}, ${host.cpu}`))]
    return { id, date: run.date, bootwright: run.bootwright, hosts, measurements: last }
  })
  return runs.sort((a, b) => (a.date < b.date ? 1 : a.date > b.date ? -1 : a.id < b.id ? 1 : -1))
}

function groupBy<T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const name = key(item)
    const group = groups.get(name)
    if (group) group.push(item)
    else groups.set(name, [item])
  }
  return groups
}

/** The measurement of a guest on an engine that the matrix shows: the latest one. */
export function latestOn({ latest }: SiteGuest, engine: string): Measurement | undefined {
  return byDate(latest.filter(({ cell }) => cell.engine === engine)).at(-1)
}

/** What a guest is known by: of the highest level that any engine reached. */
export interface Sight {
  title: string
  picture?: { path: string; width: number; height: number }
  /** The last lines on COM1 of one whose screen stays off. */
  lines?: string[]
}

export function bestSight({ latest }: SiteGuest): Sight | undefined {
  const cells = latest.map(({ cell }) => cell).sort((a, b) => passed(b) - passed(a))
  for (const { levels } of cells) {
    const level = levels.findLast(({ evidence }) => evidence?.screenshot?.path)
    const shot = level?.evidence?.screenshot
    if (!level || !shot?.path) continue
    const serial = levels.findLast(({ evidence }) => evidence?.serial?.trim())
    const lines = shot.mode === SCREEN_OFF ? serial?.evidence?.serial?.trimEnd().split('\n').slice(-LINES) : undefined
    if (serial && lines) return { title: serial.title, lines: lines.map((line) => line.slice(0, COLUMNS)) }
    return { title: level.title, picture: { path: shot.path, width: shot.width, height: shot.height } }
  }
  return undefined
}

export function passed({ levels }: Cell): number {
  return levels.filter(({ status }) => status === 'passed').length
}
