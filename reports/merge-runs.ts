/** Runs in parts, from several machines, as one. */
import { mapFiles, type RunResult, type TestResult } from './run-result.js'

export interface Part {
  run: RunResult
  /** Put in front of the paths of its files. */
  prefix: string
}

/** A test that is in several parts counts as in the part that began last. The parts must not be empty. */
export function mergeRuns(parts: readonly Part[]): RunResult {
  const byDate = [...parts].sort((a, b) => a.run.run.date.localeCompare(b.run.run.date))
  const tests = new Map<string, TestResult>()
  for (const { run, prefix } of byDate) {
    const moved = mapFiles(run, (file) => (file.path === undefined ? file : { ...file, path: prefix + file.path }))
    for (const test of moved.tests) tests.set(test.id, test)
  }
  const first = byDate[0].run.run
  const ends = byDate.map(({ run }) => Date.parse(run.run.date) + run.run.durationMs)
  const { shard: _, ...run } = first
  return {
    ...byDate[0].run,
    run: {
      ...run,
      durationMs: Math.max(...ends) - Date.parse(first.date),
      ...(byDate.some(({ run }) => run.run.interrupted) && { interrupted: true }),
    },
    errors: byDate.flatMap(({ run }) => run.errors),
    tests: [...tests.values()],
  }
}
