/** A person in Chromium uses KolibriOS by mouse, and the test that is written runs. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { firmwareNote, noFirmware } from '../../firmware-here.js'
import { executablePath, launchChromium } from '../../reports/chromium.js'
import { liveCommand } from '../live/live-command.js'
import { withoutImage } from '../vitest/images.js'
import { placesOn, seen, settled } from './page-screen.js'
import { expectPasses, writtenFolder } from './written-test.js'

const IMAGE = 'kolibri.img'
const folder = writtenFolder('codegen-mouse')
const skipped = noFirmware !== undefined || withoutImage(IMAGE) || !executablePath

describe.skipIf(skipped)(`codegen with KolibriOS${firmwareNote}`, () => {
  const image = join(process.env.BOOTWRIGHT_IMAGES ?? '', IMAGE)
  const file = join(folder, 'kolibri.test.ts')

  test('writes clicks, double clicks and drags', async () => {
    const view = await liveCommand(['codegen', image, '--engine', 'soft', '-o', file])
    const browser = await launchChromium()
    try {
      const page = await browser.newPage({ viewport: { width: 1280, height: 900 } })
      await page.goto(view.url)
      await page.waitForSelector('body[data-connected=yes]')
      await page.locator('#screen canvas').focus()
      await seen(page, /Kolibri OS/)
      await page.keyboard.press('Enter')
      // The desktop's icons; then the window that comes over them, and where it is dragged to.
      await settled(page, 0, 0, 500, 300)
      const at = await placesOn(page)
      const lines = (text: string) => page.locator('#lines', { hasText: text }).waitFor({ timeout: 180_000 })
      const icon = at(40, 40)
      await page.mouse.dblclick(icon.x, icon.y, { delay: 60 })
      await lines('dblclick')
      await settled(page, 0, 0, 500, 300)
      const title = at(300, 31)
      const there = at(420, 91)
      await page.mouse.move(title.x, title.y)
      await page.mouse.down()
      await page.mouse.move(there.x, there.y, { steps: 5 })
      await page.mouse.up()
      await lines('drag')
      await settled(page, 0, 0, 500, 300)
      await page.click('[data-tool=box]')
      const corner = at(200, 100)
      await page.mouse.move(corner.x, corner.y)
      await page.mouse.down()
      const other = at(340, 180)
      await page.mouse.move(other.x, other.y, { steps: 4 })
      await page.mouse.up()
      await lines('kolibri-1')
      if (process.env.BOOTWRIGHT_LOOK) await page.screenshot({ path: process.env.BOOTWRIGHT_LOOK })
      await page.click('#save')
      expect(await view.ended).toBe(0)
    } finally {
      await browser.close()
      view.interrupt()
      await view.ended
    }
    const body = readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('  await '))
      .map((line) => line.trim())
    expect(body.filter((line) => !line.startsWith('await expect(vm.screen).toHaveText'))).toEqual([
      "await vm.keyboard.press('Enter')",
      expect.stringMatching(/^await vm\.wait\('[\d.]+s'\)$/),
      // The page may show the screen smaller than it is: a pixel there is more than one of the guest's.
      expect.stringMatching(/^await vm\.mouse\.dblclick\((39|40|41), (39|40|41)\)$/),
      expect.stringMatching(/^await vm\.wait\('[\d.]+s'\)$/),
      expect.stringMatching(
        /^await vm\.mouse\.drag\(\{ x: (299|30[01]), y: 3[012] \}, \{ x: 4(19|2[01]), y: 9[012] \}\)$/,
      ),
      "await expect(vm.screen).toMatchNeedle('kolibri-1')",
    ])
  })

  test('and that runs by itself', () => expectPasses(file, 600_000))
})
