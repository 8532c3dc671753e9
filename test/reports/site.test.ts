/** The site as a reader meets it: its files, and in Chromium where it is installed. */
import { existsSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { compareMatrix } from '../../reports/matrix/compare-matrix.js'
import type { MatrixResult } from '../../reports/matrix/matrix-result.js'
import { type Measurement, matrixOf, measurementsOf, runId } from '../../reports/matrix/measurement.js'
import { addMeasurement, readResults } from '../../reports/matrix/results-folder.js'
import { changesPages } from '../../reports/site/changes-page.js'
import { guestPage } from '../../reports/site/guest-page.js'
import { indexPage } from '../../reports/site/index-page.js'
import { siteModel } from '../../reports/site/site-model.js'
import { writeSite } from '../../reports/site/write-site.js'
import { executablePath, launchChromium } from './chromium.js'
import { madeUpMeasurements } from './made-up.js'
import { sampleMatrix } from './sample.js'

const DATES = ['2026-11-20T08:00:00.000Z', '2026-11-21T08:00:00.000Z']

/** Two runs: in the second FreeDOS has lost its prompt, and the other guest's kernel works. */
function measurements(): Measurement[] {
  return DATES.flatMap((date, i) =>
    measurementsOf(sampleMatrix()).map((one) => {
      const { cell } = one
      if (i === 1 && cell.guest === 'freedos') {
        cell.levels[2] = { ...cell.levels[2], status: 'failed', reason: 'waited 60 s' }
        Object.assign(cell, { status: 'failed', level: 'kernel' })
      }
      if (i === 1 && cell.guest === 'broken') {
        cell.levels[1] = { ...cell.levels[1], status: 'passed', note: 'with acpi=off' }
        Object.assign(cell, { status: 'passed', level: 'kernel', reason: undefined })
      }
      const run = { ...one.run, id: runId(date), date, bootwright: { version: '0.1.0', commit: `c0ffee${i}` } }
      return { ...one, run, cell: { ...cell, measured: date, command: `bootwright matrix ${cell.guest}` } }
    }),
  )
}

const folder = mkdtempSync(join(tmpdir(), 'site-'))
const site = join(folder, 'site')
for (const one of measurements()) addMeasurement(one, folder)
const kept = readResults(folder).measurements
const absent = sampleMatrix()
absent.cells = absent.cells.filter(({ status }) => status === 'skipped')
writeSite(siteModel(kept, matrixOf(kept, absent) as MatrixResult, 'Made up for a test.'), folder, site)
const read = (name: string) => readFileSync(join(site, name), 'utf8')

describe('the site', () => {
  test('has a page, a badge a guest, the data of each run, and the matrix in four forms', () => {
    expect(readdirSync(site).sort()).toEqual([
      ...['badges', 'changes.html', 'compare.html', 'compare.js', 'guests', 'index.html', 'junit.xml'],
      ...['matrix.json', 'matrix.md', 'matrix.schema.json', 'measurement.schema.json', 'runs', 'screenshots'],
      ...['site.css', 'site.js'],
    ])
    expect(readdirSync(join(site, 'guests'))).toEqual(['absent.html', 'broken.html', 'freedos.html'])
    expect(readdirSync(join(site, 'runs'))).toHaveLength(2)
    expect(read('badges/freedos.svg')).toContain('FreeDOS: kernel')
    expect(read('badges/absent.svg')).toContain('not measured')
    expect(read('junit.xml')).toMatch(/<testsuite name="freedos on soft".* tests="3" failures="1"/)
    expect(JSON.parse(read('matrix.schema.json')).type).toBe('object')
  })

  test('links to nothing that is not there, and to nothing elsewhere', () => {
    const pages = [
      'index.html',
      'compare.html',
      'changes.html',
      ...readdirSync(join(site, 'guests')).map((n) => `guests/${n}`),
    ]
    for (const page of pages)
      for (const [, link] of read(page).matchAll(/(?:src|href)="([^"#]+)[^"]*"/g)) {
        expect(link).not.toMatch(/^[a-z]+:/)
        expect(existsSync(join(site, page, '..', decodeURI(link))), `${page}: ${link}`).toBe(true)
      }
  })

  test('says without scripts what stands how, what regressed with both pictures, and what nobody measured', () => {
    const index = read('index.html')
    expect(index).toContain('<span class="chip">regressed</span>')
    expect(index).toContain('not measured, wants absent.img')
    const compared = read('compare.html')
    expect(compared).toContain('1 regressed, 1 improved')
    expect(compared).toContain('userland worked and is broken: waited 60 s')
    expect(compared.split('<figure>')).toHaveLength(3)
    expect(read('changes.html')).toContain('id="c0ffee1"')
    const guest = read('guests/broken.html')
    expect(guest).toContain('works with a note: with acpi=off')
    expect(guest).toContain('bootwright matrix broken')
    expect(guest).not.toContain('<script>alert')
    expect(index).toContain('Made up for a test.')
  })
})

test('changes of many runs have several pages, one after the other', () => {
  const made = madeUpMeasurements({ guests: 1, engines: 1, runs: 21 })
  const pages = changesPages(siteModel(made, matrixOf(made, undefined) as MatrixResult))
  expect([...pages.keys()]).toEqual(['changes.html', 'changes-2.html', 'changes-3.html'])
  const articles = [...pages.values()].map((text) =>
    [...text.matchAll(/<article id="made-up-(\d+)"/g)].map(([, run]) => run),
  )
  expect(articles.map((ids) => [ids[0], ids.at(-1)])).toEqual([
    ['21', '12'],
    ['11', '2'],
    ['1', '1'],
  ])
  expect(pages.get('changes-2.html')).toMatch(/href="changes.html">Newer runs<.*href="changes-3.html">Older runs</)
})

test('a guest whose screen stays off is known by its serial line', () => {
  const made = madeUpMeasurements({ guests: 1, engines: 1, runs: 1 })
  for (const { evidence } of made[0].cell.levels)
    if (evidence?.screenshot) {
      evidence.screenshot = { ...evidence.screenshot, path: 'screenshots/a.png', mode: 'screen off' }
      evidence.serial = `old\n${'line\n'.repeat(9)}=> <b>`
    }
  const model = siteModel(made, matrixOf(made, undefined) as MatrixResult)
  const index = indexPage(model)
  expect(index).toMatch(/<a class="serial" href="[^"]*made-up-001\.html" aria-label="[^"]*">/)
  expect(index).toContain(`<pre>${'line\n'.repeat(9)}=&gt; &lt;b&gt;</pre>`)
  expect(index).not.toContain('loading="lazy"')
  expect(guestPage(model, model.guests[0])).toContain('<span class="noshot">screen off</span>')
})

test('comparing tells a level that is lost, one that is won, and what only one side has', () => {
  const [a, b] = DATES.map((date) => kept.filter(({ cell }) => cell.measured === date))
  expect(compareMatrix(a, b).map(({ kind, guest, level }) => [kind, guest, level])).toEqual([
    ['regressed', 'freedos', 'userland'],
    ['improved', 'broken', 'kernel'],
  ])
  expect(compareMatrix(a, a)).toEqual([])
  expect(compareMatrix(a.slice(0, 1), a.slice(1)).map(({ kind }) => kind)).toEqual(['new', 'not booted'])
})

describe.skipIf(!executablePath)('in Chromium', () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await launchChromium()
  })
  afterAll(() => browser?.close())

  async function open(name: string, width = 1280): Promise<Page> {
    const page = await browser.newPage({ viewport: { width, height: 800 } })
    await page.goto(pathToFileURL(join(site, name)).href)
    return page
  }

  test.each(['index.html', 'guests/freedos.html', 'compare.html', 'changes.html'])('%s fits a phone', async (name) => {
    const page = await open(name, 390)
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(390)
    await page.close()
  })

  test('the table is filtered and sorted, and the address keeps it', async () => {
    const page = await open('index.html')
    const shown = async () => page.locator('table.site tbody tr:visible th').allTextContents()
    expect(await shown()).toHaveLength(3)
    await page.getByPlaceholder('Filter guests').fill('dos')
    expect(await shown()).toEqual(['FreeDOS'])
    await page.getByPlaceholder('Filter guests').fill('')
    await page.getByRole('button', { name: 'Not measured' }).press('Enter')
    expect(await shown()).toEqual(['Absent OS'])
    await page.getByRole('button', { name: 'Not measured' }).press('Enter')
    await page.getByLabel('Sort by').selectOption('title')
    expect(await shown()).toEqual(['Absent OS', 'Broken | <OS>', 'FreeDOS'])
    await page.reload()
    expect(await shown()).toEqual(['Absent OS', 'Broken | <OS>', 'FreeDOS'])
    await page.close()
  })

  test('two runs that are chosen are compared from their files', async () => {
    const page = await open('compare.html')
    const [now, before] = await page
      .locator('select[name=after] option')
      .evaluateAll((all) => all.map((one) => (one as unknown as { value: string }).value))
    await page.locator('select[name=before]').selectOption(now)
    await page.locator('select[name=after]').selectOption(before)
    await page.getByText('broken: waited').waitFor({ state: 'detached' })
    expect(await page.locator('#result .lead').textContent()).toBe('1 regressed, 1 improved.')
    expect(await page.locator('#result li').first().textContent()).toMatch(
      /regressed Broken .*kernel worked and is broken/,
    )
    expect(await page.locator('#result figure').count()).toBe(2)
    await page.close()
  })

  test('a screenshot is enlarged by keyboard', async () => {
    const page = await open('guests/freedos.html')
    await page.locator('a.shot').first().focus()
    await page.keyboard.press('Enter')
    expect(await page.locator('dialog').isVisible()).toBe(true)
    await page.keyboard.press('Escape')
    await page.close()
  })
})
