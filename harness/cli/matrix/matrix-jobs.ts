/** Guests booted side by side, and what is seen of it meanwhile: a live list on a terminal, elsewhere a line for each. */
import { availableParallelism } from 'node:os'
import { Listr } from 'listr2'
import type { Cell } from '../../../reports/matrix/matrix-result.js'
import { printable } from '../../../reports/printable.js'
import { duration, guestTime, progress as levelsReached } from '../../../reports/words.js'
import type { Guest, Level } from '../../guest/guest.js'
import { type EngineChoice, inParallel } from '../../guest/matrix-run.js'
import type { Progress } from '../../protocol/messages.js'
import { progressLines } from '../../words/progress-words.js'

/** More machines at a time than this gain little and take much memory. */
const MOST_AT_A_TIME = 4

/** A guest on an engine. */
export interface Job {
  guest: Guest
  engine: EngineChoice
  /** How a command line names the guest. */
  named: string
  title: string
  /** It takes long, and was not asked for. */
  leftOut: boolean
}

export interface JobEars {
  /** @param where On which other host. */
  progress(level: Pick<Level, 'name'>, progress: Progress, where?: string): void
  /** What stands in the list before there is any progress. */
  note(words: string): void
}

export type RunJob = (job: Job, ears: JobEars) => Promise<Cell>

/**
 * Runs all. Rejects with what no guest could help.
 * @param limit How many at a time.
 */
export async function runJobs(jobs: readonly Job[], run: RunJob, limit = atATime()): Promise<void> {
  await (hasTerminal() ? runWithList(jobs, run, limit) : runWithLines(jobs, run, limit))
}

/** One that says how wide it is: lists are wrapped to that. */
function hasTerminal(): boolean {
  return process.stdout.isTTY && process.stdout.columns > 0
}

/** `keyboard 4/4, 3.2 s`, or why not. */
export function outcome(cell: Cell): string {
  if (cell.status === 'skipped') return cell.reason ?? 'skipped'
  const figures = `${cell.level ?? 'no level'} ${levelsReached(cell)}, ${duration(cell.hostTimeMs ?? 0)}`
  return cell.reason ? `${figures}: ${cell.reason}` : figures
}

export function atATime(): number {
  return Math.max(1, Math.min(MOST_AT_A_TIME, availableParallelism()))
}

/** For a terminal: all guests at once, what each shows, and what became of it. */
async function runWithList(jobs: readonly Job[], run: RunJob, limit: number): Promise<Cell[]> {
  const cells: Cell[] = []
  let fatal: unknown
  const list = new Listr(
    jobs.map((job, i) => ({
      title: job.title,
      task: async (_, task) => {
        if (fatal) return task.skip(`${job.title}: not started`)
        let cell: Cell
        try {
          cell = await run(job, {
            progress(level, { guestTimeNs, lastLine }, where) {
              const here = where === undefined ? '' : `${where}: `
              task.output = printable(`${here}${level.name}? ${guestTime(guestTimeNs)} of guest time  ${lastLine}`)
            },
            note(words) {
              task.output = printable(words)
            },
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
    { concurrent: limit, exitOnError: false, rendererOptions: { collapseErrors: false, collapseSkips: true } },
  )
  await list.run()
  if (fatal) throw fatal
  return cells
}

const MARKS = { passed: '✓', failed: '✗', skipped: '-' }

/** Elsewhere: a line when a guest is done, and one on standard error each ten seconds while it is not. */
async function runWithLines(jobs: readonly Job[], run: RunJob, limit: number): Promise<Cell[]> {
  return inParallel(
    jobs.map((job) => async () => {
      let asked = ''
      const begin = () =>
        progressLines((line) => process.stderr.write(`${printable(`bootwright: ${job.title}: ${asked}? ${line}`)}\n`))
      // From when it is booted: it may have waited for its worker.
      let lines: ReturnType<typeof begin> | undefined
      const cell = await run(job, {
        progress(level, progress, where) {
          asked = where === undefined ? level.name : `on ${where}: ${level.name}`
          lines ??= begin()
          lines.show(progress)
        },
        note: () => {},
      })
      console.log(printable(`${MARKS[cell.status]} ${job.title}: ${outcome(cell)}`))
      return cell
    }),
    limit,
  )
}
