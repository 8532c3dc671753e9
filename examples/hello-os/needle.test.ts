/** A needle: a picture with the area that has to be seen, as openQA's. `bootwright codegen` draws them with the mouse. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { launch, writePng } from 'bootwright'
import { beforeAll, expect, test } from 'bootwright/vitest'
import { writeFloppy } from './floppy.js'

const folder = fileURLToPath(new URL('.', import.meta.url))
const needles = join(folder, 'needles')
const floppy = join(folder, 'needle.img')
test.use({ floppy, engine: 'soft', needles })

/** Cells of VGA text are 9 by 16 pixels here. */
const CELL = { width: 9, height: 16 }

beforeAll(async () => {
  writeFloppy(floppy)
  const vm = await launch({ floppy, engine: 'soft' })
  await expect(vm.screen).toHaveText('>')
  const row = (await vm.screen.text()).split('\n').findIndex((line) => line.startsWith('Hello OS'))
  const area = { type: 'match', xpos: 0, ypos: row * CELL.height, width: 8 * CELL.width, height: CELL.height }
  mkdirSync(needles, { recursive: true })
  await writePng(join(needles, 'name.png'), await vm.screen.frame())
  writeFileSync(join(needles, 'name.json'), JSON.stringify({ tags: [], properties: [], area: [area] }))
  await vm.close()
})

test('finds the words it saw before, wherever they are', async ({ vm }) => {
  await expect(vm.screen).toMatchNeedle('name')
})
