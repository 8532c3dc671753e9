/** A person in Chromium uses FreeDOS, and the test that is written runs. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Browser } from 'playwright-core'
import { describe, expect, test } from 'vitest'
import { firmwareNote, noFirmware } from '../../firmware-here.js'
import { executablePath, launchChromium } from '../../reports/chromium.js'
import { bootwright } from '../cli/command.js'
import { liveCommand } from '../live/live-command.js'
import { withoutImage } from '../vitest/images.js'
import { seen } from './page-screen.js'
import { expectPasses, writtenFolder } from './written-test.js'

const IMAGE = 'freedos722.img'
const folder = writtenFolder('codegen')
const skipped = noFirmware !== undefined || withoutImage(IMAGE) || !executablePath

describe.skipIf(skipped)(`codegen with FreeDOS${firmwareNote}`, () => {
  const image = join(process.env.BOOTWRIGHT_IMAGES ?? '', IMAGE)
  const file = join(folder, 'dos.test.ts')

  test('writes what was done, with waits, a text and a needle', { timeout: 240_000 }, async () => {
    const view = await liveCommand(['codegen', image, '--engine', 'soft', '-o', file])
    const browser = await launchChromium()
    try {
      await use(browser, view.url)
      expect(await view.ended).toBe(0)
    } finally {
      await browser.close()
      view.interrupt()
      await view.ended
    }
    const lines = readFileSync(file, 'utf8').split('\n')
    const body = lines.filter((line) => line.startsWith('  await ')).map((line) => line.trim())
    expect(body).toEqual([
      'await expect(vm.screen).toHaveText(/^A:\\\\>$/)',
      "await vm.keyboard.type('dir\\n')",
      expect.stringMatching(/^await expect\(vm\.screen\)\.toHaveText\(\/.*bytes free\$\\n\+A:\\\\>\$\/\)$/),
      "await vm.keyboard.type('ver\\n')",
      'await expect(vm.screen).toHaveText(/DEBUG/)',
      "await expect(vm.screen).toMatchNeedle('dos-1')",
    ])
    expect(readdirSync(join(folder, 'needles'))).toEqual(['dos-1.json', 'dos-1.png'])
  })

  test('and that runs by itself', { timeout: 240_000 }, () => expectPasses(file, 200_000))

  async function use(browser: Browser, url: string): Promise<void> {
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } })
    await page.goto(url)
    await page.waitForSelector('body[data-connected=yes]')
    const line = (text: string) => page.locator('#lines', { hasText: text }).waitFor({ timeout: 60_000 })
    await page.locator('#screen canvas').focus()
    await seen(page, /^A:\\>$/m)
    await page.keyboard.type('dir\n', { delay: 50 })
    await seen(page, /bytes free\n+A:\\>$/m)
    await page.keyboard.type('ver\n', { delay: 50 })
    const debug = await seen(page, /DEBUG(?=[\s\S]*version[\s\S]*\nA:\\>$)/)
    await page.click('[data-tool=text]')
    await page.mouse.click(debug.x + 20, debug.y + 5)
    await line('DEBUG')
    const version = await seen(page, /version/)
    await page.click('[data-tool=box]')
    await page.mouse.move(version.x, version.y)
    await page.mouse.down()
    await page.mouse.move(version.x + 200, version.y + 40, { steps: 4 })
    await page.mouse.up()
    await line('dos-1')
    await page.click('#save')
  }
})

test.each([
  [[], 'codegen needs a file to write; add -o first-boot.test.ts'],
  [['-o', 'test.txt'], "-o 'test.txt' is no name that vitest takes for a test; end it in .test.ts"],
  [['-o', '/none/a.test.ts'], "-o '/none/a.test.ts' cannot be written: there is no folder '/none'"],
  [['-o', fileURLToPath(import.meta.url)], 'is there already; name another file, or remove it'],
])('codegen %j is refused in one sentence', async (args, sentence) => {
  const { code, stderr } = await bootwright(['codegen', 'any.img', ...args])
  expect(code).toBe(2)
  expect(stderr).toContain(sentence)
  expect(stderr.trim().split('\n')).toHaveLength(1)
})
