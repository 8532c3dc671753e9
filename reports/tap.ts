/** A run as TAP version 14 (testanything.org): a line a test, with a YAML block for what went wrong. */
import { printableJson, printableLine } from './printable.js'
import { type RunResult, type TestResult, testId } from './run-result.js'

export function renderTap(run: RunResult): string {
  const lines = ['TAP version 14', `1..${run.tests.length}`]
  run.tests.forEach((test, i) => {
    lines.push(...point(test, i + 1))
  })
  for (const { message } of run.errors) lines.push(`Bail out! ${oneLine(message)}`)
  return `${lines.join('\n')}\n`
}

function point(test: TestResult, number: number): string[] {
  const ok = test.status === 'failed' ? 'not ok' : 'ok'
  const directive = test.status === 'skipped' ? ` # SKIP ${oneLine(test.reason ?? '')}`.trimEnd() : ''
  const line = `${ok} ${number} - ${description(testId(test))}${directive}`
  if (test.status === 'skipped') return [line]
  const block = ['  ---', `  duration_ms: ${Math.round(test.hostMs)}`]
  if (test.guestTimeNs !== undefined) block.push(`  guest_time_ns: ${Math.round(test.guestTimeNs)}`)
  if (test.status === 'flaky') block.push('  flaky: true')
  if (test.retries > 0) block.push(`  retries: ${test.retries}`)
  if (test.status === 'failed') block.push(`  message: ${quoted(test.errors.map(({ message }) => message).join('\n'))}`)
  return [line, ...block, '  ...']
}

/** In a description # begins a directive, and a backslash escapes. */
function description(title: string): string {
  return oneLine(title).replace(/[\\#]/g, '\\$&')
}

function oneLine(text: string): string {
  return printableLine(text)
}

/** A string of JSON is one of YAML, too. */
function quoted(text: string): string {
  return printableJson(text)
}
