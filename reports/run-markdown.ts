/** A run as Markdown: for a repository, a comment, or GitHub's step summary, which takes 1 MiB. */
import { fence, plain } from './markdown.js'
import { fullTitle, type RunResult, runSummary, type TestResult } from './run-result.js'
import { duration, guestTime } from './words.js'

const MARKS = { passed: '✅', failed: '❌', flaky: '⚠️', skipped: '⚪' }
/** Longer ones are cut: a summary that is too long is not shown at all. */
const LONGEST_ERROR = 4000
const MOST_FAILURES = 50

export interface MarkdownOptions {
  /** Only what went wrong, and the rest folded; for GitHub's step summary. */
  short?: boolean
}

export function renderRunMarkdown(run: RunResult, options: MarkdownOptions = {}): string {
  const { host, date, durationMs, bootwright } = run.run
  const bad = run.tests.filter(({ status }) => status === 'failed' || status === 'flaky')
  const lines = [
    `# Guest tests: ${runSummary(run.tests)}`,
    '',
    `${date.slice(0, 16).replace('T', ' ')} UTC in ${duration(durationMs)}, Bootwright ${bootwright.version}, ` +
      `${plain(host.os)}, ${plain(host.cpu)}.${run.run.interrupted ? ' **The run was interrupted.**' : ''}`,
  ]
  for (const { message } of run.errors) lines.push('', `❌ Outside any test: ${plain(cut(message))}`)
  for (const test of bad.slice(0, MOST_FAILURES)) lines.push(...details(test))
  if (bad.length > MOST_FAILURES) lines.push('', `And ${bad.length - MOST_FAILURES} more.`)
  if (run.tests.length > 0) {
    lines.push('', ...(options.short ? ['<details><summary>All tests</summary>', ''] : []))
    lines.push('| | Test | File | Guest time | Host time |', '| --- | --- | --- | ---: | ---: |')
    for (const test of run.tests) lines.push(row(test))
    if (options.short) lines.push('', '</details>')
  }
  return `${lines.join('\n')}\n`
}

function row(test: TestResult): string {
  const guest = test.guestTimeNs === undefined ? '' : guestTime(test.guestTimeNs)
  const reason = test.reason ? ` (${plain(test.reason)})` : ''
  return `| ${MARKS[test.status]} | ${plain(fullTitle(test))}${reason} | ${plain(test.file)} | ${guest} | ${duration(test.hostMs)} |`
}

function details(test: TestResult): string[] {
  const lines = ['', `## ${MARKS[test.status]} ${plain(fullTitle(test))}`, '']
  lines.push(
    `${plain(test.file)}${test.line ? `:${test.line}` : ''}, ${test.status}${
      test.retries > 0 ? ` after ${test.retries} ${test.retries === 1 ? 'retry' : 'retries'}` : ''
    }`,
  )
  for (const { message, diff } of test.errors) lines.push('', fence(cut(diff ? `${message}\n\n${diff}` : message)))
  for (const attachment of test.attachments) {
    if (attachment.kind === 'capture' && attachment.file.path)
      lines.push('', `Frames: [${plain(attachment.name)}](${encodeURI(attachment.file.path)})`)
    if (attachment.kind !== 'picture' || attachment.status === 'matched') continue
    for (const key of ['expected', 'actual', 'diff'] as const) {
      const path = attachment[key]?.path
      if (path) lines.push('', `![${plain(`${attachment.name}, ${key}`)}](${encodeURI(path)})`)
    }
  }
  return lines
}

function cut(text: string): string {
  return text.length > LONGEST_ERROR ? `${text.slice(0, LONGEST_ERROR)}\n…` : text
}
