/** A trace's page as a reader meets it, in Chromium where it is installed. BOOTWRIGHT_SHOTS=folder keeps pictures. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseTrace, type Trace } from '../../reports/trace.js'
import { renderTraceHtml } from '../../reports/trace-html.js'
import { executablePath, launchChromium } from './chromium.js'
import { picture } from './run-sample.js'

const shots = process.env.BOOTWRIGHT_SHOTS

async function sampleTrace(): Promise<Trace> {
  const screen = async (x: number, colour: string) => ({ png: await picture(x, colour), width: 640, height: 400 })
  return {
    format: 'bootwright-trace',
    version: 1,
    title: 'login > shows </script> a prompt',
    date: '2026-11-22T16:30:00.000Z',
    engine: 'soft',
    status: 'failed',
    screens: { one: await screen(40, '#fff'), two: await screen(300, '#ff0') },
    events: [
      { kind: 'screen', guestTimeNs: 0, hostMs: 1, screen: 'one' },
      {
        kind: 'condition',
        guestTimeNs: 0,
        hostMs: 2,
        title: 'the text /login:/ on the screen',
        outcome: 'met',
        untilGuestTimeNs: 4e9,
        untilHostMs: 900,
      },
      { kind: 'serial', guestTimeNs: 1e9, hostMs: 300, port: 0, text: 'Booting\n\x1b[32mok\x1b[0m\n' },
      { kind: 'screen', guestTimeNs: 4e9, hostMs: 900, screen: 'two', text: 'login:' },
      { kind: 'input', guestTimeNs: 4e9, hostMs: 910, title: 'keys KeyR' },
      {
        kind: 'condition',
        guestTimeNs: 4.1e9,
        hostMs: 920,
        title: '/never/ on COM1',
        outcome: 'timeout',
        untilGuestTimeNs: 9e9,
        untilHostMs: 2000,
        error: 'waited 5 s of guest time for /never/ on COM1',
      },
      { kind: 'exit', guestTimeNs: 9e9, hostMs: 2100, title: 'the CPU shut down in a triple fault' },
    ],
  }
}

test('a trace is checked when it is read', async () => {
  const trace = await sampleTrace()
  expect(parseTrace(JSON.parse(JSON.stringify(trace)))).toEqual(trace)
  expect(() => parseTrace({})).toThrow(/no trace/)
  expect(() => parseTrace({ ...trace, version: 9 })).toThrow(/version 9.* reads version 1/)
  expect(() => parseTrace({ ...trace, events: [{ kind: 'odd' }] })).toThrow(/damaged: events\.0\.kind/)
})

describe.skipIf(!executablePath)('in Chromium, a trace', () => {
  const folder = mkdtempSync(join(tmpdir(), 'trace-page-'))
  const file = join(folder, 'trace.html')
  let browser: Browser

  beforeAll(async () => {
    writeFileSync(file, renderTraceHtml(await sampleTrace()))
    browser = await launchChromium()
  })
  afterAll(async () => {
    await browser?.close()
    rmSync(folder, { recursive: true })
  })

  async function open(width = 1280, colorScheme: 'light' | 'dark' = 'light'): Promise<Page> {
    const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme })
    page.on('pageerror', (error) => expect.unreachable(error.message))
    await page.goto(pathToFileURL(file).href)
    return page
  }
  const naturalWidth = (page: Page) => page.evaluate("document.querySelector('img.screen').naturalWidth")

  test.each([
    [390, 'dark'],
    [1280, 'light'],
  ] as const)('is no wider than a window of %d pixels, %s', async (width, scheme) => {
    const page = await open(width, scheme)
    await page.keyboard.press('End')
    await expect.poll(() => naturalWidth(page)).toBe(640)
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width)
    if (shots) await page.screenshot({ path: join(shots, `trace-${width}-${scheme}.png`), fullPage: true })
    await page.close()
  })

  test('is walked through by keyboard, and shows screen and serial line as they were', async () => {
    const page = await open()
    const selected = () => page.locator('[aria-selected=true]').innerText()
    const picture = () => page.locator('img.screen').getAttribute('src')
    // A test that failed is opened where it did.
    expect(await selected()).toContain('triple fault')
    await page.keyboard.press('Home')
    expect(await selected()).toContain('screen')
    const first = await picture()
    expect(await page.locator('.terminal').count()).toBe(0)
    // A wait is shown as it ended.
    await page.keyboard.press('ArrowDown')
    expect(await selected()).toContain('met after 4.0 s')
    expect(await page.locator('.terminal').innerText()).toMatch(/Booting\s+ok/)
    expect(await picture()).not.toBe(first)
    await page.keyboard.press('ArrowRight')
    expect(await picture()).toBe(first)
    await page.keyboard.press('End')
    expect(await selected()).toContain('triple fault')
    await page.keyboard.press('ArrowUp')
    expect(await page.locator('.reason').innerText()).toBe('waited 5 s of guest time for /never/ on COM1')
    expect(await page.getByRole('status').innerText()).toContain('Event 6 of 7, guest 9.000 s, host 2.000 s')
    await page.keyboard.press('Home')
    expect(await picture()).toBe(first)
    await page.close()
  })

  test('is walked through by mouse on the list and on the time line', async () => {
    const page = await open()
    await page.locator('#events li').nth(4).click()
    expect(await page.locator('[aria-selected=true]').innerText()).toContain('keys KeyR')
    await page.locator('.track').click({ position: { x: 2, y: 50 } })
    expect(await page.getByRole('status').innerText()).toContain('Event 1 of 7')
    await page.close()
  })
})
