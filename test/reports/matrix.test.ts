import { existsSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { html, raw } from '../../reports/html.js'
import { renderMatrixHtml } from '../../reports/matrix/matrix-html.js'
import { renderMatrixMarkdown } from '../../reports/matrix/matrix-markdown.js'
import {
  cellId,
  cellIn,
  columnsOf,
  countOf,
  measuredFirst,
  parseMatrix,
  ResultFormatError,
} from '../../reports/matrix/matrix-result.js'
import { writeMatrix } from '../../reports/matrix/write-matrix.js'
import { accessName, count, duration, exitName, progress, summary } from '../../reports/words.js'
import { PIXEL, sampleMatrix } from './sample.js'

describe('the result model', () => {
  test('reads back what was written', () => {
    const matrix = sampleMatrix()
    expect(parseMatrix(JSON.parse(JSON.stringify(matrix)))).toEqual(matrix)
  })

  test.each([
    ['another format', { format: 'junit', version: 1 }, /its "format" is another/],
    ['no object', 'text', /its "format" is another/],
    ['a later version', { ...sampleMatrix(), version: 2 }, /has version 2, and this Bootwright reads version 1/],
    ['a damaged cell', { ...sampleMatrix(), cells: [{ guest: 'x' }] }, /damaged: cells\.0\.engine/],
  ])('refuses %s in one sentence', (_, data, message) => {
    expect(() => parseMatrix(data)).toThrow(ResultFormatError)
    expect(() => parseMatrix(data)).toThrow(message)
  })

  test('finds and counts cells', () => {
    const matrix = sampleMatrix()
    const [soft] = columnsOf(matrix)
    expect(cellIn(matrix, 'broken', soft)?.level).toBe('loader')
    expect(
      cellIn({ ...matrix, engines: [] }, 'broken', { ...soft, engine: { id: 'kvm', title: 'kvm' } }),
    ).toBeUndefined()
    expect(countOf(matrix)).toEqual({ passed: 1, failed: 1, skipped: 1 })
  })

  test('has a column for each engine and set of devices', () => {
    const matrix = sampleMatrix()
    matrix.engines.push({ id: 'kvm', title: 'kvm' })
    expect(columnsOf(matrix).map((column) => column.title)).toEqual(['soft', 'kvm'])
    matrix.devices.push({ id: 'virtio', title: 'virtio' })
    const booted = matrix.cells.find(({ status }) => status === 'passed') as (typeof matrix.cells)[number]
    matrix.cells.push({ ...booted, device: 'virtio' })
    expect(columnsOf(matrix).map((column) => column.title)).toEqual([
      'soft, standard PC',
      'soft, virtio',
      'kvm, standard PC',
      'kvm, virtio',
    ])
  })

  test('pages begin with what was booted, in its order, and end with what was not', () => {
    const matrix = sampleMatrix()
    const names = measuredFirst(matrix).map(({ name }) => name)
    const skipped = matrix.cells.find(({ status }) => status === 'skipped')?.guest
    expect(names.at(-1)).toBe(skipped)
    const guests = [...matrix.guests].sort((one) => (one.name === skipped ? -1 : 0))
    expect(guests[0].name).toBe(skipped)
    expect(measuredFirst({ ...matrix, guests }).map(({ name }) => name)).toEqual(names)
  })

  test('devices with which nothing was booted have no column, and what was skipped is told in the first', () => {
    const matrix = sampleMatrix()
    const skipped = matrix.cells.find(({ status }) => status === 'skipped') as (typeof matrix.cells)[number]
    matrix.devices.push({ id: 'virtio', title: 'virtio' })
    skipped.device = 'virtio'
    expect(columnsOf(matrix).map((column) => column.title)).toEqual(['soft'])
    expect(cellIn(matrix, skipped.guest, columnsOf(matrix)[0])).toBe(skipped)
    expect(renderMatrixHtml(matrix)).not.toContain('not run')
  })

  test('makes names that are safe in paths and fragments', () => {
    expect(cellId({ guest: '../a b', engine: 'soft', device: 'x"y' })).toBe('..-a-b--soft--x-y')
  })
})

describe('words', () => {
  test.each([
    [0.4, '0 ms'],
    [850, '850 ms'],
    [12_345, '12.3 s'],
    [99_949, '99.9 s'],
    [100_000, '1 min 40 s'],
    [3_599_600, '60 min 0 s'],
  ])('%d ms is %s', (ms, words) => expect(duration(ms)).toBe(words))

  test.each([
    [950, '950'],
    [9_999, '9,999'],
    [12_345, '12.3 thousand'],
    [4_560_000, '4.56 million'],
    [1_234_000_000, '1.23 billion'],
  ])('%d is %s', (value, words) => expect(count(value)).toBe(words))

  test('say what came of it', () => {
    const matrix = sampleMatrix()
    expect(summary(matrix)).toBe('1 of 2 reached their top level, 1 did not, 1 skipped')
    expect(summary({ ...matrix, cells: [matrix.cells[2]] })).toBe('No guest was booted, 1 skipped')
    expect(matrix.cells.map(progress)).toEqual(['3/3', '1/2', '0/0'])
    expect(accessName({ kind: 'mmio', address: 0xfec00000, reads: 1, writes: 0 })).toBe('memory 0xfec00000')
    expect(exitName({ reason: 'debug-exit', code: 0 })).toBe('debug-exit 0')
    expect(exitName({ reason: 'triple-fault', detail: 'EIP=1' })).toBe('triple-fault (EIP=1)')
  })
})

describe('HTML', () => {
  test('escapes what is put into a template, but not templates', () => {
    expect(html`<p title="${'"&\''}">${'<b>'}${html`<i>${1}</i>`}${[html`a`, 'b>']}${undefined}${false}</p>`.text).toBe(
      '<p title="&quot;&amp;&#39;">&lt;b&gt;<i>1</i>ab&gt;</p>',
    )
    expect(html`${raw('<br>')}`.text).toBe('<br>')
  })

  test('replaces controls that HTML forbids', () => {
    expect(html`${'a\u001b[0m\nb\u0000'}`.text).toBe('a\ufffd[0m\nb\ufffd')
  })

  const page = renderMatrixHtml(sampleMatrix())

  test('has every screenshot within, and asks for nothing outside', () => {
    expect(page.split(`data:image/png;base64,${PIXEL}`)).toHaveLength(6)
    expect(page).not.toMatch(/(src|href)="(?!#|data:)/)
  })

  test('links every cell of the table to its evidence', () => {
    const links = [...page.matchAll(/<td class="cell"><a [^>]*href="#([^"]+)"/g)].map((found) => found[1])
    expect(links).toEqual(sampleMatrix().cells.map(cellId))
    for (const id of links) expect(page).toContain(`<article id="${id}"`)
  })

  test('shows what guests say as text', () => {
    expect(page).not.toContain('<script>alert')
    expect(page).toContain('&lt;script&gt;alert(1)&lt;/script&gt;')
    expect(page).toContain('Broken | &lt;OS&gt;')
  })

  test('says why a guest failed or was skipped', () => {
    expect(page).toContain('the text /login:/ was not seen within 60.0 s of host time.')
    expect(page).toContain('stopped by itself: triple-fault (EIP=00100000)')
    expect(page).toContain('absent.img is missing: set BOOTWRIGHT_IMAGES')
  })

  test('marks a guest that was not run on an engine', () => {
    const matrix = sampleMatrix()
    matrix.engines.push({ id: 'kvm', title: 'kvm' })
    expect(renderMatrixHtml(matrix)).toContain('<td class="none">not run</td>')
  })
})

describe('Markdown', () => {
  test('has a row for each guest, with bars and tags escaped', () => {
    const text = renderMatrixMarkdown(sampleMatrix())
    expect(text).toContain('| FreeDOS | DOS | ✅ userland 3/3 |')
    expect(text).toContain('| Broken \\| &lt;OS> | hobby | ❌ loader 1/2 |')
    expect(text).toContain('| Absent OS | BSD | ⚪ skipped |')
  })

  test('fences serial lines that hold backticks', () => {
    expect(renderMatrixMarkdown(sampleMatrix())).toContain('```text\npanic: `oops`')
    const matrix = sampleMatrix()
    const { evidence } = matrix.cells[1].levels[1]
    if (evidence) evidence.serial = '```\n# not a heading'
    expect(renderMatrixMarkdown(matrix)).toContain('````text\n```\n# not a heading\n````')
  })
})

describe('writing', () => {
  test('leaves the page, the text, the data and the pictures that both name', () => {
    const folder = join(mkdtempSync(join(tmpdir(), 'matrix-')), 'new')
    const paths = writeMatrix(sampleMatrix(), folder)
    expect(readFileSync(paths.html, 'utf8')).toContain('<!doctype html>')
    const data = parseMatrix(JSON.parse(readFileSync(paths.json, 'utf8')))
    const shots = data.cells.flatMap((cell) => cell.levels.flatMap((level) => level.evidence?.screenshot ?? []))
    expect(shots).toHaveLength(5)
    for (const { path, png } of shots) {
      expect(png).toBeUndefined()
      expect(readFileSync(join(folder, path ?? ''))).toEqual(Buffer.from(PIXEL, 'base64'))
    }
    expect(readdirSync(join(folder, 'screenshots'))).toHaveLength(1)
    const linked = [...readFileSync(paths.markdown, 'utf8').matchAll(/!\[[^\]]*\]\(([^)]+)\)/g)].map(
      (found) => found[1],
    )
    expect(linked).toHaveLength(2)
    for (const path of linked) expect(existsSync(join(folder, path))).toBe(true)
  })
})
