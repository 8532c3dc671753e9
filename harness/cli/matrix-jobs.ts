/** Guests booted side by side, and what is seen of it meanwhile: a live list on a terminal, elsewhere a line for each. */
import { availableParallelism } from 'node:os'
import { Listr } from 'listr2'
import type { Cell } from '../../reports/matrix-result.js'
import { printable } from '../../reports/printable.js'
import { duration, guestTime, progress as levelsReached } from '../../reports/words.js'
import type { Guest, Level } from '../guest/guest.js'
import { type EngineChoice, inParallel } from '../guest/matrix-run.js'
import type { Progress } from '../protocol/messages.js'
import { progressLines } from '../words/progress-words.js'

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

export type RunJob = (job: Job, tell: (level: Level, progress: Progress) => void) => Promise<Cell>

/** Runs all, a few at a time. Rejects with what no guest could help. */
export async function runJobs(jobs: readonly Job[], run: RunJob): Promise<void> {
  await (hasTerminal() ? runWithList(jobs, run) : runWithLines(jobs, run))
}

/** One that says how wide it is: lists are wrapped to that. */
function hasTerminal(): boolean {
  return process.stdout.isTTY && process.stdout.columns > 0
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
