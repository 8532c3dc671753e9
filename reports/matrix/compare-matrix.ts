/** Two states of the matrix side by side: what works no longer, what works now, and what was not booted in both. */
import { type Cell, type LevelResult, standingOf } from './matrix-result.js'
import { type Measurement, measurementKey } from './measurement.js'

export type ChangeKind = 'regressed' | 'improved' | 'new' | 'not booted'

export interface Change {
  kind: ChangeKind
  guest: string
  title: string
  engine: string
  device: string
  /** The first level that stands otherwise; undefined where the guest is in one of the two alone. */
  level?: string
  /** `kernel worked and is broken: waited 60 s …` */
  words: string
  before?: Cell
  after?: Cell
}

type Side = Pick<Measurement, 'guest' | 'cell'>

const ORDER: readonly ChangeKind[] = ['regressed', 'improved', 'new', 'not booted']

/** Regressions first; of each guest, engine and devices at most one change. */
export function compareMatrix(before: readonly Side[], after: readonly Side[]): Change[] {
  const old = new Map(before.map((one) => [measurementKey(one as Measurement), one]))
  const now = new Map(after.map((one) => [measurementKey(one as Measurement), one]))
  const changes = [...new Set([...old.keys(), ...now.keys()])].flatMap((key) => {
    const [a, b] = [old.get(key), now.get(key)]
    const change = a && b ? levelChange(a, b) : (a ?? b) && oneSided(a, b)
    return change ?? []
  })
  return changes.sort((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind) || (a.title < b.title ? -1 : 1))
}

function oneSided(before: Side | undefined, after: Side | undefined): Change {
  const side = (before ?? after) as Side
  const words = after ? `booted for the first time: ${reached(after.cell)}` : 'was booted before and not now'
  return { ...about(side), kind: after ? 'new' : 'not booted', words, before: before?.cell, after: after?.cell }
}

function levelChange(a: Side, b: Side): Change | undefined {
  const both = { ...about(b), before: a.cell, after: b.cell }
  const then = new Map(a.cell.levels.map((level) => [level.name, level]))
  const pairs = b.cell.levels.flatMap((level) => {
    const other = then.get(level.name)
    return other ? [{ level, other }] : []
  })
  const lost = pairs.find(({ level, other }) => works(other) && !works(level))
  if (lost) {
    const { name, reason } = lost.level
    const why = reason && reason !== 'not tried' ? `: ${reason}` : ''
    return { ...both, kind: 'regressed', level: name, words: `${name} worked and is ${standingOf(lost.level)}${why}` }
  }
  const won = pairs.findLast(({ level, other }) => works(level) && !works(other))
  if (won) return { ...both, kind: 'improved', level: won.level.name, words: `${won.level.name} works and did not` }
  return undefined
}

const works = ({ status }: LevelResult) => status === 'passed'

function about({ guest, cell }: Side) {
  return { guest: cell.guest, title: guest.title, engine: cell.engine, device: cell.device }
}

function reached({ status, level }: Cell): string {
  if (level === undefined) return 'it reached no level'
  return status === 'passed' ? `it reached ${level}, its top level` : `it reached ${level}`
}

/** `2 regressed, 1 improved`, or that nothing did. */
export function changesSummary(changes: readonly Change[]): string {
  const counts = ORDER.map((kind) => [changes.filter((one) => one.kind === kind).length, kind] as const)
  return (
    counts
      .filter(([count]) => count > 0)
      .map(([count, kind]) => `${count} ${kind}`)
      .join(', ') || 'nothing has changed'
  )
}
