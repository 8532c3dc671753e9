/** A run in every form, as those who read it meet it. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { renderJunit } from '../../reports/junit.js'
import { renderBadge, runBadge } from '../../reports/matrix/badge.js'
import { addToHistory, emptyHistory, historyOf, LONGEST_HISTORY, readHistory } from '../../reports/matrix/history.js'
import { mergeRuns } from '../../reports/merge-runs.js'
import { renderRunMarkdown } from '../../reports/run-markdown.js'
import { parseRun, runSummary } from '../../reports/run-result.js'
import { renderTap } from '../../reports/tap.js'
import { mergeFolders, readRun, writeRun } from '../../reports/write-run.js'
import { pictureTest, sampleRun, sampleTest } from './run-sample.js'

const folder = mkdtempSync(join(tmpdir(), 'run-'))
afterAll(() => rmSync(folder, { recursive: true }))
const run = sampleRun()

describe('a run', () => {
  test('is checked when it is read', () => {
    expect(parseRun(JSON.parse(JSON.stringify(run)))).toEqual(run)
    expect(() => parseRun({ format: 'bootwright-matrix' })).toThrow(/no run\.json/)
    expect(() => parseRun({ ...run, version: 2 })).toThrow(/version 2.* reads version 1/)
    expect(() => parseRun({ ...run, tests: [{ ...run.tests[0], status: 'odd' }] })).toThrow(/damaged: tests\.0\.status/)
    for (const path of ['../x', '/etc/passwd', 'a/../../x', 'C:\\x']) {
      const attachments = [{ kind: 'text', name: 'x', file: { type: 'text/plain', path } }]
      expect(() => parseRun({ ...run, tests: [{ ...run.tests[0], attachments }] }), path).toThrow(/below the report/)
    }
    expect(runSummary(run.tests)).toBe('1 passed, 1 failed, 1 flaky, 1 skipped')
  })

  test('is JUnit XML that any parser takes, controls of serial lines left out', () => {
    const xml = renderJunit(run)
    expect(xml).toContain('<testsuites name="bootwright" tests="4" failures="1" errors="0" skipped="1" time="75.400">')
    expect(xml).toContain('name="login &gt; looks as ever | # &lt;b&gt;" classname="test/login.test.ts" time="1.234"')
    expect(xml).toContain('<skipped message="no image"/>')
    expect(xml).toContain('<property name="guest-time-ns" value="12300000000"/>')
    expect(xml).not.toContain('\x1b')
    expect(renderJunit({ ...run, errors: [{ message: 'no memory' }] })).toContain('<error message="no memory">')
    expect((xml.match(/<testcase/g) ?? []).length).toBe((xml.match(/<\/testcase>/g) ?? []).length)
  })

  test('is TAP 14', () => {
    const lines = renderTap(run).split('\n')
    expect(lines.slice(0, 3)).toEqual(['TAP version 14', '1..4', 'ok 1 - test/login.test.ts > login > shows a prompt'])
    expect(lines).toContain('not ok 2 - test/login.test.ts > login > looks as ever | \\# <b>')
    expect(lines).toContain('ok 4 - test/flaky.test.ts > needs media # SKIP no image')
    expect(lines).toContain('  flaky: true')
    expect(renderTap({ ...run, errors: [{ message: 'a\nb' }] })).toContain('Bail out! a b')
  })

  test('is Markdown with a table that no title breaks; short for GitHub’s summary', () => {
    const text = renderRunMarkdown(run)
    expect(text).toContain('# Guest tests: 1 passed, 1 failed, 1 flaky, 1 skipped')
    expect(text).toContain('| ❌ | login > looks as ever \\| \\# &lt;b> | test/login.test.ts |  | 1.2 s |')
    expect(text).toContain('- a\n+ b')
    expect(renderRunMarkdown(run, { short: true })).toContain('<details><summary>All tests</summary>')
    const long = sampleTest({ titles: ['x'], status: 'failed', errors: [{ message: 'y'.repeat(1e6) }] })
    const many = sampleRun(Array.from({ length: 300 }, (_, i) => ({ ...long, titles: [`x${i}`] })))
    expect(renderRunMarkdown(many, { short: true }).length).toBeLessThan(1024 * 1024)
  })

  test('is a badge that says the worst', () => {
    expect(renderBadge(runBadge(run.tests))).toMatch(/^<svg [^>]*aria-label="guest tests: 1 of 3 failed"/)
    expect(runBadge([run.tests[0]]).message).toBe('1 passed')
    expect(runBadge([run.tests[0], run.tests[2]]).message).toBe('2 passed, 1 flaky')
    expect(runBadge([]).message).toBe('none')
    expect(renderBadge({ label: '<a>', message: '&', colour: '#000' })).toContain('&lt;a&gt;')
  })
})

describe('the history', () => {
  const dated = (day: number, status: 'passed' | 'failed' | 'flaky') =>
    sampleRun([sampleTest({ titles: ['t'], status })], `2026-11-${String(day).padStart(2, '0')}T00:00:00.000Z`)
  const { id } = sampleTest({ titles: ['t'] })

  test('has the last runs in order, each once, and no more than it should', () => {
    let history = emptyHistory()
    for (const day of [3, 1, 2, 2]) history = addToHistory(history, dated(day, day === 2 ? 'failed' : 'passed'))
    expect(historyOf(history, id)).toEqual({ statuses: ['passed', 'failed', 'passed'], flaky: false })
    expect(historyOf(history, 'other').statuses).toEqual([undefined, undefined, undefined])
    for (let i = 0; i < 40; i++)
      history = addToHistory(history, {
        ...dated(1, 'passed'),
        run: { ...run.run, date: new Date(Date.UTC(2027, 0, i + 1)).toISOString() },
      })
    expect(history.runs).toHaveLength(LONGEST_HISTORY)
    expect(readHistory({ format: 'something' })).toEqual(emptyHistory())
  })

  test('calls flaky what passed on a retry, or goes both ways again and again', () => {
    const isFlaky = (statuses: ('passed' | 'failed' | 'flaky')[]) =>
      historyOf(
        statuses.reduce((history, status, i) => addToHistory(history, dated(i + 1, status)), emptyHistory()),
        id,
      ).flaky
    expect(isFlaky(['passed', 'failed', 'failed', 'passed'])).toBe(false)
    expect(isFlaky(['passed', 'failed', 'passed', 'failed'])).toBe(true)
    expect(isFlaky(['passed', 'flaky', 'passed'])).toBe(true)
  })
})

describe('a run’s folder', () => {
  test('has every report and each picture once, and is read back', async () => {
    const out = join(folder, 'report')
    const picture = await pictureTest()
    const twice = sampleTest({ titles: ['again'], attachments: picture.attachments })
    const written = writeRun(sampleRun([picture, twice]), out)
    const read = readRun(out)
    expect(read.run).toEqual(written.run)
    const attachment = read.run.tests[0].attachments[0]
    expect(attachment).toMatchObject({ kind: 'picture', expected: { path: expect.stringMatching(/^files\/.*\.png$/) } })
    const html = readFileSync(written.html, 'utf8')
    expect(html.match(/data-type="image\/png"/g)).toHaveLength(3)
    expect(readFileSync(join(out, 'junit.xml'), 'utf8')).toContain('[[ATTACHMENT|files/')
    for (const name of ['report.md', 'report.tap', 'badge.svg', 'history.json'])
      expect(readFileSync(join(out, name), 'utf8')).not.toBe('')
    expect(() => readRun(join(folder, 'nowhere'))).toThrow(/There is no/)
    writeFileSync(join(folder, 'text.json'), 'text')
    expect(() => readRun(join(folder, 'text.json'))).toThrow(/is no JSON/)
    expect(() => readRun(folder)).toThrow(/no run\.json in/)
  })

  test('is merged from those of several parts, pictures too', async () => {
    const [a, b] = [join(folder, 'a'), join(folder, 'b')]
    const later = '2026-11-22T16:31:00.000Z'
    writeRun(sampleRun([await pictureTest(), sampleTest({ titles: ['both'] })]), a)
    writeRun(sampleRun([sampleTest({ titles: ['both'], status: 'failed' }), sampleTest({ titles: ['b'] })], later), b)
    const { run: merged, html } = mergeFolders([b, a], join(folder, 'merged'))
    expect(merged.tests.map(({ titles, status }) => [titles.at(-1), status])).toEqual([
      ['is the same', 'failed'],
      ['both', 'failed'],
      ['b', 'passed'],
    ])
    expect(merged.run).toMatchObject({ date: run.run.date, durationMs: 60_000 + 75_400 })
    expect(readFileSync(html, 'utf8')).toContain('data-type="image/png"')
    expect(
      mergeRuns([{ run: { ...run, run: { ...run.run, shard: '1/2', interrupted: true } }, prefix: 'x/' }]).run,
    ).toMatchObject({ interrupted: true })
  })
})
