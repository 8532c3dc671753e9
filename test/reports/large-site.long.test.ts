/** The site of many guests, engines and runs, which are made up: that it opens at once, and filters without a pause. */
import { mkdirSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import type { MatrixResult } from '../../reports/matrix/matrix-result.js'
import { matrixOf } from '../../reports/matrix/measurement.js'
import { withPicturePaths } from '../../reports/screenshots.js'
import { siteModel } from '../../reports/site/site-model.js'
import { writeSite } from '../../reports/site/write-site.js'
import { executablePath, launchChromium } from './chromium.js'
import { MADE_UP, madeUpMeasurements } from './made-up.js'

const MANY = { guests: 200, engines: 4, runs: 50 }

test.skipIf(!executablePath)(
  '200 guests on 4 engines in 50 runs open within a second',
  async () => {
    const folder = process.env.BOOTWRIGHT_LARGE_SITE || mkdtempSync(join(tmpdir(), 'large-site-'))
    mkdirSync(folder, { recursive: true })
    const made = madeUpMeasurements(MANY).map((one) => ({
      ...one,
      cell: withPicturePaths(one.cell, folder) as typeof one.cell,
    }))
    expect(made).toHaveLength(40_000)
    const index = writeSite(
      siteModel(made, matrixOf(made, undefined) as MatrixResult, MADE_UP),
      folder,
      join(folder, 'site'),
    )
    const browser = await launchChromium()
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } })
    await page.goto(pathToFileURL(index).href)
    const opened = 'performance.getEntriesByType("navigation")[0].loadEventEnd'
    const milliseconds = Number(await page.evaluate(opened))
    for (const name of ['changes.html', 'changes-5.html', 'compare.html', 'guests/made-up-017.html']) {
      const other = await browser.newPage({ viewport: { width: 1280, height: 800 } })
      await other.goto(new URL(name, pathToFileURL(index)).href)
      const took = Number(await other.evaluate(opened))
      console.log(`${name} opened in ${Math.round(took)} ms`)
      expect(took, name).toBeLessThan(1000)
      await other.close()
    }
    expect(await page.locator('table.site tbody tr').count()).toBe(200)
    expect(await page.locator('.notice').textContent()).toBe(MADE_UP)
    const filtered = Number(
      await page.evaluate(`(() => {
      const begin = performance.now()
      const field = document.querySelector('input[name=text]')
      field.value = 'system 17'
      field.dispatchEvent(new Event('input', { bubbles: true }))
      document.body.offsetHeight
      return performance.now() - begin
    })()`),
    )
    expect(await page.locator('table.site tbody tr:visible').count()).toBe(12)
    console.log(`opened in ${Math.round(milliseconds)} ms, filtered in ${Math.round(filtered)} ms`)
    expect(milliseconds).toBeLessThan(1000)
    expect(filtered).toBeLessThan(200)
    await browser.close()
  },
  600_000,
)
