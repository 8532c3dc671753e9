/**
 * A run of tests as plain data: what `run.json` holds and every report is made from. Files that belong to a test lie
 * beside it and are named by path; in memory, and in a page, a file may carry its bytes.
 */
import * as z from 'zod'
import { ResultFormatError } from './matrix/matrix-result.js'
import { schemaWords } from './schema-words.js'

export const RUN_VERSION = 1

export const TestStatus = z.enum(['passed', 'failed', 'flaky', 'skipped'])

export const ResultFile = z.object({
  /** Relative to the result file, with `/`, and below it: what is read from elsewhere shall not reach further. */
  path: z
    .string()
    .refine(
      (path) => !/\p{Cs}/u.test(path) && !/^([a-z][a-z\d+.-]*:|\/)|[\\\0]|(^|\/)\.\.(\/|$)/i.test(path),
      'not a path below the report',
    )
    .optional(),
  /** The bytes in base64. */
  data: z.base64().optional(),
  /** `image/png`, `image/webp`, `text/plain`, … */
  type: z.string().regex(/^[\w.+-]+\/[\w.+-]+$/, 'no media type'),
})

/** A comparison of pictures. `accept` copies `actual` over `baseline`. */
export const PictureAttachment = z.object({
  kind: z.literal('picture'),
  name: z.string(),
  /** What the comparison found; absent for a picture that was only taken. */
  status: z.enum(['matched', 'different', 'missing', 'written']).optional(),
  expected: ResultFile.optional(),
  actual: ResultFile.optional(),
  diff: ResultFile.optional(),
  /** Absolute path of the expected picture in the source tree. */
  baseline: z.string().optional(),
  differentPixels: z.number().int().nonnegative().optional(),
})

export const Attachment = z.discriminatedUnion('kind', [
  PictureAttachment,
  /** A serial line as asciicast v2 or v3, a video as animated WebP, a trace (trace.ts), text, a network card's frames (pcap). */
  z.object({ kind: z.enum(['asciicast', 'video', 'trace', 'text', 'capture']), name: z.string(), file: ResultFile }),
])

export const RunError = z.object({
  message: z.string(),
  stack: z.string().optional(),
  /** Expected and actual as lines with - and +. */
  diff: z.string().optional(),
})

export const TestResult = z.object({
  /** The same in every run; see `testId`. */
  id: z.string(),
  /** Relative to the project, with `/`. */
  file: z.string(),
  /** The titles of the groups it is in, then its own. */
  titles: z.array(z.string()).min(1),
  /** Several of one file, as for an engine each. */
  project: z.string().optional(),
  line: z.number().int().positive().optional(),
  /** Flaky: it failed, and passed when it was run again. */
  status: TestStatus,
  /** Why it was skipped, where that is known. */
  reason: z.string().optional(),
  /** How often it was run again. */
  retries: z.number().int().nonnegative(),
  hostMs: z.number().nonnegative(),
  guestTimeNs: z.number().nonnegative().optional(),
  errors: z.array(RunError),
  attachments: z.array(Attachment),
})

export const RunResult = z.object({
  format: z.literal('bootwright-run'),
  version: z.literal(RUN_VERSION),
  run: z.object({
    /** When it began: ISO 8601, UTC. */
    date: z.iso.datetime(),
    durationMs: z.number().nonnegative(),
    bootwright: z.object({ version: z.string(), commit: z.string().optional() }),
    host: z.object({
      os: z.string(),
      arch: z.string(),
      cpu: z.string(),
      cores: z.number().int().positive(),
      node: z.string(),
    }),
    /** Commit of the tested project. */
    commit: z.string().optional(),
    /** `2/4` of a run in parts. */
    shard: z.string().optional(),
    interrupted: z.boolean().optional(),
  }),
  /** What went wrong outside any test. */
  errors: z.array(RunError),
  tests: z.array(TestResult),
})

export type TestStatus = z.infer<typeof TestStatus>
export type ResultFile = z.infer<typeof ResultFile>
export type PictureAttachment = z.infer<typeof PictureAttachment>
export type Attachment = z.infer<typeof Attachment>
export type RunError = z.infer<typeof RunError>
export type TestResult = z.infer<typeof TestResult>
export type RunResult = z.infer<typeof RunResult>

/**
 * Checks what was read from a `run.json`.
 * @throws ResultFormatError with one sentence that names the place.
 */
export function parseRun(data: unknown): RunResult {
  const head = z.object({ format: z.literal('bootwright-run'), version: z.number() }).safeParse(data)
  if (!head.success) throw new ResultFormatError('This is no run.json of Bootwright: its "format" is another.')
  if (head.data.version !== RUN_VERSION)
    throw new ResultFormatError(
      `This run.json has version ${head.data.version}, and this Bootwright reads version ${RUN_VERSION}.`,
    )
  const result = RunResult.safeParse(data)
  if (result.success) return result.data
  const words = schemaWords(RunResult, data, result.error, { whole: 'all of it' })
  throw new ResultFormatError(`This run.json is damaged: ${words}.`)
}

/** The title with those of its groups: `login > shows a prompt`. */
export function fullTitle(test: Pick<TestResult, 'titles' | 'project'>): string {
  return `${test.project ? `[${test.project}] ` : ''}${test.titles.join(' > ')}`
}

export function testId(test: Pick<TestResult, 'file' | 'titles' | 'project'>): string {
  return `${test.file} > ${fullTitle(test)}`
}

export type Counts = { [status in TestStatus]: number }

export function countTests(tests: readonly Pick<TestResult, 'status'>[]): Counts {
  const counts: Counts = { passed: 0, failed: 0, flaky: 0, skipped: 0 }
  for (const { status } of tests) counts[status]++
  return counts
}

/** The run with every file replaced by what `change` makes of it. */
export function mapFiles(run: RunResult, change: (file: ResultFile, test: TestResult) => ResultFile): RunResult {
  return {
    ...run,
    tests: run.tests.map((test) => ({
      ...test,
      attachments: test.attachments.map((attachment) => {
        if (attachment.kind !== 'picture') return { ...attachment, file: change(attachment.file, test) }
        const changed = { ...attachment }
        for (const key of ['expected', 'actual', 'diff'] as const) {
          const file = attachment[key]
          if (file) changed[key] = change(file, test)
        }
        return changed
      }),
    })),
  }
}

/** `12 passed, 1 failed, 1 flaky`. */
export function runSummary(tests: readonly Pick<TestResult, 'status'>[]): string {
  const counts = countTests(tests)
  const parts = TestStatus.options.filter((status) => counts[status] > 0).map((status) => `${counts[status]} ${status}`)
  return parts.length > 0 ? parts.join(', ') : 'no tests'
}
