/** `npm run bench -- --publish`: what was measured, where readers of the repository find it. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type BenchResult, geometricMean, rateRows, ratiosTo, verdicts } from './report.js'

const FOLDER = import.meta.dirname
/** Stand for the part of README.md that is written here. */
const FROM = '<!-- measured -->'
const TO = '<!-- end of what is measured -->'

export function publish(result: BenchResult): void {
  writeFileSync(join(FOLDER, 'result.json'), `${JSON.stringify(result, undefined, 2)}\n`)
  writeFileSync(join(FOLDER, 'chart.svg'), chart(result))
  const path = join(FOLDER, 'README.md')
  const text = readFileSync(path, 'utf8')
  const [from, to] = [text.indexOf(FROM), text.indexOf(TO)]
  if (from < 0 || to < from) throw new Error(`${path} has lost its marks ${FROM} and ${TO}`)
  writeFileSync(path, `${text.slice(0, from)}${FROM}\n${measured(result)}\n${text.slice(to)}`)
}

function measured(result: BenchResult): string {
  const { host, targets, rounds, commit, date } = result
  const versions = Object.entries(targets).map(([name, version]) => `${name}: ${version}`)
  return [
    `Commit ${commit}, ${date.slice(0, 10)}; ${host.cpu}, ${host.cpus} CPUs, load ${host.load.toFixed(1)}, Node ${host.node}; ${versions.join('; ')}; medians of ${rounds} rounds.`,
    '![How fast Bootwright is beside QEMU and v86](chart.svg)',
    verdicts(result)
      .map((line) => `- ${line}`)
      .join('\n'),
    ...(['kernels', 'boots'] as const)
      .filter((what) => Object.keys(result[what]).length > 0)
      .map((what) => markdown(rateRows(result, what))),
    ...[...Object.entries(result.skipped).map(([name, why]) => `Not measured: ${name}, ${why}.`), ...result.failures],
  ].join('\n\n')
}

function markdown([head, ...rows]: string[][]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n')
}

const PEER = 'tcg-icount'
const BAR_HEIGHT = 14
const LABELS = 170
const WIDTH = 720
const LEAST = 0.125
const MOST = 8

/** Our speed as a ratio to QEMU's deterministic mode, a bar each, on a scale of powers of two. */
function chart(result: BenchResult): string {
  const bars = (['kernels', 'boots'] as const).flatMap((what) => Object.entries(ratiosTo(result, PEER, what)))
  const x = (ratio: number) => {
    const share = Math.log2(Math.min(MOST, Math.max(LEAST, ratio)) / LEAST) / Math.log2(MOST / LEAST)
    return LABELS + share * (WIDTH - LABELS - 60)
  }
  const height = (bars.length + 3) * (BAR_HEIGHT + 4)
  const rows = bars.map(([name, ratio], i) => {
    const y = (i + 2) * (BAR_HEIGHT + 4)
    const [from, to] = [x(1), x(ratio)].sort((a, b) => a - b)
    const fill = ratio >= 1 ? '#2f855a' : '#c05621'
    return [
      `<text x="${LABELS - 8}" y="${y + 11}" text-anchor="end">${name}</text>`,
      `<rect x="${from.toFixed(1)}" y="${y}" width="${Math.max(1, to - from).toFixed(1)}" height="${BAR_HEIGHT}" fill="${fill}"/>`,
      `<text x="${WIDTH - 8}" y="${y + 11}" text-anchor="end">${ratio.toFixed(2)}</text>`,
    ].join('')
  })
  const marks = [0.25, 0.5, 1, 2, 4].map(
    (ratio) =>
      `<line x1="${x(ratio)}" y1="28" x2="${x(ratio)}" y2="${height - 12}" stroke="#a0aec0" stroke-width="${ratio === 1 ? 1.5 : 0.5}"/><text x="${x(ratio)}" y="26" text-anchor="middle">${ratio}</text>`,
  )
  const mean = bars.length > 0 ? `, geometric mean ${geometricMean(bars.map(([, ratio]) => ratio)).toFixed(2)}` : ''
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="11">
<title>How fast Bootwright is beside QEMU and v86</title>
<rect width="100%" height="100%" fill="#fff"/>
<text x="8" y="14" font-size="12">Speed as a multiple of QEMU TCG -icount (longer to the right is faster)${mean}</text>
${marks.join('\n')}
${rows.join('\n')}
</svg>
`
}
