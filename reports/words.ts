/** Figures in words, the same in every renderer. */
import type { UnhandledAccess } from '../machine/report.js'
import type { Cell, MatrixResult } from './matrix/matrix-result.js'
import { countOf } from './matrix/matrix-result.js'

/** Milliseconds as `850 ms`, `12.3 s`, `2 min 5 s`. */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 99_950) return `${(ms / 1000).toFixed(1)} s`
  const seconds = Math.round(ms / 1000)
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}

/** Guest time in nanoseconds, as `duration` does. */
export function guestTime(ns: number): string {
  return duration(ns / 1e6)
}

/** A count as `950`, `12.3 thousand`, `4.56 million`, `1.23 billion`. */
export function count(value: number): string {
  if (value < 10_000) return value.toLocaleString('en-US')
  if (value < 1e6) return `${(value / 1e3).toFixed(1)} thousand`
  if (value < 1e9) return `${(value / 1e6).toFixed(2)} million`
  return `${(value / 1e9).toFixed(2)} billion`
}

/** `reached 3 of 5` in the short form of a table: `3/5`. */
export function progress(cell: Cell): string {
  return `${cell.levels.filter((level) => level.status === 'passed').length}/${cell.levels.length}`
}

/** What a guest took: times, instructions, and how it ended by itself. */
export function figuresOf({ guestTimeNs, hostTimeMs, instructions, exit }: Cell): string[] {
  const figures: string[] = []
  if (guestTimeNs !== undefined) figures.push(`${guestTime(guestTimeNs)} of guest time`)
  if (hostTimeMs !== undefined) figures.push(`${duration(hostTimeMs)} of host time`)
  if (instructions) figures.push(`${count(instructions)} instructions`)
  if (exit) figures.push(`stopped by itself: ${exitName(exit)}`)
  return figures
}

export function summary(result: MatrixResult): string {
  const { passed, failed, skipped } = countOf(result)
  const booted = passed + failed
  const parts = [booted === 0 ? 'No guest was booted' : `${passed} of ${booted} reached their top level`]
  if (failed > 0) parts.push(`${failed} did not`)
  if (skipped > 0) parts.push(`${skipped} skipped`)
  return parts.join(', ')
}

/** `port 0x3f8`, `MSR 0xc0000080`, `memory 0xfec00000`. */
export function accessName(access: UnhandledAccess): string {
  const kind = { port: 'port', mmio: 'memory', msr: 'MSR' }[access.kind]
  return `${kind} 0x${access.address.toString(16)}`
}

/** The exit as one phrase: `debug-exit 33 (kernel panic)`. */
export function exitName(exit: NonNullable<Cell['exit']>): string {
  return [exit.reason, exit.code, exit.detail && `(${exit.detail})`]
    .filter((part) => part !== undefined && part !== '')
    .join(' ')
}
