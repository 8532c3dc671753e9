/**
 * The support matrix as plain data: guests × engines × devices, each cell the levels a guest reached with the evidence.
 * `matrix.json` is this, with screenshots by path; in memory a screenshot carries its PNG.
 */

import * as z from 'zod'
import { UsageError } from '../../machine/errors.js'
import { MachineReport } from '../../machine/report.js'
import { schemaWords } from '../schema-words.js'

export const MATRIX_VERSION = 1

const Status = z.enum(['passed', 'failed', 'skipped'])

/** The mode of a screen that shows nothing. */
export const SCREEN_OFF = 'screen off'

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
  /** What it needs to be reached, or what is amiss although it is: `with acpi=off`. */
  note: z.string().optional(),
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

/** A file that a guest was booted from, by what is in it. */
export const MediumHash = z.object({
  /** What it is to the machine: `floppy A`, `kernel`, `BIOS`. */
  what: z.string(),
  /** Its file's name, without folders. */
  name: z.string(),
  sha256: z.string(),
  bytes: z.number().nonnegative().optional(),
})

const Host = z.object({
  os: z.string(),
  arch: z.string(),
  cpu: z.string(),
  cores: z.number().int().positive(),
  node: z.string(),
})

const Bootwright = z.object({ version: z.string(), commit: z.string().optional() })

export const Cell = z.object({
  guest: z.string(),
  engine: z.string(),
  device: z.string(),
  /** Passed: the guest reached its top level. Skipped: its media are not here. */
  status: Status,
  /** Why it failed or was skipped, one sentence or two. */
  reason: z.string().optional(),
  /** When it was booted. ISO 8601, UTC. */
  measured: z.iso.datetime().optional(),
  /** Where and with what, where that is not what is said of the whole matrix's run. */
  host: Host.optional(),
  bootwright: Bootwright.optional(),
  /** What it was booted from. */
  media: z.array(MediumHash).optional(),
  /** The command that does it again. */
  command: z.string().optional(),
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
    host: Host,
    bootwright: Bootwright,
    firmware: z.string().optional(),
  }),
  guests: z.array(GuestRow),
  engines: z.array(Column),
  devices: z.array(Column),
  cells: z.array(Cell),
})

export type MediumHash = z.infer<typeof MediumHash>
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

/**
 * The matrix's columns, in order: the engines, or where a guest was booted with several sets of devices on one of them,
 * every pair of engine and devices. Devices with which nothing was booted have none.
 */
export function columnsOf(result: MatrixResult): MatrixColumn[] {
  const booted = result.devices.filter(({ id }) => result.cells.some((c) => c.device === id && c.status !== 'skipped'))
  const devices = booted.length > 0 && hasSeveralDevices(result) ? booted : result.devices.slice(0, 1)
  return result.engines.flatMap((engine) =>
    devices.map((device) => ({
      engine,
      device,
      title: devices.length > 1 ? `${engine.title}, ${device.title}` : engine.title,
    })),
  )
}

function hasSeveralDevices({ cells }: MatrixResult): boolean {
  const seen = new Set<string>()
  for (const { guest, engine, status } of cells) {
    if (status === 'skipped') continue
    const key = JSON.stringify([guest, engine])
    if (seen.has(key)) return true
    seen.add(key)
  }
  return false
}

/** Those that were booted, then those that were not, each as they stand. */
export function measuredFirst({ guests, cells }: MatrixResult): GuestRow[] {
  const measured = new Set(cells.filter(({ status }) => status !== 'skipped').map(({ guest }) => guest))
  const [booted, others] = [true, false].map((was) => guests.filter(({ name }) => measured.has(name) === was))
  return [...booted, ...others]
}

/** What a column shows of a guest: its cell, and in the engine's first column also what has no column of its own. */
export function cellIn(result: MatrixResult, guest: string, column: MatrixColumn): Cell | undefined {
  const columns = columnsOf(result).filter(({ engine }) => engine.id === column.engine.id)
  const cells = result.cells.filter((cell) => cell.guest === guest && cell.engine === column.engine.id)
  const own = cells.filter(({ device }) => device === column.device.id)
  const isFirst = columns[0]?.device.id === column.device.id
  const others = isFirst ? cells.filter((cell) => !columns.some(({ device }) => device.id === cell.device)) : []
  const shown = [...own, ...others]
  return shown.find(({ status }) => status !== 'skipped') ?? shown[0]
}

/** How a level stands, in the words of support matrices. */
export type Standing = 'works' | 'works with a note' | 'broken' | 'untested'

export function standingOf({ status, note }: Pick<LevelResult, 'status' | 'note'>): Standing {
  if (status === 'skipped') return 'untested'
  if (status === 'failed') return 'broken'
  return note === undefined ? 'works' : 'works with a note'
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
