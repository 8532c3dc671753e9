/** A stage is built once; every test goes on from it, on a fork of its own. */
import { fileURLToPath } from 'node:url'
import { expect, stage, test } from 'bootwright/vitest'
import { writeFloppy } from './floppy.js'

const floppy = fileURLToPath(new URL('stage.img', import.meta.url))
writeFloppy(floppy)

const typed = stage('typed', { floppy, engine: 'soft' }, async (vm) => {
  await expect(vm.screen).toHaveText('>')
  await vm.keyboard.type('before ')
  await expect(vm.screen).toHaveText('> before')
})

for (const word of ['one', 'two']) {
  test.from(typed)(`what another test typed is not there: ${word}`, async ({ vm }) => {
    await vm.keyboard.type(word)
    await expect(vm.screen).toHaveText(new RegExp(`^> before ${word}$`))
  })
}
