/** Floppies changed, and the machine reset, while FreeDOS runs. */
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildFloppy } from '../../../fixtures/floppy.js'
import { image } from '../../../harness/guest/guest-media.js'
import { describe, expect, stage, test } from '../../../harness/vitest/index.js'
import { withoutImage } from './images.js'

const folder = mkdtempSync(join(tmpdir(), 'bootwright-media-'))
const floppy = (name: string) => {
  const path = join(folder, `${name}.img`)
  const files = [{ path: 'name.txt', data: new TextEncoder().encode(`this is ${name}`) }]
  writeFileSync(path, buildFloppy({ size: '720K', files, label: name }))
  return path
}
const [first, second] = [floppy('first'), floppy('second')]

const IMAGES = ['freedos722.img', 'freedos13-floppy.img'] as const
const floppies = IMAGES.map((name) => image(name))

const prompt = stage('prompt', { floppy: floppies, engine: 'soft' }, async (vm) => {
  await expect(vm.screen).toHaveText(/^A:\\>$/, { timeout: '1m' })
  // From then on FreeDOS halts while it waits for keys, so that pauses take no time of the host's.
  await vm.keyboard.type('b:\\freedos\\bin\\fdapm apmdos\n')
  await expect(vm.screen).toHaveText(/resident/)
})

describe.skipIf(IMAGES.some(withoutImage))('FreeDOS', () => {
  test.from(prompt)('sees that its floppy was changed, and changed again', async ({ vm }) => {
    await vm.keyboard.type('dir\n')
    await expect(vm.screen).toHaveText('bytes free')
    await vm.media.swap('a', first)
    await vm.keyboard.type('type name.txt\n')
    await expect(vm.screen).toHaveText('this is first', { timeout: '5s' })
    await vm.media.swap('a', second)
    await vm.keyboard.type('type name.txt\n')
    await expect(vm.screen).toHaveText('this is second', { timeout: '5s' })
  })

  test.from(prompt)('boots anew at a reset, with the floppy as it left it', async ({ vm }) => {
    await vm.keyboard.type('echo kept>note\n')
    await vm.wait('1s')
    await vm.power.reset()
    await expect(vm.screen).not.toHaveText(/^A:\\>/)
    await expect(vm.screen).toHaveText(/^A:\\>$/)
    await vm.keyboard.type('type note\n')
    await expect(vm.screen).toHaveText(/^kept$/, { timeout: '5s' })
  })
})
