/** What a bench found, as plain data and as tables. */

import { type Width, widthOf } from './kernel-image.js'
import { START } from './start-up.js'

export interface Rate {
  /** All runs in order. */
  runs: number[]
}

export interface BenchResult {
  format: 2
  /** ISO 8601. */
  date: string
  /** Of the sources. */
  commit: string
  host: { cpu: string; cpus: number; node: string; load: number }
  /** Target to version; only those that ran. */
  targets: { [target: string]: string }
  /** Target to why it did not run. */
  skipped: { [target: string]: string }
  rounds: number
  /** What the kernels' seconds are: host time, or CPU time of the guest's thread. */
  clock: 'host' | 'cpu'
  /** Million instructions a host second, by kernel and target. */
  kernels: { [kernel: string]: { [target: string]: Rate } }
  /** Host seconds to the end of a boot, by guest and target. */
  boots: { [guest: string]: { [target: string]: Rate } }
  /** What went wrong, one sentence each. */
  failures: string[]
}

/** The target that the others are compared with. */
export const OURS = 'soft'
/** Peers in the order in which they are preferred for a comparison. */
export const PEERS = ['tcg-icount', 'v86', 'tcg']
interface Bar {
  readonly what: 'kernels' | 'boots'
  /** Which of them. */
  readonly of: (name: string) => boolean
  readonly words: string
  readonly peer: string
  readonly ratio: number
}

const wide = (width: Width) => (name: string) => widthOf(name) === width
/** What the geometric means of our speed to a peer's are to reach. */
const BARS: readonly Bar[] = [
  { what: 'kernels', of: wide(''), words: '32-bit kernels', peer: 'tcg-icount', ratio: 1 },
  { what: 'kernels', of: wide(''), words: '32-bit kernels', peer: 'v86', ratio: 2 },
  { what: 'kernels', of: wide('-64'), words: '64-bit kernels', peer: 'tcg-icount', ratio: 1 },
  { what: 'kernels', of: wide('-16'), words: '16-bit kernels', peer: 'tcg-icount', ratio: 1 },
  { what: 'boots', of: (name) => name !== START.name, words: 'boots', peer: 'tcg', ratio: 1 },
  { what: 'boots', of: (name) => name === 'boot-debian', words: "boot of Debian's i386 kernel", peer: 'v86', ratio: 3 },
  { what: 'boots', of: (name) => name === START.name, words: 'start', peer: 'tcg', ratio: 1 },
]
/** No kernel is to be slower than this share of the peer's speed. */
const LEAST = { peer: 'tcg-icount', ratio: 0.5 }

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** How far the runs lie apart, as a share of their median. */
export function spread(values: readonly number[]): number {
  return (Math.max(...values) - Math.min(...values)) / median(values)
}

export function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length)
}

/** Our speed as a ratio to a peer's, for each kernel (or boot, where less time is more speed) that both ran. */
export function ratiosTo(
  result: Pick<BenchResult, 'kernels' | 'boots'>,
  peer: string,
  what: 'kernels' | 'boots' = 'kernels',
): { [name: string]: number } {
  const ratios: { [name: string]: number } = {}
  for (const [name, rates] of Object.entries(result[what])) {
    if (!rates[OURS] || !rates[peer]) continue
    const [ours, theirs] = [rates[OURS], rates[peer]].map(({ runs }) => median(runs))
    ratios[name] = what === 'kernels' ? ours / theirs : theirs / ours
  }
  return ratios
}

export function renderResult(result: BenchResult): string {
  const lines: string[] = []
  const { host } = result
  lines.push(`${host.cpu}, ${host.cpus} CPUs, load ${host.load.toFixed(1)}, Node ${host.node}`)
  lines.push(
    `${Object.entries(result.targets)
      .map(([name, version]) => `${name}: ${version}`)
      .join('; ')}; medians of ${result.rounds}, commit ${result.commit}`,
  )
  for (const [name, reason] of Object.entries(result.skipped)) lines.push(`skipped ${name}: ${reason}`)
  for (const what of ['kernels', 'boots'] as const)
    if (Object.keys(result[what]).length > 0) lines.push('', ...table(rateRows(result, what)))
  lines.push('', ...verdicts(result))
  for (const failure of result.failures) lines.push('', `failed: ${failure}`)
  return lines.join('\n')
}

/** Head and rows: medians with the largest spread of a row, and the ratios. */
export function rateRows(result: BenchResult, what: 'kernels' | 'boots'): string[][] {
  const targets = Object.keys(result.targets)
  const peers = targets.includes(OURS) ? PEERS.filter((peer) => targets.includes(peer)) : []
  const ratios = peers.map((peer) => ratiosTo(result, peer, what))
  const kernelUnit = result.clock === 'cpu' ? 'M instructions/CPU s' : 'M instructions/s'
  const unit = what === 'kernels' ? kernelUnit : 'boot, seconds'
  return [
    [unit, ...targets, 'spread', ...peers.map((peer) => `${OURS}/${peer}`)],
    ...Object.entries(result[what]).map(([name, rates]) => [
      name,
      ...targets.map((target) => (rates[target] ? digits(median(rates[target].runs)) : '–')),
      `${(100 * Math.max(0, ...Object.values(rates).map(({ runs }) => spread(runs)))).toFixed(0)} %`,
      ...ratios.map((ratio) => (ratio[name] === undefined ? '–' : ratio[name].toFixed(3))),
    ]),
  ]
}

/** Each bar with the mean that is measured against it, one sentence each. */
export function verdicts(result: BenchResult): string[] {
  const lines = BARS.flatMap(({ what, of, words, peer, ratio }) => {
    const all = Object.entries(ratiosTo(result, peer, what))
    const values = all.filter(([name]) => of(name)).map(([, value]) => value)
    if (values.length === 0) return []
    const mean = geometricMean(values)
    const verdict = `the bar is ${ratio}: ${mean >= ratio ? 'reached' : 'not reached'}`
    return [`geometric mean of ${OURS}/${peer} over ${values.length} ${words}: ${mean.toFixed(3)}; ${verdict}`]
  })
  const slow = Object.entries(ratiosTo(result, LEAST.peer)).filter(([, value]) => value < LEAST.ratio)
  if (slow.length > 0) {
    const names = slow.sort(([, a], [, b]) => a - b).map(([name, value]) => `${name} ${value.toFixed(3)}`)
    lines.push(`under ${LEAST.ratio} of ${LEAST.peer}: ${names.join(', ')}`)
  }
  return lines
}

/**
 * Two runs on hosts that may differ in speed and load: not their figures are compared but their ratios to a peer that
 * ran beside us both times. Undefined where there is no such peer.
 */
export function renderComparison(before: BenchResult, after: BenchResult): string | undefined {
  const lines: string[] = []
  for (const what of ['kernels', 'boots'] as const) {
    const pairs = PEERS.map((peer) => ({ peer, old: ratiosTo(before, peer, what), now: ratiosTo(after, peer, what) }))
    const pair = pairs.find(({ old, now }) => Object.keys(now).some((name) => name in old))
    if (!pair) continue
    const { peer, old, now } = pair
    const names = Object.keys(now).filter((name) => name in old)
    lines.push(
      ...table([
        [`${OURS}/${peer}`, 'before', 'now', 'change'],
        ...names.map((name) => [name, old[name].toFixed(3), now[name].toFixed(3), change(now[name] / old[name])]),
        [
          'geometric mean',
          ...[old, now].map((ratios) => geometricMean(names.map((name) => ratios[name])).toFixed(3)),
        ].concat(change(geometricMean(names.map((name) => now[name] / old[name])))),
      ]),
      '',
    )
  }
  return lines.length > 0 ? [`against the run of ${before.date}:`, ...lines].join('\n').trimEnd() : undefined
}

function change(factor: number): string {
  return `× ${factor.toFixed(2)}`
}

/** Three significant digits and no exponent. */
function digits(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3)
}

/** First column to the left, the others to the right. */
function table(rows: readonly string[][]): string[] {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)))
  return rows.map((row) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  '),
  )
}
