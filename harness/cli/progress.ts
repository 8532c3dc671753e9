/** The line on a terminal that shows how a run goes; nothing where standard error is no terminal. */
import type { Progress } from '../protocol/messages.js'

const CLEAR = '\r\x1b[K'

export interface ProgressLine {
  show(progress: Progress): void
  /** Takes the line away, before anything else is printed. */
  clear(): void
}

export function progressLine(stream: NodeJS.WriteStream, env: NodeJS.ProcessEnv = process.env): ProgressLine {
  if (!stream.isTTY) return { show: () => {}, clear: () => {} }
  let last: Progress | undefined
  let shown = false
  return {
    show(progress) {
      stream.write(`${CLEAR}${formatProgress(progress, last, { columns: stream.columns ?? 80, color: !env.NO_COLOR })}`)
      last = progress
      shown = true
    },
    clear() {
      if (shown) stream.write(CLEAR)
      shown = false
    },
  }
}

/** Speeds are those since `last`. One line no longer than the terminal is wide. */
export function formatProgress(
  now: Progress,
  last: Progress | undefined,
  { columns, color }: { columns: number; color: boolean },
): string {
  const hostMs = now.hostMs - (last?.hostMs ?? 0)
  const factor = hostMs > 0 ? (now.guestTimeNs - (last?.guestTimeNs ?? 0)) / 1e6 / hostMs : 0
  const mips = hostMs > 0 ? (now.instructions - (last?.instructions ?? 0)) / 1e3 / hostMs : 0
  const speed = now.instructions > 0 ? ` ${mips.toFixed(0)} MIPS` : ''
  const head = `${(now.guestTimeNs / 1e9).toFixed(1)} s${speed} ${factor.toFixed(2)}x`
  const rest = `  ${now.lastLine}`.slice(0, Math.max(0, columns - 1 - head.length))
  return color ? `\x1b[2m${head}\x1b[0m${rest}` : head + rest
}
