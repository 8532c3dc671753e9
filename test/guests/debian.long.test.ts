/** Debian's installer up to its first dialogs: the test of the README, on media that `npm start` gets. */
import debian from '../../guests/debian-12-i386-installer/guest.js'
import { describe, expect, stage, test } from '../../harness/vitest/index.js'
import { withoutMedia } from './media-here.js'

const dialog = stage('dialog', { guest: debian, engine: 'soft', hostTimeout: '60m' }, async (vm) => {
  await expect(vm.screen).toHaveText(/Select a language[\s\S]*<Tab> moves/, { timeout: '30m' })
})

describe.skipIf(await withoutMedia(debian))('Debian’s installer', () => {
  test.from(dialog)('asks for the language first, and for the location in that language', async ({ vm }) => {
    await expect(vm.screen).toHaveText(/^.* C +- +No localization/)
    await vm.keyboard.press('Enter')
    await expect(vm.screen).toHaveText(/Select your location[\s\S]*<Tab> moves/, { timeout: '5m' })
    await expect(vm.screen).toHaveText(/^.*United States/)
    await expect(vm.screen).not.toHaveText('Select a language')
  })
})
