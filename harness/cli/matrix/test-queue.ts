/** `bootwright test --queue`: each file of tests is a task of a worker's, and their reports are put together. */
import { spawnSync } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative, sep } from 'node:path'
import * as z from 'zod'
import { mergeRuns } from '../../../reports/merge-runs.js'
import { printable } from '../../../reports/printable.js'
import { countTests, mapFiles, RunResult, runSummary } from '../../../reports/run-result.js'
import { writeRun } from '../../../reports/write-run.js'
import { versionName } from '../../guest/matrix-run.js'
import { EXIT, UsageError } from '../errors.js'
import { isPassedOn, PASSED_ON } from '../passed-on.js'
import { REPORT_FOLDER } from '../verbs/show.js'
import { findVitest } from '../vitest-run.js'
import { workersWords } from './matrix-queue.js'

/** What a worker sends of a file of tests: the files of its report, then what names them. */
export const TestPart = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('file'), path: z.string().max(1000), data: z.base64() }),
  z.strictObject({ kind: z.literal('run'), run: RunResult }),
])
export type TestPart = z.infer<typeof TestPart>

/** What `vitest list --filesOnly --json` writes. */
const Listed = z.array(z.object({ file: z.string() }))

/** Returns the exit code. */
export async function testByQueue(args: readonly string[], address: string, waitMs: number): Promise<number> {
  const { options, filters } = sorted(args)
  const files = listFiles(options, filters)
  if (files.length === 0) {
    process.stderr.write('bootwright: there is no file of tests to run\n')
    return EXIT.noTests
  }
  const { QueueRun } = await import('../../queue/queue-run.js')
  const say = (words: string) => process.stderr.write(`bootwright: ${words}\n`)
  const queue = await QueueRun.open(address, { version: versionName(), waitMs, say })
  const interrupt = async () => {
    await queue.cancel()
    say('interrupted; what workers were at is given up')
    process.exit(EXIT.interrupted)
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const signal of signals) process.once(signal, interrupt)
  try {
    console.log(`${files.length} files of tests. ${workersWords(await queue.workers())}`)
    const runs: RunResult[] = []
    const undone: string[] = []
    await Promise.all(
      files.map(async (file) => {
        const contents = createHash('sha256').update(readFileSync(file)).digest('hex')
        const done = await queue.perform({ kind: 'test', file, contents, options })
        const run = 'parts' in done ? runOf(done.parts) : undefined
        if (run) runs.push(run)
        else
          undone.push(
            `${file}: ${'unable' in done ? done.unable : `the worker on ${done.host} sent what is no result`}`,
          )
        const words = run
          ? `${run.errors.length > 0 ? '✗' : mark(run)} ${file}: ${runSummary(run.tests)}`
          : `✗ ${undone.at(-1)}`
        console.log(printable('host' in done ? `${words} (${done.host})` : words))
      }),
    )
    return ended(runs, undone)
  } finally {
    for (const signal of signals) process.off(signal, interrupt)
    await queue.close()
  }
}

function mark({ tests }: RunResult): string {
  return countTests(tests).failed > 0 ? '✗' : '✓'
}

function ended(runs: readonly RunResult[], undone: readonly string[]): number {
  for (const words of undone) process.stderr.write(printable(`bootwright: not run: ${words}\n`))
  if (runs.length === 0) return EXIT.infrastructure
  const merged = mergeRuns(runs.map((run) => ({ run, prefix: '' })))
  const errors = [...merged.errors, ...undone.map((words) => ({ message: `not run: ${words}` }))]
  const { run, html } = writeRun({ ...merged, errors }, process.env.BOOTWRIGHT_REPORT ?? REPORT_FOLDER)
  console.log(`${runSummary(run.tests)}; the report is in ${relative('', html) || html}`)
  if (countTests(run.tests).failed > 0 || merged.errors.length > 0) return EXIT.failed
  return undone.length > 0 ? EXIT.infrastructure : EXIT.ok
}

/** With its files' bytes: nothing is written under a name that a worker says. */
function runOf(data: readonly unknown[]): RunResult | undefined {
  const files = new Map<string, string>()
  let run: RunResult | undefined
  for (const { data: part } of data.map((one) => TestPart.safeParse(one))) {
    if (part?.kind === 'file') files.set(part.path, part.data)
    if (part?.kind === 'run') run = part.run
  }
  return run && mapFiles(run, ({ path, type }) => ({ type, data: files.get(path ?? '') }))
}

function sorted(args: readonly string[]): { options: string[]; filters: string[] } {
  const options: string[] = []
  const filters: string[] = []
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] === '-t' ? '--testNamePattern' : args[i]
    if (!arg.startsWith('-')) filters.push(arg)
    else {
      const option = arg.includes('=') || args[i + 1] === undefined ? arg : `${arg}=${args[++i]}`
      if (!isPassedOn(option))
        throw new UsageError(`${arg} cannot be given together with --queue; workers are passed ${PASSED_ON.join(', ')}`)
      options.push(option)
    }
  }
  return { options, filters }
}

function listFiles(options: readonly string[], filters: readonly string[]): string[] {
  const list = join(tmpdir(), `bootwright-files-${randomUUID()}.json`)
  const projects = options.filter((option) => option.startsWith('--project'))
  const args = ['list', '--filesOnly', `--json=${list}`, ...projects, ...filters]
  try {
    const { status } = spawnSync(process.execPath, [findVitest(), ...args], { stdio: ['ignore', 'ignore', 'inherit'] })
    if (status !== 0) throw new UsageError('vitest cannot list the files of tests; it says why above')
    if (!existsSync(list)) return []
    const root = process.cwd()
    const files = Listed.parse(JSON.parse(readFileSync(list, 'utf8'))).map(({ file }) => relative(root, file))
    return [...new Set(files)].map((file) => file.split(sep).join('/')).sort()
  } finally {
    rmSync(list, { force: true })
  }
}
