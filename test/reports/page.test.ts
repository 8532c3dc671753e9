/** The matrix page as a reader meets it, in Chromium where it is installed. */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cellId } from '../../reports/matrix/matrix-result.js'
import { writeMatrix } from '../../reports/matrix/write-matrix.js'
import { executablePath, launchChromium } from './chromium.js'
import { sampleMatrix } from './sample.js'

describe.skipIf(!executablePath)('in Chromium, the page', () => {
  const matrix = sampleMatrix()
  matrix.engines.push({ id: 'kvm', title: 'kvm' })
  let browser: Browser
  let url: string

  beforeAll(async () => {
    url = pathToFileURL(writeMatrix(matrix, mkdtempSync(join(tmpdir(), 'page-'))).html).href
    browser = await launchChromium()
  })
  afterAll(() => browser?.close())

  async function open(width: number, colorScheme: 'light' | 'dark' = 'light', fragment = ''): Promise<Page> {
    const page = await browser.newPage({ viewport: { width, height: 800 }, colorScheme })
    await page.goto(url + fragment)
    return page
  }

  test.each([390, 768, 1280])('is no wider than a window of %d pixels', async (width) => {
    const page = await open(width)
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width)
    await page.close()
  })

  test('shows a text screen large enough to be read: 80 columns of six pixels and more, smoothed', async () => {
    const page = await open(1280)
    const [shot] = await page.locator('.shot img').all()
    expect((await shot.boundingBox())?.width).toBeGreaterThan(480)
    expect(await page.evaluate("getComputedStyle(document.querySelector('.shot img')).imageRendering")).toBe('auto')
    await page.close()
  })

  test('is dark for a reader who wants it so', async () => {
    const brightness = async (scheme: 'light' | 'dark') => {
      const page = await open(800, scheme)
      const colour = String(await page.evaluate('getComputedStyle(document.body).backgroundColor'))
      await page.close()
      return Number(/\d+/.exec(colour)?.[0])
    }
    expect(await brightness('light')).toBeGreaterThan(200)
    expect(await brightness('dark')).toBeLessThan(60)
  })

  test('goes from the table to the evidence by keyboard', async () => {
    const page = await open(1280)
    const link = page.locator('td.cell a').nth(1)
    await link.focus()
    await page.keyboard.press('Enter')
    expect(new URL(page.url()).hash).toBe(`#${cellId(matrix.cells[1])}`)
    const article = page.locator('article:target')
    expect(await article.isVisible()).toBe(true)
    await page.close()
  })

  test('enlarges a screenshot and gives the focus back', async () => {
    const page = await open(390)
    const shot = page.locator('.shot').first()
    await shot.focus()
    await page.keyboard.press('Enter')
    const viewer = page.locator('dialog')
    expect(await viewer.isVisible()).toBe(true)
    expect(await viewer.locator('p').textContent()).toBe('FreeDOS, loader: its kernel’s first line')
    await page.keyboard.press('Escape')
    expect(await viewer.isVisible()).toBe(false)
    expect(await shot.evaluate((element) => element.matches(':focus'))).toBe(true)
    await page.close()
  })
})
