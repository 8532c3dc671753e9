import { describe, expect, test } from 'vitest'
import { renderJunit } from '../../reports/junit.js'
import { printable, printableJson, printableLine } from '../../reports/printable.js'
import { renderRunHtml } from '../../reports/run-html.js'
import { renderRunMarkdown } from '../../reports/run-markdown.js'
import { RunResult } from '../../reports/run-result.js'
import { renderTap } from '../../reports/tap.js'
import { sampleRun, sampleTest } from './run-sample.js'

const EVIL = 'a\x1b[2Jb\x9bmc\x7fd\u202ee\u2066f\x00g\u200fh\ud800i\rj'
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is what must not be there
const BAD = /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]|\p{Cs}/u

describe('text from a guest', () => {
  test('is shown with its controls as escapes; lines, tabs and other scripts stay', () => {
    expect(printable(EVIL)).toBe('a\\x1b[2Jb\\x9bmc\\x7fd\\u202ee\\u2066f\\x00g\\u200fh\\ud800i\\x0dj')
    const plain = 'one\ttwo\nthree é ж 漢 😀 │░'
    expect(printable(plain)).toBe(plain)
    expect(printable('a\r\nb')).toBe('a\nb')
    expect(printableLine(' a\r\n  b\x1b ')).toBe('a b\\x1b')
  })

  test('is the same to a program that reads the JSON', () => {
    const text = printableJson({ EVIL }, 2)
    expect(text).not.toMatch(BAD)
    expect(JSON.parse(text)).toEqual({ EVIL })
  })

  test.each<[string, (run: RunResult) => string]>([
    ['report.tap', renderTap],
    ['report.md', renderRunMarkdown],
    ['junit.xml', renderJunit],
    ['report.html', (run) => renderRunHtml(run).replaceAll('\r', '')],
  ])('reaches %s without controls', (_, render) => {
    const [one] = sampleRun([sampleTest({ titles: ['one'] })]).tests
    const errors = [{ message: EVIL, stack: EVIL, diff: EVIL }]
    const evil = { ...one, titles: [EVIL, EVIL], file: EVIL, project: EVIL, reason: EVIL, errors }
    const tests = [
      { ...evil, status: 'failed' as const },
      { ...evil, status: 'skipped' as const },
    ]
    const run = { ...sampleRun([sampleTest({ titles: ['one'] })]), tests, errors }
    expect(render(run).split('<script>')[0]).not.toMatch(BAD)
  })
})

describe('a run.json from elsewhere', () => {
  const withFile = (file: object) => {
    const run = sampleRun([sampleTest({ titles: ['one'] })])
    const attachments = [{ kind: 'trace', name: 'x', file }]
    return RunResult.safeParse({ ...run, tests: [{ ...run.tests[0], attachments }] }).success
  }

  test('names files below it alone, and their types', () => {
    expect(withFile({ type: 'image/png', path: 'files/a.png' })).toBe(true)
    for (const path of [
      'javascript:alert(1)',
      'http://x/',
      '/etc/passwd',
      '//host/x',
      'a/../../b',
      'a\\b',
      'a\0',
      '\ud800',
    ])
      expect(withFile({ type: 'image/png', path }), path).toBe(false)
    expect(withFile({ type: '"><script>alert(1)</script>', path: 'a' })).toBe(false)
  })
})
