/** What a worker does with a task, by what it has itself: a guest of its own is booted, or a file of its project's tests run. */
import { createHash, randomUUID } from 'node:crypto'
import { existsSync, readFileSync, realpathSync, rmSync, statSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join, sep } from 'node:path'
import type { Cell, LevelResult } from '../../../reports/matrix/matrix-result.js'
import { mapFiles, runSummary } from '../../../reports/run-result.js'
import { readRun } from '../../../reports/write-run.js'
import type { Guest } from '../../guest/guest.js'
import { ownVersion, runCell, thisHost, withoutLocalPaths } from '../../guest/matrix-run.js'
import type { GuestTask, Task, TestTask } from '../../queue/queue-data.js'
import type { TaskTools } from '../../queue/queue-worker.js'
import { complaint } from '../errors.js'
import { isPassedOn } from '../passed-on.js'
import { runVitest } from '../vitest-run.js'
import { outcome } from './matrix-jobs.js'
import type { GuestPart } from './matrix-queue.js'
import type { TestPart } from './test-queue.js'

type Say = (line: string) => void

const LONGEST_LINE = 200
/** Of the files of a report; what is larger, as a long video, stays behind. */
const LARGEST_FILE = 8 << 20

/** Rejects with one sentence for who waits for the result. */
export async function performTask(
  guests: ReadonlyMap<string, Guest>,
  task: Task,
  tools: TaskTools,
  say: Say,
): Promise<void> {
  try {
    if (task.kind === 'test') return await performTest(task, tools, say)
    const guest = guests.get(task.guest)
    if (!guest) throw new Error(`there is no guest '${task.guest}' here`)
    await performGuest(guest, task, tools, say)
  } catch (error) {
    const words = complaint(error).message
    if (!tools.signal.aborted) say(`! ${task.kind === 'test' ? task.file : task.guest}: ${words}`)
    throw new Error(`${hostname()}: ${words}`)
  }
}

async function performGuest(
  guest: Guest,
  { engine, named }: GuestTask,
  { signal, tell, part }: TaskTools,
  say: Say,
): Promise<void> {
  const send = (data: GuestPart) => part(data)
  const title = `${guest.title} on ${engine}`
  say(`… ${title}`)
  const cell = await runCell(guest, {
    ...{ engine, named, signal },
    onProgress: ({ name }, { guestTimeNs, instructions, hostMs, lastLine, phase }) =>
      tell({
        level: name,
        progress: { guestTimeNs, instructions, hostMs, lastLine: lastLine.slice(0, LONGEST_LINE), phase },
      }),
    onLevel: (level) => {
      if (!send({ kind: 'level', level })) send({ kind: 'level', level: { ...level, evidence: undefined } })
    },
  })
  if (signal.aborted) return say(`- ${title}: given up`)
  say(`${cell.status === 'passed' ? '✓' : '✗'} ${title}: ${outcome(cell)}`)
  const reason = cell.reason === undefined ? undefined : withoutLocalPaths(cell.reason, guest)
  const levels = cell.levels.map((level): LevelResult => ({ ...level, evidence: undefined }))
  const whole: Cell = { ...cell, reason, levels, host: thisHost(), bootwright: ownVersion() }
  if (!send({ kind: 'cell', cell: whole })) throw new Error('its result is too large to be sent')
}

async function performTest(task: TestTask, { signal, part }: TaskTools, say: Say): Promise<void> {
  const file = testFile(task)
  if (!task.options.every(isPassedOn)) throw new Error('it is asked for with options that are not passed on')
  const send = (data: TestPart) => part(data)
  const report = join(tmpdir(), `bootwright-worker-${randomUUID()}`)
  say(`… ${task.file}`)
  try {
    await runVitest([...task.options, file], { BOOTWRIGHT_REPORT: report, GITHUB_ACTIONS: undefined }, signal)
    if (signal.aborted) return say(`- ${task.file}: given up`)
    if (!existsSync(report)) throw new Error(`vitest ran nothing of ${task.file}`)
    const { run } = readRun(report)
    say(`${task.file}: ${runSummary(run.tests)}`)
    const paths = new Set<string>()
    mapFiles(run, (one) => {
      if (one.path !== undefined) paths.add(one.path)
      return one
    })
    for (const path of paths) {
      const stats = statSync(join(report, path), { throwIfNoEntry: false })
      if (!stats?.isFile() || stats.size > LARGEST_FILE) continue
      send({ kind: 'file', path, data: readFileSync(join(report, path)).toString('base64') })
    }
    if (!send({ kind: 'run', run })) throw new Error('its report is too large to be sent')
  } finally {
    rmSync(report, { recursive: true, force: true })
  }
}

/** The path of this project's own file. Throws where it is another one, or none of the project's. */
function testFile({ file, contents }: TestTask): string {
  const root = realpathSync(process.cwd())
  const path = join(root, file)
  if (!existsSync(path) || !realpathSync(path).startsWith(root + sep) || !statSync(path).isFile())
    throw new Error(`there is no ${file} in its project`)
  if (createHash('sha256').update(readFileSync(path)).digest('hex') !== contents)
    throw new Error(`its ${file} is another than that of who asks; check out the same on both`)
  return path
}
