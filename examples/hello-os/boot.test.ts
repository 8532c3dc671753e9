/** Boots a floppy, types, and leaves: what is on the screen, on the serial line, and how it ends. */
import { fileURLToPath } from 'node:url'
import { expect, test } from 'bootwright/vitest'
import { writeFloppy } from './floppy.js'

const floppy = fileURLToPath(new URL('boot.img', import.meta.url))
writeFloppy(floppy)
test.use({ floppy, engine: 'soft' })

test('says its name and shows what is typed', async ({ vm }) => {
  await expect(vm.screen).toHaveText(/^Hello OS 1\.0\n> *$/m)
  await vm.keyboard.type('hello')
  await expect(vm.screen).toHaveText(/^> hello$/)
  await vm.serial.waitFor('> hello')
})

test('leaves at q, with its code', async ({ vm }) => {
  await expect(vm.screen).toHaveText('>')
  await vm.keyboard.type('q')
  await expect(vm).toExit({ reason: 'debug-exit', code: 0x10 })
})
