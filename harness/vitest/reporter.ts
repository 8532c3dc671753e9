/**
 * A reporter for vitest that leaves `bootwright-report/`: the run as data and every report made of it. Use it in
 * vitest's configuration (`reporters: ['default', 'bootwright/vitest/reporter']`), or through `bootwright test`.
 */
import { execFileSync } from 'node:child_process'
import { appendFileSync, existsSync, readFileSync, rmSync } from 'node:fs'
import { arch, cpus, release, type } from 'node:os'
import { relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stripVTControlCharacters } from 'node:util'
import type { SerializedError } from 'vitest'
import type { Reporter, TestCase, TestModule, TestRunEndReason, Vitest } from 'vitest/node'
import { annotations } from '../../reports/annotations.js'
import { renderRunMarkdown } from '../../reports/run-markdown.js'
import {
  type Attachment,
  RUN_VERSION,
  type RunError,
  type RunResult,
  type TestResult,
  testId,
} from '../../reports/run-result.js'
import { writeRun } from '../../reports/write-run.js'
import { complain } from '../cli/errors.js'
import { withPath } from '../cli/outputs.js'
import { clearOutput } from './baselines.js'
import { endWithCommand } from './command-watch.js'
import { attachmentsOf } from './test-files.js'

export interface ReporterOptions {
  /** Default BOOTWRIGHT_REPORT, else `bootwright-report`. */
  folder?: string
}

export default class BootwrightReporter implements Reporter {
  private vitest: Vitest | undefined
  private started = new Date()

  constructor(private readonly options: ReporterOptions = {}) {}

  onInit(vitest: Vitest): void {
    this.vitest = vitest
    endWithCommand()
    // An interrupted vitest leaves its temporary folder.
    process.once('exit', () => {
      for (const { tmpDir } of vitest.projects) rmSync(tmpDir, { recursive: true, force: true })
    })
  }

  onTestRunStart(): void {
    this.started = new Date()
    clearOutput()
  }

  onTestRunEnd(modules: readonly TestModule[], errors: readonly SerializedError[], reason: TestRunEndReason): void {
    const root = this.vitest?.config.root ?? process.cwd()
    const tests = modules.flatMap((module) => [...module.children.allTests()].map((test) => this.result(test, root)))
    const { shard } = this.vitest?.config ?? {}
    const run: RunResult = {
      format: 'bootwright-run',
      version: RUN_VERSION,
      run: {
        date: this.started.toISOString(),
        durationMs: Date.now() - this.started.getTime(),
        bootwright: { version: version() },
        host: {
          os: `${type()} ${release()}`,
          arch: arch(),
          cpu: cpus()[0]?.model ?? 'unknown',
          cores: Math.max(1, cpus().length),
          node: process.versions.node,
        },
        ...commit(root),
        ...(shard && { shard: `${shard.index}/${shard.count}` }),
        ...(reason === 'interrupted' && { interrupted: true }),
      },
      errors: [...errors, ...modules.flatMap((module) => module.errors())].map(runError),
      tests,
    }
    const folder = this.options.folder ?? process.env.BOOTWRIGHT_REPORT ?? 'bootwright-report'
    if (process.env.GITHUB_ACTIONS) process.stdout.write(annotations(run, root))
    if (tests.length === 0 && run.errors.length === 0) {
      // A filter that no file fits is no run: the report of the last one stays.
      if (existsSync(folder)) console.log(`There was nothing to run; the report in ${folder} is as it was`)
      return
    }
    try {
      const { run: written, html } = writeRun(run, folder)
      const { GITHUB_STEP_SUMMARY } = process.env
      if (GITHUB_STEP_SUMMARY) appendFileSync(GITHUB_STEP_SUMMARY, renderRunMarkdown(written, { short: true }))
      console.log(`The report is in ${relative('', html) || html}`)
    } catch (error) {
      // vitest makes it 1 where a test failed.
      process.exitCode = complain(withPath(error, folder))
    }
  }

  private result(test: TestCase, root: string): TestResult {
    const { state, errors = [] } = test.result()
    const diagnostic = test.diagnostic()
    const retries = diagnostic?.retryCount ?? 0
    const titles = test.fullName.split(' > ')
    const file = relative(root, test.module.moduleId).split(sep).join('/')
    const meta = test.meta() as { guestTimeNs?: number; flaky?: boolean; failedStage?: string }
    const status = statusOf(state, diagnostic?.flaky === true || meta.flaky === true)
    const { name } = test.project
    const result = {
      file,
      titles,
      ...(name && { project: name }),
      ...(test.location && { line: test.location.line }),
      status,
      ...reasonOf(test, state),
      retries,
      hostMs: diagnostic?.duration ?? 0,
      ...(typeof meta.guestTimeNs === 'number' && { guestTimeNs: meta.guestTimeNs }),
      // What went wrong before it passed is worth knowing, too.
      errors: errors.map(runError),
      attachments: status === 'skipped' ? [] : this.attachments(test, meta.failedStage),
    }
    return { id: testId(result), ...result }
  }

  private attachments({ module, fullName }: TestCase, failedStage: string | undefined): Attachment[] {
    const titles = [fullName, ...(failedStage === undefined ? [] : [failedStage])]
    return titles.flatMap((title) => attachmentsOf(module.moduleId, title, this.started.getTime()))
  }
}

function statusOf(state: string, flaky: boolean): TestResult['status'] {
  if (state === 'passed') return flaky ? 'flaky' : 'passed'
  return state === 'failed' ? 'failed' : 'skipped'
}

function reasonOf(test: TestCase, state: string): { reason?: string } {
  const result = test.result()
  if (state === 'pending') return { reason: 'the run ended before it' }
  const note = result.state === 'skipped' ? result.note : undefined
  return note ? { reason: note } : {}
}

const KILLED = "a worker process of vitest was killed, or ran out of memory; its file's tests have no result"

function runError(
  error: Pick<SerializedError, 'message' | 'stack'> & { diff?: unknown; cause?: { message?: string } },
): RunError {
  const { message, stack, diff, cause } = error
  const killed = cause?.message === 'Worker exited unexpectedly'
  return {
    message: stripVTControlCharacters(killed ? KILLED : (message ?? 'an error without a message')),
    ...(stack && { stack: stripVTControlCharacters(stack) }),
    ...(typeof diff === 'string' && { diff: stripVTControlCharacters(diff) }),
  }
}

function commit(root: string): { commit?: string } {
  try {
    const head = execFileSync('git', ['rev-parse', '--short', 'HEAD'], {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    return { commit: head.trim() }
  } catch {
    return {}
  }
}

function version(): string {
  // Beside the sources, or above dist.
  const places = ['../../package.json', '../../../package.json'].map((path) =>
    fileURLToPath(new URL(path, import.meta.url)),
  )
  const file = places.find((path) => existsSync(path))
  return file ? (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version : 'unknown'
}
