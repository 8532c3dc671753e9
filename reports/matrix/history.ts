/** The last runs of each test: how it went, and whether it goes both ways. */
import * as z from 'zod'
import { countTests, type RunResult, type TestResult, TestStatus } from '../run-result.js'

export const HISTORY_VERSION = 1
/** Runs kept. */
export const LONGEST_HISTORY = 30
/** Changes between passed and failed in the kept runs from which a test is called flaky, though each run was clear. */
const FLIPS = 3

export const History = z.object({
  format: z.literal('bootwright-history'),
  version: z.literal(HISTORY_VERSION),
  /** The oldest first. */
  runs: z.array(
    z.object({
      date: z.iso.datetime(),
      commit: z.string().optional(),
      tests: z.record(z.string(), z.object({ status: TestStatus, hostMs: z.number().nonnegative() })),
    }),
  ),
})
export type History = z.infer<typeof History>

export function emptyHistory(): History {
  return { format: 'bootwright-history', version: HISTORY_VERSION, runs: [] }
}

/** One that cannot be read counts as none: it is a convenience, and no run fails for it. */
export function readHistory(data: unknown): History {
  const read = History.safeParse(data)
  return read.success ? read.data : emptyHistory()
}

/** With the run at its end; the same run, by its date, is replaced. */
export function addToHistory(history: History, { run, tests }: RunResult): History {
  const entry = {
    date: run.date,
    ...(run.commit !== undefined && { commit: run.commit }),
    tests: Object.fromEntries(tests.map(({ id, status, hostMs }) => [id, { status, hostMs }])),
  }
  const others = history.runs.filter(({ date }) => date !== run.date)
  const runs = [...others, entry].sort((a, b) => a.date.localeCompare(b.date)).slice(-LONGEST_HISTORY)
  return { ...history, runs }
}

export interface TestHistory {
  /** The oldest first; undefined where the test was not in that run. */
  statuses: (TestStatus | undefined)[]
  /** It passed only when run again, or went both ways several times in these runs. */
  flaky: boolean
}

export function historyOf(history: History, id: string): TestHistory {
  const statuses = history.runs.map(({ tests }) => (Object.hasOwn(tests, id) ? tests[id].status : undefined))
  const clear = statuses.filter((status) => status === 'passed' || status === 'failed')
  const flips = clear.filter((status, i) => i > 0 && status !== clear[i - 1]).length
  return { statuses, flaky: statuses.includes('flaky') || flips >= FLIPS }
}

/** A line on a run, for the list of runs. */
export function historyLines(
  history: History,
): { date: string; commit?: string; counts: ReturnType<typeof countTests> }[] {
  return history.runs.map(({ date, commit, tests }) => ({
    date,
    ...(commit !== undefined && { commit }),
    counts: countTests(Object.values(tests) as Pick<TestResult, 'status'>[]),
  }))
}
