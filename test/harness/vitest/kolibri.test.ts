import kolibri from '../../../guests/kolibri/guest.js'
import { type Area, areaHash } from '../../../harness/index.js'
import { describe, expect, stage, test } from '../../../harness/vitest/index.js'
import { withoutImage } from './images.js'

const desktop = stage('desktop', { guest: kolibri, engine: 'soft' }, async (vm) => {
  await expect(vm.screen).toHaveText(/Kolibri OS +version 0\.7\.7/)
  await vm.keyboard.press('Enter')
  const level = kolibri.levels.find(({ name }) => name === 'desktop')
  if (level) await vm.until(level.until, { timeout: '1m' })
})

/** A line of the menu, in cells of 6×9 pixels. */
const line = (y: number, text: string): Area => ({ x: 14, y, width: 6 * text.length, height: 9 })

describe.skipIf(withoutImage('kolibri.img'))('KolibriOS', () => {
  test.from(desktop)('opens its menu by mouse, and its text can be read and clicked on', async ({ vm }) => {
    await vm.mouse.click(20, 587)
    await vm.screen.region({ x: 5, y: 286, width: 140, height: 214 }).waitForStill()
    const samples: [y: number, text: string][] = [
      [292, 'Games'],
      [358, 'Multimedia'],
      [424, 'System'],
      [446, 'Data processing'],
      [534, 'Run application'],
      [556, 'Shutdown'],
    ]
    for (const [y, text] of samples) await vm.screen.learnFont(line(y, text), text, { name: 'menu' })
    // Words that were no sample.
    await expect(vm.screen).toHaveText(/^Demos/)
    await expect(vm.screen).toHaveText(/^Graphics/)

    await vm.screen.getByText(/^Graphics/).click()
    // The submenu “Image Filtering”; capitals that were no sample are left out.
    await expect(vm.screen).toHaveText(/mage +iltering$/)
  })

  test.from(desktop)('opens a window by a double click, which goes where it is dragged', async ({ vm }) => {
    const below = { x: 32, y: 110, width: 280, height: 320 }
    const shown = async (area: Area) => areaHash(await vm.screen.frame(), area)
    const empty = await shown(below)
    await vm.mouse.dblclick(40, 40)
    await vm.screen.region(below).waitForStill('2s')
    const files = await shown(below)
    expect(files).not.toBe(empty)
    await vm.mouse.drag({ x: 300, y: 31 }, { x: 420, y: 91 })
    await vm.screen.region({ x: 0, y: 0, width: 800, height: 560 }).waitForStill('1s')
    expect(await shown({ ...below, x: below.x + 120, y: below.y + 60 })).toBe(files)
  })
})
