/** `bootwright matrix`: boots guests on engines, shows how far each gets, and writes the support matrix. */

import { availableParallelism } from 'node:os'
import { basename, isAbsolute } from 'node:path'
import { Command } from 'commander'
import { Listr } from 'listr2'
import { makeFolder } from '../../reports/make-folder.js'
import { type Cell, countOf, type MatrixResult } from '../../reports/matrix-result.js'
import { printable } from '../../reports/printable.js'
import { readResults } from '../../reports/results-folder.js'
import { duration, guestTime, progress as levelsReached, summary } from '../../reports/words.js'
import { type Guest, GuestError, guestMachine, guestNames, type Level, loadGuest } from '../guest/guest.js'
import { columnOf, type EngineChoice, hostTimeoutMs, inParallel, runCell } from '../guest/matrix-run.js'
import type { Progress } from '../protocol/messages.js'
import { nearest } from '../words/nearest.js'
import { progressLines } from '../words/progress-words.js'
import { complain, EXIT, UsageError } from './errors.js'
import { ensureFirmware } from './firmware.js'
import { paragraphs } from './help.js'
import { keeper, onInterrupt } from './matrix-keeper.js'

const ENGINES = ['auto', 'kvm', 'soft'] as const
const DEFAULT_OUT = 'out/matrix'
/** More machines at a time than this gain little and take much memory. */
const MOST_AT_A_TIME = 4

export interface MatrixFlags {
  all?: boolean
  allowMissing?: boolean
  engine?: string[]
  out: string
}

export function matrixCommand(): Command {
  return new Command('matrix')
    .description('boot guests level by level and write the support matrix with its evidence')
    .argument('[guests...]', 'guests by name or path; default all but those that take long')
    .option('--all', 'the guests that take long, too')
    .option('--allow-missing', 'guests that are named and whose media are missing are no failure')
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
A guest whose media are not on this host is skipped; one that was named is a failure then, unless --allow-missing
is given. What was measured is added to the matrix in the folder, in place of what was there of the same guest and engine. 'bootwright setup --guests' gets those that are in Debian's
packages; for the others set BOOTWRIGHT_IMAGES to a folder that has them. A guest that takes long is booted when it is
named, or with --all; 'bootwright setup --guests --all' gets the packages for those.

Exit codes: 0 every guest that was booted reached its top level, 1 one did not or could not be booted though it was
named, 2 wrong options, 3 the host lacks something, 4 there was no guest to boot, 130 interrupted.`

/** A guest on an engine. */
interface Job {
  guest: Guest
  engine: EngineChoice
  /** How a command line names the guest. */
  named: string
  title: string
  /** It takes long, and was not asked for. */
  leftOut: boolean
}

type RunJob = (job: Job, tell: (level: Level, progress: Progress) => void) => Promise<Cell>

async function matrix(names: readonly string[], flags: MatrixFlags): Promise<number> {
  try {
    const engines = parseEngines(flags.engine ?? ['soft'])
    if (flags.all && names.length > 0) throw new UsageError('--all and names of guests contradict each other; give one')
    const named = await loadGuests(names.length > 0 ? names : guestNames())
    const guests = [...named.keys()]
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
        named: named.get(guest) as string,
        title: engines.length > 1 ? `${guest.title} on ${engine}` : guest.title,
        leftOut: leftOut(guest),
      })),
    )
    const keep = keeper({ guests, engines, started }, flags.out)
    const forget = onInterrupt(keep)
    const run: RunJob = async (job, tell) => {
      const cell = await runJob(job, tell)
      keep.add(cell)
      return cell
    }
    try {
      await (hasTerminal() ? runWithList(jobs, run) : runWithLines(jobs, run))
    } finally {
      forget()
    }
    const result = keep.result()
    console.log(`\n${summary(result)} (${duration(result.run.durationMs)}).`)
    console.log(await keep.finish())
    return exitCodeOf(result, names.length > 0 && !flags.allowMissing)
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
    for (const words of readResults(folder).damaged) process.stderr.write(`bootwright: ${words}\n`)
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

/** @param all A guest that could not be booted is a failure. */
function exitCodeOf(result: MatrixResult, all: boolean): number {
  const { passed, failed, skipped } = countOf(result)
  if (failed > 0 || (all && skipped > 0)) return EXIT.failed
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

/** Guests, and how a command line names each: others are told no folders of this host. */
async function loadGuests(names: readonly string[]): Promise<Map<Guest, string>> {
  const guests = new Map<Guest, string>()
  for (const name of new Set(names)) {
    const guest = await loadGuest(name)
    if ([...guests.keys()].some((other) => other.name === guest.name))
      throw new GuestError(`two of the guests are called '${guest.name}'; give one of them another name`)
    guests.set(guest, isAbsolute(name) ? basename(name) : name)
  }
  return guests
}

const runJob: RunJob = async ({ guest, engine, named, leftOut }, tell) => {
  if (leftOut) return leftOutCell(guest, engine)
  return runCell(guest, { engine, named, onProgress: tell })
}

function leftOutCell(guest: Guest, engine: EngineChoice): Cell {
  const reason = `${guest.heavy}: 'bootwright matrix ${guest.name}' boots it.`
  return { guest: guest.name, engine, device: columnOf(guest).id, status: 'skipped', levels: [], reason }
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
          cell = await run(job, (level, { guestTimeNs, lastLine }) => {
            task.output = printable(`${level.name}? ${guestTime(guestTimeNs)} of guest time  ${lastLine}`)
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

/** Elsewhere: a line when a guest is done, and one on standard error each ten seconds while it is not. */
async function runWithLines(jobs: readonly Job[], run: RunJob): Promise<Cell[]> {
  return inParallel(
    jobs.map((job) => async () => {
      let asked = ''
      const lines = progressLines((line) =>
        process.stderr.write(`${printable(`bootwright: ${job.title}: ${asked}? ${line}`)}\n`),
      )
      const cell = await run(job, (level, progress) => {
        asked = level.name
        lines.show(progress)
      })
      console.log(printable(`${MARKS[cell.status]} ${job.title}: ${outcome(cell)}`))
      return cell
    }),
    atATime(),
  )
}
