/** `bootwright matrix`: boots guests on engines, shows how far each gets, and writes the support matrix. */

import { availableParallelism } from 'node:os'
import { relative } from 'node:path'
import { Command } from 'commander'
import { Listr } from 'listr2'
import { type Cell, countOf, type MatrixResult } from '../../reports/matrix-result.js'
import { printable } from '../../reports/printable.js'
import { duration, guestTime, progress as levelsReached, summary } from '../../reports/words.js'
import { makeFolder, writeMatrix } from '../../reports/write-matrix.js'
import { type Guest, GuestError, guestMachine, guestNames, loadGuest } from '../guest/guest.js'
import { DEVICES, type EngineChoice, hostTimeoutMs, inParallel, matrixResult, runCell } from '../guest/matrix-run.js'
import { nearest } from '../words/nearest.js'
import { complain, EXIT, UsageError } from './errors.js'
import { ensureFirmware } from './firmware.js'
import { paragraphs } from './help.js'

const ENGINES = ['auto', 'kvm', 'soft'] as const
const DEFAULT_OUT = 'out/matrix'
/** More machines at a time than this gain little and take much memory. */
const MOST_AT_A_TIME = 4

export interface MatrixFlags {
  all?: boolean
  engine?: string[]
  out: string
}

export function matrixCommand(): Command {
  return new Command('matrix')
    .description('boot guests level by level and write the support matrix with its evidence')
    .argument('[guests...]', 'guests by name or path; default all but those that take long')
    .option('--all', 'the guests that take long, too')
    .option('--engine <engine>', 'auto, kvm or soft, a column each (default: soft)', (value, before?: string[]) => [
      ...(before ?? []),
      value,
    ])
    .option('--out <folder>', 'where matrix.html, matrix.md and matrix.json go', DEFAULT_OUT)
    .addHelpText('after', () => paragraphs(HELP))
    .action(async (guests: string[], flags: MatrixFlags) => {
      process.exitCode = await matrix(guests, flags)
    })
}

const HELP = `
A guest whose media are not on this host is skipped. 'bootwright setup --guests' gets those that are in Debian's
packages; for the others set BOOTWRIGHT_IMAGES to a folder that has them. A guest that takes long is booted when it is
named, or with --all; 'bootwright setup --guests --all' gets the packages for those.

Exit codes: 0 every guest that was booted reached its top level, 1 one did not, 2 wrong options, 3 the host lacks
something, 4 there was no guest to boot.`

/** A guest on an engine. */
interface Job {
  guest: Guest
  engine: EngineChoice
  title: string
  /** It takes long, and was not asked for. */
  leftOut: boolean
}

type RunJob = (job: Job, tell: (line: string) => void) => Promise<Cell>

async function matrix(names: readonly string[], flags: MatrixFlags): Promise<number> {
  try {
    const engines = parseEngines(flags.engine ?? ['soft'])
    if (flags.all && names.length > 0) throw new UsageError('--all and names of guests contradict each other; give one')
    const guests = await loadGuests(names.length > 0 ? names : guestNames())
    checkOut(flags.out)
    // Without media nothing runs, and what is missing can be told all the same.
    const leftOut = (guest: Guest) => guest.heavy !== undefined && !flags.all && names.length === 0
    if (await anyMedia(guests.filter((guest) => !leftOut(guest)))) await ensureFirmware()
    const started = new Date()
    // Those that take longest come last, so that there is soon something to see.
    const byTime = [...guests].sort((a, b) => hostTimeoutMs(a) - hostTimeoutMs(b))
    const jobs = byTime.flatMap((guest) =>
      engines.map((engine) => ({
        guest,
        engine,
        title: engines.length > 1 ? `${guest.title} on ${engine}` : guest.title,
        leftOut: leftOut(guest),
      })),
    )
    const cells = await (hasTerminal() ? runWithList(jobs, runJob) : runWithLines(jobs, runJob))
    const result = matrixResult({ guests, engines, started }, cells)
    const written = writeMatrix(result, flags.out)
    console.log(`\n${summary(result)} (${duration(result.run.durationMs)}).`)
    console.log(`The matrix is in ${relative('', written.html) || written.html}`)
    return exitCodeOf(result)
  } catch (error) {
    return complain(error)
  }
}

async function anyMedia(guests: readonly Guest[]): Promise<boolean> {
  const machines = await Promise.allSettled(guests.map(guestMachine))
  return machines.some(({ status }) => status === 'fulfilled')
}

/** Before an hour of booting, not after it. */
function checkOut(folder: string): void {
  if (folder === '') throw new UsageError('--out has an empty path; name a folder')
  try {
    makeFolder(folder)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (!['EEXIST', 'ENOTDIR', 'ENOENT'].includes(code ?? '')) throw error
    throw new UsageError(`--out '${folder}' cannot be a folder: a part of it is a file or cannot be made; name another`)
  }
}

/** One that says how wide it is: lists are wrapped to that. */
function hasTerminal(): boolean {
  return process.stdout.isTTY && process.stdout.columns > 0
}

function exitCodeOf(result: MatrixResult): number {
  const { passed, failed } = countOf(result)
  if (failed > 0) return EXIT.failed
  return passed > 0 ? EXIT.ok : EXIT.noTests
}

function parseEngines(names: readonly string[]): EngineChoice[] {
  const engines = names.map((name) => {
    const engine = ENGINES.find((known) => known === name)
    if (engine) return engine
    const near = nearest(name, ENGINES)
    throw new UsageError(
      `--engine '${name}' is unknown; ${near ? `did you mean '${near}'? ` : ''}engines are auto, kvm and soft`,
    )
  })
  return [...new Set(engines)]
}

async function loadGuests(names: readonly string[]): Promise<Guest[]> {
  const guests: Guest[] = []
  for (const name of new Set(names)) {
    const guest = await loadGuest(name)
    if (guests.some((other) => other.name === guest.name))
      throw new GuestError(`two of the guests are called '${guest.name}'; give one of them another name`)
    guests.push(guest)
  }
  return guests
}

const runJob: RunJob = async ({ guest, engine, leftOut }, tell) => {
  if (leftOut) return leftOutCell(guest, engine)
  return runCell(guest, {
    engine,
    onProgress: (level, { guestTimeNs, lastLine }) =>
      tell(`${level.name}? ${guestTime(guestTimeNs)} of guest time  ${lastLine}`),
  })
}

function leftOutCell(guest: Guest, engine: EngineChoice): Cell {
  const reason = `${guest.heavy}: 'bootwright matrix ${guest.name}' boots it.`
  return { guest: guest.name, engine, device: DEVICES.id, status: 'skipped', levels: [], reason }
}

/** `keyboard 4/4, 3.2 s`, or why not. */
function outcome(cell: Cell): string {
  if (cell.status === 'skipped') return cell.reason ?? 'skipped'
  const figures = `${cell.level ?? 'no level'} ${levelsReached(cell)}, ${duration(cell.hostTimeMs ?? 0)}`
  return cell.reason ? `${figures}: ${cell.reason}` : figures
}

function atATime(): number {
  return Math.max(1, Math.min(MOST_AT_A_TIME, availableParallelism()))
}

/** For a terminal: all guests at once, what each shows, and what became of it. */
async function runWithList(jobs: readonly Job[], run: RunJob): Promise<Cell[]> {
  const cells: Cell[] = []
  let fatal: unknown
  const list = new Listr(
    jobs.map((job, i) => ({
      title: job.title,
      task: async (_, task) => {
        if (fatal) return task.skip(`${job.title}: not started`)
        let cell: Cell
        try {
          cell = await run(job, (line) => {
            task.output = printable(line)
          })
        } catch (error) {
          fatal ??= error
          throw error
        }
        cells[i] = cell
        if (cell.status === 'skipped') return task.skip(printable(`${job.title}: ${outcome(cell)}`))
        if (cell.status === 'failed') throw new Error(printable(`${job.title}: ${outcome(cell)}`))
        task.title = printable(`${job.title}: ${outcome(cell)}`)
      },
    })),
    { concurrent: atATime(), exitOnError: false, rendererOptions: { collapseErrors: false, collapseSkips: true } },
  )
  await list.run()
  if (fatal) throw fatal
  return cells
}

const MARKS = { passed: '✓', failed: '✗', skipped: '-' }

/** Elsewhere: a line when a guest is done. */
async function runWithLines(jobs: readonly Job[], run: RunJob): Promise<Cell[]> {
  return inParallel(
    jobs.map((job) => async () => {
      const cell = await run(job, () => {})
      console.log(printable(`${MARKS[cell.status]} ${job.title}: ${outcome(cell)}`))
      return cell
    }),
    atATime(),
  )
}
