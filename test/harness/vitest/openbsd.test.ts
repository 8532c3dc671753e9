import openbsd from '../../../guests/openbsd-installer/guest.js'
import { describe, expect, stage, test } from '../../../harness/vitest/index.js'
import { withoutImage } from './images.js'

const installer = stage('installer', { guest: openbsd, engine: 'soft' }, async (vm) => {
  await vm.bootCommand("<wait 'boot>' 1m><enter>")
  await expect(vm.screen).toHaveText('(I)nstall, (U)pgrade or (S)hell?', { timeout: '5m' })
})

describe.skipIf(withoutImage('openbsd-floppy.img'))('the OpenBSD installer', () => {
  test.from(installer)('has a shell that counts', async ({ vm }) => {
    await vm.keyboard.type('s\n')
    await expect(vm.screen).toHaveText(/^# *$/)
    await vm.keyboard.type('echo $((6 * 7))\n')
    await expect(vm.screen).toHaveText(/^42$/)
  })
})
