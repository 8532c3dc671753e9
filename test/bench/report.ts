/** What a bench found, as plain data and as tables. */

export interface Rate {
  /** Best run. */
  best: number
  /** All runs in order. */
  runs: number[]
}

export interface BenchResult {
  format: 1
  /** ISO 8601. */
  date: string
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
/** The geometric mean of our speed to that of the peer which the interpreter is to reach at least. */
export const BAR = { peer: 'tcg-icount', ratio: 0.25 }

/** 64-bit code is to run at this share at least of the speed of the same program as 32-bit code. */
export const LONG_BAR = 0.8
/** Ends the names of kernels of 64-bit code. */
const LONG = '-64'

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
    const ours = rates[OURS]?.best
    const theirs = rates[peer]?.best
    if (ours && theirs) ratios[name] = what === 'kernels' ? ours / theirs : theirs / ours
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
      .join('; ')}; best of ${result.rounds}`,
  )
  for (const [name, reason] of Object.entries(result.skipped)) lines.push(`skipped ${name}: ${reason}`)
  if (Object.keys(result.kernels).length > 0) lines.push('', ...rateTable(result, 'kernels'), '', ...means(result))
  if (Object.keys(result.boots).length > 0) lines.push('', ...rateTable(result, 'boots'))
  for (const failure of result.failures) lines.push('', `failed: ${failure}`)
  return lines.join('\n')
}

function rateTable(result: BenchResult, what: 'kernels' | 'boots'): string[] {
  const targets = Object.keys(result.targets)
  const peers = targets.includes(OURS) ? PEERS.filter((peer) => targets.includes(peer)) : []
  const ratios = peers.map((peer) => ratiosTo(result, peer, what))
  const kernelUnit = result.clock === 'cpu' ? 'M instructions/CPU s' : 'M instructions/s'
  const unit = what === 'kernels' ? kernelUnit : 'boot, seconds'
  return table([
    [unit, ...targets, ...peers.map((peer) => `${OURS}/${peer}`)],
    ...Object.entries(result[what]).map(([name, rates]) => [
      name,
      ...targets.map((target) => (rates[target] ? digits(rates[target].best) : '–')),
      ...ratios.map((ratio) => (ratio[name] === undefined ? '–' : ratio[name].toFixed(3))),
    ]),
  ])
}

function means(result: BenchResult): string[] {
  return PEERS.flatMap((peer) => {
    const all = Object.entries(ratiosTo(result, peer))
    const [long, plain] = [true, false].map((is) =>
      all.filter(([name]) => name.endsWith(LONG) === is).map(([, ratio]) => ratio),
    )
    return [
      ...mean(`${OURS}/${peer}`, plain, peer === BAR.peer ? BAR.ratio : undefined),
      ...mean(`${OURS}/${peer}, 64-bit code,`, long),
    ]
  }).concat(mean(`64-bit/32-bit code on ${OURS}`, longRatios(result), LONG_BAR))
}

function mean(what: string, ratios: readonly number[], bar?: number): string[] {
  if (ratios.length === 0) return []
  const value = geometricMean(ratios)
  const verdict = bar === undefined ? '' : `; the bar is ${bar}: ${value >= bar ? 'reached' : 'not reached'}`
  return [`geometric mean of ${what} over ${ratios.length} kernels: ${value.toFixed(3)}${verdict}`]
}

/** Our speed in 64-bit code as a ratio to that of the same kernels in 32-bit code. */
function longRatios({ kernels }: BenchResult): number[] {
  return Object.keys(kernels).flatMap((name) => {
    const wide = kernels[name + LONG]?.[OURS]?.best
    const narrow = kernels[name][OURS]?.best
    return wide && narrow ? [wide / narrow] : []
  })
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
