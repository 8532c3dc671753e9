import freedos from '../../../guests/freedos/guest.js'
import { describe, expect, stage, test } from '../../../harness/vitest/index.js'
import { withoutImage } from './images.js'

const prompt = stage('prompt', { guest: freedos, engine: 'soft' }, async (vm) => {
  await expect(vm.screen).toHaveText(/^A:\\>$/, { timeout: '1m' })
})

describe.skipIf(withoutImage('freedos722.img'))('FreeDOS', () => {
  const fromPrompt = test.from(prompt)

  fromPrompt('lists its floppy', async ({ vm }) => {
    await vm.keyboard.type('dir\n')
    await expect(vm.screen).toHaveText(/dir\(s\) .* bytes free\n+A:\\>$/)
    await expect(vm.screen).toHaveText('COMMAND  COM')
    await expect(vm.screen).not.toHaveText('File not found')
  })

  fromPrompt('takes every key, doubled ones too', async ({ vm }) => {
    const line = 'aabbccddeeffgghhii 0011223344'
    await vm.keyboard.type(`echo ${line}\n`)
    await expect(vm.screen).toHaveText(new RegExp(`^${line}$`))
  })

  fromPrompt('is not touched by the tests before', async ({ vm }) => {
    await expect(vm.screen).not.toHaveText('bytes free', { timeout: '1s' })
    await expect(vm.screen).not.toHaveText('aabbcc', { timeout: '1s' })
  })
})
