/** A run on a terminal: a line a test, or a dot, and at the end what went wrong. */
import { printable, printableLine } from './printable.js'
import { fullTitle, type RunResult, runSummary, type TestResult } from './run-result.js'
import { duration, guestTime } from './words.js'

export interface LineOptions {
  /** By the NO_COLOR and FORCE_COLOR habits; the caller knows. */
  colour: boolean
}

const MARKS = { passed: '✓', failed: '✗', flaky: '±', skipped: '-' }
const DOTS = { passed: '·', failed: 'F', flaky: '±', skipped: '-' }
const COLOURS = { passed: 32, failed: 31, flaky: 33, skipped: 90 }

/** `✓ test/login.test.ts > shows a prompt  12.3 s guest, 1.2 s`. */
export function testLine(test: TestResult, { colour }: LineOptions): string {
  const times = [
    test.guestTimeNs !== undefined && `${guestTime(test.guestTimeNs)} guest`,
    test.status !== 'skipped' && duration(test.hostMs),
  ].filter(Boolean)
  const extra = test.status === 'skipped' ? (test.reason ?? '') : times.join(', ')
  const words = printableLine(`${test.file} > ${fullTitle(test)}${extra ? `  ${extra}` : ''}`)
  return `${painted(MARKS[test.status], test, colour)} ${words}`
}

export function testDot(test: TestResult, { colour }: LineOptions): string {
  return painted(DOTS[test.status], test, colour)
}

/** What is said when all have run. */
export function closingLines(run: RunResult, options: LineOptions): string {
  const lines: string[] = []
  for (const test of run.tests.filter(({ status }) => status === 'failed')) {
    lines.push('', testLine(test, options))
    for (const { message, stack } of test.errors) lines.push(...indent(stack ?? message))
    for (const attachment of test.attachments) {
      if (attachment.kind === 'picture' && attachment.actual?.path && attachment.status !== 'matched')
        lines.push(...indent(`picture ${attachment.name}: ${attachment.diff?.path ?? attachment.actual.path}`))
      if (attachment.kind === 'capture' && attachment.file.path)
        lines.push(...indent(`frames ${attachment.name}: ${attachment.file.path}`))
    }
  }
  for (const { message, stack } of run.errors) lines.push('', 'outside any test:', ...indent(stack ?? message))
  lines.push(
    '',
    `${runSummary(run.tests)} in ${duration(run.run.durationMs)}${run.run.interrupted ? ', interrupted' : ''}`,
  )
  return `${lines.join('\n')}\n`
}

function indent(text: string): string[] {
  return printable(text)
    .split('\n')
    .map((line) => `    ${line}`)
}

function painted(mark: string, { status }: TestResult, colour: boolean): string {
  return colour ? `\x1b[${COLOURS[status]}m${mark}\x1b[0m` : mark
}
