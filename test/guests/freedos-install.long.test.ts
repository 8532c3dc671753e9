/**
 * FreeDOS 1.3 installed from its first floppy onto an empty disk. The set's other floppies are not at hand: where setup
 * asks for the second one, the programs of the first are copied by hand.
 */
import freedos from '../../guests/freedos-installer/guest.js'
import { blankDisk } from '../../harness/guest/guest-media.js'
import { expect, stage, test } from '../../harness/vitest/index.js'

const installed = stage('installed', { guest: freedos, disks: blankDisk('32M'), engine: 'soft' }, async (vm) => {
  await vm.bootCommand([
    "<wait 'Floppy Edition'>1<wait 'want to proceed'>y<enter>",
    // Setup has made a partition.
    "<wait 'want to reboot now'>y<enter><wait1>",
    "<wait 'Floppy Edition'>1<wait 'want to proceed'>y<enter>",
    "<wait 'want to format your drive'>y<enter>",
    "<wait 'We are now ready to install'><wait 'want to proceed'>y<enter>",
    "<wait 'Insert diskette #2'>",
  ])
  await vm.power.reset()
  await vm.wait('1s')
  await vm.bootCommand("<wait 'Floppy Edition'>1<wait 'want to proceed'>n<enter><wait '^A:.>$'>")
  await vm.keyboard.type('md c:\\freedos\nmd c:\\freedos\\bin\ncopy /y \\freedos\\bin\\*.* c:\\freedos\\bin\n')
  await expect(vm.screen).toHaveText(/FDWRAPUP\.BAT\s+A:\\>$/, { timeout: '2m' })
  await vm.media.eject('a')
  await vm.power.reset()
  await expect(vm.screen).toHaveText(/^C:\\>$/, { timeout: '2m' })
})

test.from(installed)('FreeDOS boots from its disk, which has its system and programs', async ({ vm }) => {
  await vm.keyboard.type('cls\nver\ndir /w\n')
  await expect(vm.screen).toHaveText(/FreeCom version 0\.85a/)
  await expect(vm.screen).toHaveText(/KERNEL\.SYS[\s\S]*bytes free/i)
})

test.from(installed)('FreeDOS keeps what is written over a reset', async ({ vm }) => {
  await vm.keyboard.type('echo kept > c:\\note.txt\n')
  await vm.power.reset()
  await vm.wait('1s')
  await expect(vm.screen).toHaveText(/^C:\\>$/, { timeout: '1m' })
  await vm.keyboard.type('type c:\\note.txt\n')
  await expect(vm.screen).toHaveText(/^kept$/)
})
