/** A run as JUnit XML, in the form that CI servers agree on: a suite a file, skipped and failed tests, output. */
import { printable } from './printable.js'
import { countTests, fullTitle, type RunResult, type TestResult } from './run-result.js'

export function renderJunit(run: RunResult): string {
  const files = [...new Set(run.tests.map(({ file }) => file))]
  const all = countTests(run.tests)
  const lines = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="bootwright" tests="${run.tests.length}" failures="${all.failed}" errors="${run.errors.length}" ` +
      `skipped="${all.skipped}" time="${seconds(run.run.durationMs)}">`,
  ]
  for (const file of files) lines.push(...suite(file, run))
  if (run.errors.length > 0) {
    lines.push(`  <testsuite name="outside any test" tests="1" failures="0" errors="${run.errors.length}" skipped="0">`)
    for (const { message, stack } of run.errors)
      lines.push(
        '    <testcase name="outside any test" classname="bootwright">',
        `      <error message="${attribute(message)}">${text(stack ?? message)}</error>`,
        '    </testcase>',
      )
    lines.push('  </testsuite>')
  }
  lines.push('</testsuites>')
  return `${lines.join('\n')}\n`
}

function suite(file: string, { run, tests }: RunResult): string[] {
  const own = tests.filter((test) => test.file === file)
  const counts = countTests(own)
  const time = own.reduce((sum, { hostMs }) => sum + hostMs, 0)
  return [
    `  <testsuite name="${attribute(file)}" timestamp="${run.date.replace(/\.\d+Z$/, 'Z')}" tests="${own.length}" ` +
      `failures="${counts.failed}" errors="0" skipped="${counts.skipped}" time="${seconds(time)}">`,
    ...own.flatMap(testCase),
    '  </testsuite>',
  ]
}

function testCase(test: TestResult): string[] {
  const head = `    <testcase name="${attribute(fullTitle(test))}" classname="${attribute(test.file)}" time="${seconds(test.hostMs)}">`
  const content: string[] = []
  const properties = [
    ['status', test.status],
    ['retries', test.retries],
    ['guest-time-ns', test.guestTimeNs],
  ].filter(([, value]) => value !== undefined)
  content.push(
    '      <properties>',
    ...properties.map(([name, value]) => `        <property name="${name}" value="${value}"/>`),
    '      </properties>',
  )
  if (test.status === 'skipped')
    content.push(`      <skipped${test.reason ? ` message="${attribute(test.reason)}"` : ''}/>`)
  if (test.status === 'failed') {
    const [first] = test.errors
    content.push(
      `      <failure message="${attribute(first?.message.split('\n')[0] ?? 'failed')}">${text(
        test.errors.map(({ message, stack }) => stack ?? message).join('\n\n'),
      )}</failure>`,
    )
  }
  const paths = test.attachments.flatMap((attachment) =>
    attachment.kind === 'picture'
      ? [attachment.expected?.path, attachment.actual?.path, attachment.diff?.path]
      : [attachment.file.path],
  )
  // The form that Jenkins and GitLab read.
  const attached = paths.filter((path) => path !== undefined).map((path) => `[[ATTACHMENT|${path}]]`)
  if (attached.length > 0) content.push(`      <system-out>${text(attached.join('\n'))}</system-out>`)
  return [head, ...content, '    </testcase>']
}

export function seconds(ms: number): string {
  return (ms / 1000).toFixed(3)
}

/** XML 1.0, production 2: what may not occur, not even as a reference, beside what is not printable anyhow. */
const FORBIDDEN = /[\ufffe\uffff]/g

export function text(value: string): string {
  return printable(value)
    .replace(FORBIDDEN, '\ufffd')
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;')
}

export function attribute(value: string): string {
  return text(value).replace(/"/g, '&quot;').replace(/\n/g, '&#10;').replace(/\t/g, '&#9;')
}
