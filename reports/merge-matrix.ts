/** A matrix that was measured now, put into the one that was there: nothing that was measured is lost by it. */
import type { Cell, GuestRow, MatrixResult } from './matrix-result.js'

/**
 * By guest, engine and devices the later cell counts, but one that was not booted replaces none that was. Rows and
 * columns keep their order; new ones come behind. What is said of the run is of the later one; cells of an earlier one
 * say when they were measured.
 */
export function mergeMatrix(before: MatrixResult, now: MatrixResult): MatrixResult {
  const dated = before.cells.map((cell) => (cell.status === 'skipped' ? cell : { measured: before.run.date, ...cell }))
  const booted = now.cells.filter((cell) => cell.status !== 'skipped' || !dated.some((old) => isMeasured(old, cell)))
  const kept = new Set(
    now.guests.filter(({ name }) => !booted.some(({ guest }) => guest === name)).map(({ name }) => name),
  )
  const rows = now.guests.filter(({ name }) => !kept.has(name) || !before.guests.some((row) => row.name === name))
  return {
    ...now,
    guests: merged<GuestRow>(before.guests, rows, ({ name }) => name),
    engines: merged(before.engines, now.engines, ({ id }) => id),
    devices: merged(before.devices, now.devices, ({ id }) => id),
    cells: merged(dated, booted, cellKey),
  }
}

/** Whether anything was booted in it. */
export function hasMeasured({ cells }: MatrixResult): boolean {
  return cells.some(({ status }) => status !== 'skipped')
}

function isMeasured(old: Cell, cell: Cell): boolean {
  return old.status !== 'skipped' && cellKey(old) === cellKey(cell)
}

function cellKey({ guest, engine, device }: Cell): string {
  return JSON.stringify([guest, engine, device])
}

function merged<T>(before: readonly T[], now: readonly T[], key: (item: T) => string): T[] {
  const items = new Map(before.map((item) => [key(item), item]))
  for (const item of now) items.set(key(item), item)
  return [...items.values()]
}
