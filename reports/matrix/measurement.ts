/**
 * What became of one guest on one engine and machine in one run: a file each, which nothing ever writes again. The matrix
 * is what they say together.
 */
import * as z from 'zod'
import { schemaWords } from '../schema-words.js'
import { Cell, Column, GuestRow, MATRIX_VERSION, MatrixResult, ResultFormatError } from './matrix-result.js'

export const MEASUREMENT_VERSION = 1

export const Measurement = z.object({
  format: z.literal('bootwright-measurement'),
  version: z.literal(MEASUREMENT_VERSION),
  run: MatrixResult.shape.run.omit({ durationMs: true }).extend({
    /** The same in all that was measured by one command, also where it ran on several hosts. */
    id: z.string().regex(/^[\w.-]+$/),
  }),
  guest: GuestRow,
  engine: Column,
  device: Column,
  /** With `measured`, and screenshots by path. */
  cell: Cell.extend({ measured: z.iso.datetime() }),
})
export type Measurement = z.infer<typeof Measurement>

/**
 * Checks what was read from a measurement's file.
 * @throws ResultFormatError with one sentence that names the place.
 */
export function parseMeasurement(data: unknown, file: string): Measurement {
  const read = Measurement.safeParse(data)
  if (read.success) return read.data
  const { version, format } = (data ?? {}) as { version?: unknown; format?: unknown }
  if (format === 'bootwright-measurement' && typeof version === 'number' && version > MEASUREMENT_VERSION)
    throw new ResultFormatError(
      `${file} has version ${version}, and this Bootwright reads version ${MEASUREMENT_VERSION}: use a newer one.`,
    )
  throw new ResultFormatError(
    `${file} is no measurement: ${schemaWords(Measurement, data, read.error, { whole: 'it' })}.`,
  )
}

/** What a matrix says of each guest that was booted; one that an earlier Bootwright wrote has the run's date for all. */
export function measurementsOf(matrix: MatrixResult): Measurement[] {
  const { durationMs: _, ...run } = matrix.run
  return matrix.cells.flatMap((cell) => {
    const guest = matrix.guests.find(({ name }) => name === cell.guest)
    if (!guest || cell.status === 'skipped') return []
    const columnOf = (columns: readonly Column[], id: string) =>
      columns.find((one) => one.id === id) ?? { id, title: id }
    const { host = run.host, bootwright = run.bootwright, measured = run.date, ...rest } = cell
    return {
      format: 'bootwright-measurement' as const,
      version: MEASUREMENT_VERSION as typeof MEASUREMENT_VERSION,
      run: { ...run, id: runId(measured), date: measured, host, bootwright },
      guest,
      engine: columnOf(matrix.engines, cell.engine),
      device: columnOf(matrix.devices, cell.device),
      cell: { ...rest, measured },
    }
  })
}

/** By its date, for one that was given none. */
export function runId(date: string): string {
  return date.replace(/[-:.]/g, '')
}

/** Guest, engine and devices: of what has the same key the later one counts. */
export function measurementKey({ cell }: Pick<Measurement, 'cell'>): string {
  return JSON.stringify([cell.guest, cell.engine, cell.device])
}

/** The last of each guest, engine and devices, the oldest first. */
export function latest(measurements: readonly Measurement[]): Measurement[] {
  return [...new Map(byDate(measurements).map((one) => [measurementKey(one), one])).values()]
}

export function byDate(measurements: readonly Measurement[]): Measurement[] {
  return [...measurements].sort(
    (a, b) =>
      compare(a.cell.measured, b.cell.measured) ||
      compare(a.run.id, b.run.id) ||
      compare(measurementKey(a), measurementKey(b)),
  )
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

/**
 * The matrix that measurements make together, whoever made them and wherever: the latest of each counts. Rows come by
 * their names' order in `rows`, which also says what is to be told of guests that nobody has booted; others follow.
 *
 * @param rows What this run knows of guests, with the cells of those that were not booted.
 */
export function matrixOf(
  measurements: readonly Measurement[],
  rows: MatrixResult | undefined,
  now: MatrixResult['run'] | undefined = rows?.run,
): MatrixResult | undefined {
  const shown = latest(measurements)
  const newest = byDate(measurements).at(-1)
  const run = now ?? (newest && { ...newest.run, durationMs: sumOf(measurements, newest.run.id) })
  if (!run) return undefined
  const booted = new Set(shown.map(({ cell }) => `${cell.guest} ${cell.engine}`))
  const untested = (rows?.cells ?? []).filter(
    ({ status, guest, engine }) => status === 'skipped' && !booted.has(`${guest} ${engine}`),
  )
  const cells = shown.map(({ cell, run: { host, bootwright } }) => ({
    ...cell,
    ...(JSON.stringify(host) !== JSON.stringify(run.host) && { host }),
    ...(JSON.stringify(bootwright) !== JSON.stringify(run.bootwright) && { bootwright }),
  }))
  const guests = unique([...(rows?.guests ?? []), ...shown.map(({ guest }) => guest)], ({ name }) => name)
  // A definition of today says which levels there are now, and the measurement which there were.
  const rowOf = (name: string) => shown.findLast(({ guest }) => guest.name === name)?.guest
  return {
    format: 'bootwright-matrix',
    version: MATRIX_VERSION,
    run: {
      date: run.date,
      durationMs: run.durationMs,
      host: run.host,
      bootwright: run.bootwright,
      firmware: run.firmware,
    },
    guests: guests.map((row) => rowOf(row.name) ?? row),
    engines: unique([...(rows?.engines ?? []), ...shown.map(({ engine }) => engine)], ({ id }) => id),
    devices: unique([...shown.map(({ device }) => device), ...(rows?.devices ?? [])], ({ id }) => id),
    cells: [...cells, ...untested],
  }
}

/** Rows of an earlier matrix with those of a run: order is the earlier one's, what is said the run's. */
export function rowsOf(before: MatrixResult | undefined, now: MatrixResult | undefined): MatrixResult | undefined {
  if (!before || !now) return now ?? before
  const rows = new Map([...before.guests, ...now.guests].map((row) => [row.name, row]))
  const skipped = [...before.cells, ...now.cells].filter(({ status }) => status === 'skipped')
  return {
    ...now,
    guests: [...rows.values()],
    engines: [...before.engines, ...now.engines],
    devices: [...before.devices, ...now.devices],
    cells: [...new Map(skipped.map((cell) => [`${cell.guest} ${cell.engine}`, cell])).values()],
  }
}

/** Whether anything was booted in it. */
export function hasMeasured({ cells }: MatrixResult): boolean {
  return cells.some(({ status }) => status !== 'skipped')
}

/** What the guests of a run took, ms. */
function sumOf(measurements: readonly Measurement[], id: string): number {
  return measurements.reduce((sum, { run, cell }) => sum + (run.id === id ? (cell.hostTimeMs ?? 0) : 0), 0)
}

function unique<T>(items: readonly T[], key: (item: T) => string): T[] {
  const seen = new Map<string, T>()
  for (const item of items) if (!seen.has(key(item))) seen.set(key(item), item)
  return [...seen.values()]
}
