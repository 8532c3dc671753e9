/** `bootwright matrix`: boots guests on engines, shows how far each gets, and writes the support matrix. */

import { existsSync } from 'node:fs'
import { basename, isAbsolute } from 'node:path'
import { Command } from 'commander'
import { makeFolder } from '../../../reports/make-folder.js'
import { type Cell, countOf, type MatrixResult } from '../../../reports/matrix/matrix-result.js'
import { latest, type Measurement } from '../../../reports/matrix/measurement.js'
import { mergeResults, readResults } from '../../../reports/matrix/results-folder.js'
import { duration, summary } from '../../../reports/words.js'
import { type Guest, GuestError, guestMachine, guestNames, type Level, loadGuest } from '../../guest/guest.js'
import { MissingMediaError } from '../../guest/guest-media.js'
import { lacksMedia } from '../../guest/guest-offer.js'
import { columnOf, type EngineChoice, hostTimeoutMs, runCell } from '../../guest/matrix-run.js'
import type { Progress } from '../../protocol/messages.js'
import { nearest } from '../../words/nearest.js'
import { complain, EXIT, UsageError } from '../errors.js'
import { ensureFirmware } from '../firmware.js'
import { paragraphs } from '../help.js'
import { type Gate, gate, readBaseline, shardOf, tellChanges } from '../matrix/matrix-gates.js'
import { atATime, type Job, type RunJob, runJobs } from '../matrix/matrix-jobs.js'
import { keeper, onInterrupt, writePages } from '../matrix/matrix-keeper.js'
import { type MatrixQueue, openMatrixQueue, type PerformJob } from '../matrix/matrix-queue.js'
import { changesSince, putSite } from '../matrix/matrix-site.js'
import { type QueueFlags, queueOptions, waitMs } from '../matrix/queue-options.js'

const ENGINES = ['auto', 'kvm', 'soft'] as const
const DEFAULT_OUT = 'out/matrix'

export interface MatrixFlags extends QueueFlags {
  all?: boolean
  allowMissing?: boolean
  engine?: string[]
  out: string
  site?: string
  /** False: nothing is booted. */
  boot: boolean
  merge?: string[]
  since?: string
  baseline?: string
  strict?: boolean
  flaky?: number
  shard?: string
}

export function matrixCommand(): Command {
  const command = new Command('matrix')
    .description('boot guests level by level and write the support matrix with its evidence')
    .argument('[guests...]', 'guests by name or path; default all but those that take long')
    .option('--all', 'the guests that take long, too')
    .option('--allow-missing', 'guests that are named and whose media are missing are no failure')
    .option('--engine <engine>', 'auto, kvm or soft, a column each (default: soft)', (value, before?: string[]) => [
      ...(before ?? []),
      value,
    ])
    .option('--out <folder>', 'where matrix.html, matrix.md and matrix.json go', DEFAULT_OUT)
    .option('--site <folder>', 'also write the site: static pages with history, comparison of runs, badges')
    .option('--no-boot', 'boot nothing: only write the pages of what was measured')
    .option('--merge <folders...>', 'take in what other folders have measured, and boot nothing')
    .option('--since <commit>', 'say what has changed since a commit, a tag or a date, and boot nothing')
    .option('--baseline <matrix>', "a matrix.json or a matrix's folder: exit code 1 where something works no longer")
    .option('--strict', 'a guest that was not booted is a failure, also one of the baseline')
    .option('--flaky <times>', 'boot again, so many times, what works no longer: once is enough', parseTimes)
    .option('--shard <part>', 'as 2/5: the second of five parts of the guests')
  return queueOptions(command)
    .addHelpText('after', () => paragraphs(HELP))
    .action(async (guests: string[], flags: MatrixFlags) => {
      process.exitCode = await matrix(guests, flags)
    })
}

const HELP = `
A guest whose media are not on this host is skipped; one that was named is a failure then, unless --allow-missing
is given. What was measured is added to the folder's results, and the pages show the latest of each guest and engine.
'bootwright setup --guests' gets those that are in Debian's packages; for the others set BOOTWRIGHT_IMAGES to a folder that has them. A guest that takes long is booted when it is
named, or with --all; 'bootwright setup --guests --all' gets the packages for those.

Exit codes: 0 every guest that was booted reached its top level, 1 one did not or could not be booted though it was
named; with --baseline 1 only where a level works no longer; 2 wrong options, 3 the host lacks something, 4 there was no guest to boot, 130 interrupted.`

async function matrix(names: readonly string[], flags: MatrixFlags): Promise<number> {
  try {
    if (flags.all && names.length > 0) throw new UsageError('--all and names of guests contradict each other; give one')
    const baseline = readBaseline(flags.baseline)
    waitMs(flags)
    checkOut(flags.out)
    if (!flags.boot || flags.merge || flags.since !== undefined) return await withoutBooting(names, flags, baseline)
    return await bootAll(names, flags, baseline)
  } catch (error) {
    return complain(error)
  }
}

async function withoutBooting(
  names: readonly string[],
  flags: MatrixFlags,
  baseline: Gate | undefined,
): Promise<number> {
  if (names.length > 0)
    throw new UsageError('names of guests are for booting; leave them out with --no-boot, --merge and --since')
  for (const folder of flags.merge ?? [])
    if (!existsSync(folder)) throw new UsageError(`there is no folder '${folder}' to merge; name folders of matrices`)
  let rows: MatrixResult | undefined
  if (flags.merge) {
    const { measured, damaged, ...merged } = mergeResults(flags.merge, flags.out)
    rows = merged.rows
    for (const words of damaged) process.stderr.write(`bootwright: ${words}\n`)
    console.log(`${measured} measurements of ${flags.merge.length} folders are in ${flags.out}`)
  }
  const { measurements } = readResults(flags.out)
  if (flags.since !== undefined) {
    tellChanges(changesSince(measurements, flags.since), `since ${flags.since}`, flags.out)
    return EXIT.ok
  }
  console.log(`The matrix is in ${await writePages(rows, flags.out)}`)
  if (flags.site !== undefined) console.log(putSite(flags.out, flags.site))
  return baseline ? gate(baseline, latest(measurements), flags) : EXIT.ok
}

async function bootAll(names: readonly string[], flags: MatrixFlags, baseline: Gate | undefined): Promise<number> {
  const engines = parseEngines(flags.engine ?? ['soft'])
  const named = await loadGuests(names.length > 0 ? names : guestNames())
  const guests = shardOf([...named.keys()], flags.shard)
  const before = latest(readResults(flags.out).measurements)
  // Without media nothing runs, and what is missing can be told all the same.
  const leftOut = (guest: Guest) => guest.heavy !== undefined && !flags.all && names.length === 0
  const queue = flags.queue === undefined ? undefined : await openMatrixQueue(flags.queue, waitMs(flags))
  try {
    return await bootJobs(names, flags, baseline, { engines, named, guests, before, leftOut, queue })
  } finally {
    await queue?.close()
  }
}

interface Plan {
  engines: readonly EngineChoice[]
  named: ReadonlyMap<Guest, string>
  guests: readonly Guest[]
  before: readonly Measurement[]
  leftOut(guest: Guest): boolean
  queue: MatrixQueue | undefined
}

async function bootJobs(
  names: readonly string[],
  flags: MatrixFlags,
  baseline: Gate | undefined,
  { engines, named, guests, before, leftOut, queue }: Plan,
): Promise<number> {
  if (!queue && (await anyMedia(guests.filter((guest) => !leftOut(guest))))) await ensureFirmware()
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
  const forget = onInterrupt(keep, () => queue?.cancel() ?? Promise.resolve())
  const perform = queue?.run ?? runJob
  const run: RunJob = async (job, { progress, note }) => {
    const watched = keep.watch(job.title)
    const ears = {
      ...{ note, reached: watched.reached },
      progress(level: Pick<Level, 'name'>, now: Progress, where?: string) {
        watched.asked(level.name, where)
        progress(level, now, where)
      },
    }
    const cell = await perform(job, ears).finally(watched.end)
    keep.add(cell)
    return cell
  }
  // Of tasks in a queue all wait there.
  const limit = queue ? Number.POSITIVE_INFINITY : atATime()
  try {
    // Of dozens that nobody asked for by name, what each lacks would hide the others.
    const quiet = names.length === 0 ? await unbootable(jobs, queue !== undefined) : new Map<Job, Cell>()
    for (const cell of quiet.values()) keep.add(cell)
    await runJobs(
      jobs.filter((job) => !quiet.has(job)),
      run,
      limit,
    )
    tellUnbooted(quiet)
    for (let i = 0; i < (flags.flaky ?? 0); i++) {
      const lost = keep.lost(baseline?.measurements ?? before)
      const again = jobs.filter(({ guest, engine }) =>
        lost.some((one) => one.guest === guest.name && one.engine === engine),
      )
      if (again.length === 0) break
      console.log(`Once more, since it works no longer: ${again.map(({ title }) => title).join(', ')}`)
      await runJobs(again, run, limit)
    }
  } finally {
    forget()
  }
  const result = keep.result()
  console.log(`\n${summary(result)} (${duration(result.run.durationMs)}).`)
  console.log(await keep.finish())
  if (flags.site !== undefined) console.log(putSite(flags.out, flags.site))
  if (baseline) {
    // As they were kept, since those have their pictures as files.
    const isOurs = ({ cell }: Measurement) =>
      result.cells.some(
        (one) => one.guest === cell.guest && one.engine === cell.engine && one.measured === cell.measured,
      )
    const named = names.length > 0 ? new Set(guests.map(({ name }) => name)) : undefined
    const code = gate(baseline, readResults(flags.out).measurements.filter(isOurs), { ...flags, named })
    return flags.strict && named && countOf(result).skipped > 0 ? EXIT.failed : code
  }
  return exitCodeOf(result, flags.strict || (names.length > 0 && !flags.allowMissing))
}

/**
 * Those that have no media here, or take long and were not asked for; each with what it lacks.
 * @param elsewhere They are booted where other media are.
 */
async function unbootable(jobs: readonly Job[], elsewhere: boolean): Promise<Map<Job, Cell>> {
  const found = new Map<Job, Cell>()
  for (const job of jobs) {
    // Making ready what else it needs would take long, too.
    const lacks = job.leftOut ? await lacksMedia(job.guest, ['image']) : undefined
    if (lacks !== undefined) found.set(job, { ...leftOutCell(job.guest, job.engine), reason: `${lacks}.` })
    else if (job.leftOut) found.set(job, leftOutCell(job.guest, job.engine))
    else if (!elsewhere) {
      const missing = await guestMachine(job.guest).then(
        () => undefined,
        (error) => error,
      )
      if (missing instanceof MissingMediaError) found.set(job, await runCell(job.guest, { engine: job.engine }))
    }
  }
  return found
}

function tellUnbooted(unbooted: ReadonlyMap<Job, Cell>): void {
  const jobs = [...unbooted.keys()]
  const takesLong = (job: Job) => job.leftOut && unbooted.get(job)?.reason === leftOutCell(job.guest, job.engine).reason
  const namesOf = (some: readonly Job[]) => [...new Set(some.map(({ guest }) => guest.name))]
  const long = namesOf(jobs.filter((job) => takesLong(job)))
  const missing = namesOf(jobs.filter((job) => !takesLong(job)))
  if (long.length > 0)
    console.log(
      `- ${long.length} take long and are booted by name, as in 'bootwright matrix ${long[0]}': ${long.join(', ')}`,
    )
  if (missing.length > 0)
    console.log(`- ${missing.length} lack media, 'bootwright images ls' says which: ${missing.join(', ')}`)
}

function parseTimes(value: string): number {
  const times = Number(value)
  if (/^\d+$/.test(value) && times >= 1 && times <= 100) return times
  throw new UsageError(`--flaky '${value}' is no number of times; give one from 1 to 100`)
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

const runJob: PerformJob = async ({ guest, engine, named }, { progress, reached }) =>
  runCell(guest, { engine, named, onProgress: progress, onLevel: reached })

function leftOutCell(guest: Guest, engine: EngineChoice): Cell {
  const reason = `${guest.heavy}: 'bootwright matrix ${guest.name}' boots it.`
  return { guest: guest.name, engine, device: columnOf(guest).id, status: 'skipped', levels: [], reason }
}
