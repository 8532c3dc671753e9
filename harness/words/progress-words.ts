/** How a machine gets on, in a line: on a terminal one that is written over, elsewhere a new one now and then. */
import { printable } from '../../reports/printable.js'
import type { Progress } from '../protocol/messages.js'

const CLEAR = '\r\x1b[K'
/** Between two lines where they stay, ms of host time. */
const EVERY = 10_000
/** Of a line that is no terminal's. */
const COLUMNS = 120

export interface ProgressLine {
  show(progress: Progress): void
  /** Takes the line away, before anything else is printed. */
  clear(): void
}

/** For one machine: the live line of a terminal, else lines. */
export function progressLine(
  stream: Pick<NodeJS.WriteStream, 'isTTY' | 'columns' | 'write'>,
  env: NodeJS.ProcessEnv = process.env,
): ProgressLine {
  if (!stream.isTTY) return progressLines((line) => stream.write(`bootwright: ${line}\n`))
  let last: Progress | undefined
  let shown = false
  const estimate = new Estimate()
  return {
    show(progress) {
      const style = {
        columns: stream.columns ?? 80,
        color: !env.NO_COLOR,
        left: estimate.left(progress, progress.hostMs),
      }
      stream.write(`${CLEAR}${formatProgress(progress, last, style)}`)
      last = progress
      shown = true
    },
    clear() {
      if (shown) stream.write(CLEAR)
      shown = false
    },
  }
}

/**
 * A line after each ten seconds of host time in which something was told.
 * @param clock Host time, ms: a script's own begins anew with each script.
 */
export function progressLines(write: (line: string) => void, clock = () => performance.now()): ProgressLine {
  const begin = clock()
  let next = begin + EVERY
  let last: Progress | undefined
  const estimate = new Estimate()
  return {
    show(progress) {
      const now = clock()
      const left = estimate.left(progress, now)
      if (now < next) return
      next = now + EVERY
      const here = { ...progress, hostMs: now - begin }
      write(formatProgress(here, last, { columns: COLUMNS, color: false, left }))
      last = here
    },
    clear() {},
  }
}

/** Speeds are those since `last`. One line no longer than the terminal is wide. */
export function formatProgress(
  now: Progress,
  last: Progress | undefined,
  { columns, color, left }: { columns: number; color: boolean; left?: string },
): string {
  const hostMs = now.hostMs - (last?.hostMs ?? 0)
  const factor = hostMs > 0 ? (now.guestTimeNs - (last?.guestTimeNs ?? 0)) / 1e6 / hostMs : 0
  const mips = hostMs > 0 ? (now.instructions - (last?.instructions ?? 0)) / 1e3 / hostMs : 0
  const speed = now.instructions > 0 ? ` ${mips.toFixed(0)} MIPS` : ''
  const head = `${(now.guestTimeNs / 1e9).toFixed(1)} s${speed} ${factor.toFixed(2)}x`
  const rest = `  ${printable(phaseWords(now, left))}`.slice(0, Math.max(0, columns - 1 - head.length))
  return color ? `\x1b[2m${head}\x1b[0m${rest}` : head + rest
}

/** `base system 43 %, about 4 min left`, or the screen's last line where no phase is known. */
function phaseWords({ phase, lastLine }: Progress, left: string | undefined): string {
  if (!phase) return lastLine
  const percent = phase.percent === undefined ? '' : ` ${phase.percent} %`
  return `${phase.name}${percent}${left ? `, ${left}` : ''}`
}

/** How long a phase will take yet, by how fast it came where it is; nothing before a twentieth of it is done. */
class Estimate {
  private name: string | undefined
  private from = { percent: 0, ms: 0 }

  left({ phase }: Progress, ms: number): string | undefined {
    if (phase?.percent === undefined) return undefined
    const { name, percent } = phase
    if (name !== this.name) {
      this.name = name
      this.from = { percent, ms }
    }
    const done = percent - this.from.percent
    if (done < 5) return undefined
    return `about ${rounded(((ms - this.from.ms) / done) * (100 - percent))} left`
  }
}

function rounded(ms: number): string {
  return ms < 90_000 ? `${Math.ceil(ms / 10_000) * 10} s` : `${Math.round(ms / 60_000)} min`
}
