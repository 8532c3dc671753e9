/**
 * Durations as people write them: `500ms`, `10s`, `1m20s`, `1.5h`, or a plain number of seconds; in nanoseconds as the
 * machine's clock counts.
 */

const UNITS: { readonly [unit: string]: number } = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
}

const PART = /(\d+(?:\.\d+)?|\.\d+)(ns|us|µs|ms|s|m|h)/gy
const NUMBER = /^(\d+(\.\d+)?|\.\d+)$/

/**
 * @param duration A number is seconds.
 * @returns Nanoseconds, a whole number.
 * @throws Error with one sentence that quotes what is no duration.
 */
export function parseDuration(duration: string | number): number {
  const ns = tryParseDuration(duration)
  if (ns !== undefined) return ns
  throw new Error(
    `'${duration}' is not a duration; write seconds as a number, or numbers with units as in '500ms', '10s', '1m20s', '2h'`,
  )
}

/** Like `parseDuration`, but undefined where that would throw. */
export function tryParseDuration(duration: string | number): number | undefined {
  if (typeof duration === 'number') {
    return Number.isFinite(duration) && duration >= 0 ? Math.round(duration * 1e9) : undefined
  }
  const text = duration.trim()
  if (NUMBER.test(text)) return Math.round(Number(text) * 1e9)
  let ns = 0
  let end = 0
  PART.lastIndex = 0
  for (let part = PART.exec(text); part; part = PART.exec(text)) {
    ns += Number(part[1]) * UNITS[part[2]]
    end = PART.lastIndex
  }
  return text.length > 0 && end === text.length ? Math.round(ns) : undefined
}
