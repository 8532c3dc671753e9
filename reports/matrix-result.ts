/**
 * The support matrix as plain data: guests × engines × devices, each cell the levels a guest reached with the evidence.
 * `matrix.json` is this, with screenshots by path; in memory a screenshot carries its PNG.
 */

import { z } from 'zod'
import { UsageError } from '../machine/errors.js'
import { MachineReport } from '../machine/report.js'
import { schemaWords } from './schema-words.js'

export const MATRIX_VERSION = 1

const Status = z.enum(['passed', 'failed', 'skipped'])

export const Screenshot = z.object({
  /** Relative to the result file, with `/`. */
  path: z.string().optional(),
  /** The PNG in base64. */
  png: z.base64().optional(),
  /** Pixels. */
  width: z.number().int().positive(),
  height: z.number().int().positive(),
  /** The screen's mode in words: `text 80×25`, `640×480, 16 bits`. */
  mode: z.string(),
})

/** What was to be seen when a level was reached, or when the wait for it ended. */
export const Evidence = z.object({
  screenshot: Screenshot.optional(),
  /** The screen's text, lines without trailing blanks; absent in graphics modes. */
  text: z.string().optional(),
  /** The last lines the guest sent on COM1. */
  serial: z.string().optional(),
})

export const LevelResult = z.object({
  name: z.string(),
  /** What it is that shows this level: `the prompt A:\>`. */
  title: z.string(),
  status: Status,
  /** Why it failed or was skipped, one sentence. */
  reason: z.string().optional(),
  /** Since power-on. */
  guestTimeNs: z.number().nonnegative().optional(),
  hostTimeMs: z.number().nonnegative().optional(),
  /** Retired instructions since power-on; 0 under kvm, which does not count them. */
  instructions: z.number().nonnegative().optional(),
  evidence: Evidence.optional(),
})

export const MachineExit = z.object({
  reason: z.string(),
  code: z.number().optional(),
  detail: z.string().optional(),
})

export const Cell = z.object({
  guest: z.string(),
  engine: z.string(),
  device: z.string(),
  /** Passed: the guest reached its top level. Skipped: its media are not here. */
  status: Status,
  /** Why it failed or was skipped, one sentence or two. */
  reason: z.string().optional(),
  /** When, where that was in an earlier run than the matrix's. ISO 8601, UTC. */
  measured: z.iso.datetime().optional(),
  /** The engine's own words on why it was taken. */
  engineReason: z.string().optional(),
  /** The highest level reached. */
  level: z.string().optional(),
  levels: z.array(LevelResult),
  /** Why the machine stopped, where it stopped by itself. */
  exit: MachineExit.optional(),
  guestTimeNs: z.number().nonnegative().optional(),
  hostTimeMs: z.number().nonnegative().optional(),
  instructions: z.number().nonnegative().optional(),
  unhandled: MachineReport.shape.unhandled.optional(),
  /** What the machine's devices warned of, most often first. */
  warnings: MachineReport.shape.warnings.optional(),
  /** Registers when it failed. */
  registers: z.string().optional(),
})

export const GuestRow = z.object({
  name: z.string(),
  title: z.string(),
  family: z.string(),
  licence: z.string(),
  /** Where its media came from, in words. */
  media: z.array(z.string()),
  /** Its levels in order. */
  levels: z.array(z.string()),
})

/** Engine or set of devices: a column of the matrix. */
export const Column = z.object({ id: z.string(), title: z.string() })

export const MatrixResult = z.object({
  format: z.literal('bootwright-matrix'),
  version: z.literal(MATRIX_VERSION),
  run: z.object({
    /** ISO 8601, UTC. */
    date: z.iso.datetime(),
    durationMs: z.number().nonnegative(),
    host: z.object({
      os: z.string(),
      arch: z.string(),
      cpu: z.string(),
      cores: z.number().int().positive(),
      node: z.string(),
    }),
    bootwright: z.object({ version: z.string(), commit: z.string().optional() }),
    firmware: z.string().optional(),
  }),
  guests: z.array(GuestRow),
  engines: z.array(Column),
  devices: z.array(Column),
  cells: z.array(Cell),
})

export type Status = z.infer<typeof Status>
export type Screenshot = z.infer<typeof Screenshot>
export type Evidence = z.infer<typeof Evidence>
export type LevelResult = z.infer<typeof LevelResult>
export type MachineExit = z.infer<typeof MachineExit>
export type Cell = z.infer<typeof Cell>
export type GuestRow = z.infer<typeof GuestRow>
export type Column = z.infer<typeof Column>
export type MatrixResult = z.infer<typeof MatrixResult>

/** A result file is not one, or is of a version that this Bootwright does not read. */
export class ResultFormatError extends UsageError {
  override readonly name = 'ResultFormatError'
}

/**
 * Checks what was read from a `matrix.json`.
 * @throws ResultFormatError with one sentence that names the place.
 */
export function parseMatrix(data: unknown): MatrixResult {
  const head = z.object({ format: z.literal('bootwright-matrix'), version: z.number() }).safeParse(data)
  if (!head.success) throw new ResultFormatError('This is no matrix.json of Bootwright: its "format" is another.')
  if (head.data.version !== MATRIX_VERSION)
    throw new ResultFormatError(
      `This matrix.json has version ${head.data.version}, and this Bootwright reads version ${MATRIX_VERSION}.`,
    )
  const result = MatrixResult.safeParse(data)
  if (result.success) return result.data
  const words = schemaWords(MatrixResult, data, result.error, { whole: 'all of it' })
  throw new ResultFormatError(`This matrix.json is damaged: ${words}.`)
}

export interface MatrixColumn {
  engine: Column
  device: Column
  title: string
}

/** The cell of a guest in a column; undefined where it was not run. */
export function cellOf(result: MatrixResult, guest: string, engine: string, device: string): Cell | undefined {
  return result.cells.find((cell) => cell.guest === guest && cell.engine === engine && cell.device === device)
}

/** Every pair of engine and devices, in order: the matrix's columns. Devices with which nothing was booted have none. */
export function columnsOf(result: MatrixResult): MatrixColumn[] {
  const booted = result.devices.filter(({ id }) => result.cells.some((c) => c.device === id && c.status !== 'skipped'))
  const devices = booted.length > 0 ? booted : result.devices.slice(0, 1)
  return result.engines.flatMap((engine) =>
    devices.map((device) => ({
      engine,
      device,
      title: devices.length > 1 ? `${engine.title}, ${device.title}` : engine.title,
    })),
  )
}

/** What a column shows of a guest: its cell, and in the engine's first column what was skipped and has no column. */
export function cellIn(result: MatrixResult, guest: string, column: MatrixColumn): Cell | undefined {
  const columns = columnsOf(result).filter(({ engine }) => engine.id === column.engine.id)
  const own = cellOf(result, guest, column.engine.id, column.device.id)
  if (own || columns[0].device.id !== column.device.id) return own
  return result.cells.find(
    (cell) =>
      cell.guest === guest &&
      cell.engine === column.engine.id &&
      !columns.some(({ device }) => device.id === cell.device),
  )
}

export function countOf(result: MatrixResult): { [status in Status]: number } {
  const counts = { passed: 0, failed: 0, skipped: 0 }
  for (const cell of result.cells) counts[cell.status]++
  return counts
}

/** A name for a cell that is safe in paths and fragments. */
export function cellId(cell: Pick<Cell, 'guest' | 'engine' | 'device'>): string {
  return [cell.guest, cell.engine, cell.device].map((part) => part.replace(/[^a-zA-Z0-9.-]+/g, '-')).join('--')
}
