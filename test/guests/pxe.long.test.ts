/**
 * Debian's installer by the network: iPXE from a card's ROM, then PXELINUX by TFTP, or a script and a kernel by HTTP.
 * BOOTWRIGHT_SHOTS=folder keeps pictures.
 */
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '../../harness/vitest/index.js'
import { launch } from '../../harness/vm/launch.js'
import type { Vm } from '../../harness/vm/vm.js'

const NETBOOT = '/usr/lib/debian-installer/images/12/i386/text'
const INSTALLER = `${NETBOOT}/debian-installer/i386`
const isHere = existsSync(`${NETBOOT}/pxelinux.0`) && existsSync('/usr/lib/ipxe/qemu/efi-virtio.rom')
const machine = { engine: 'soft', memory: 512, boot: 'n', hostTimeout: '60m', timeout: '30m' } as const

/** From where the firmware looked for the script. */
const SCRIPT = (server: string) =>
  [
    '#!ipxe',
    `kernel http://${server}/installer/linux vga=normal fb=false nomodeset ---`,
    `initrd http://${server}/installer/initrd.gz`,
    'boot',
  ].join('\n')

async function keepPicture(vm: Vm, name: string) {
  const { BOOTWRIGHT_SHOTS: shots } = process.env
  if (shots) writeFileSync(join(shots, `pxe-${name}.png`), await vm.screen.png())
}

test.skipIf(!isHere)('with e1000: PXELINUX’s menu, the kernel and its RAM disk by TFTP', async () => {
  const vm = await launch({ ...machine, nic: 'e1000', network: { tftp: NETBOOT, bootfile: 'pxelinux.0' } })
  try {
    await expect(vm.screen).toHaveText('iPXE initialising devices')
    await keepPicture(vm, 'e1000-ipxe')
    await vm.network.waitForRequest('tftp read debian-installer/i386/boot-screens/splash.png')
    await vm.wait('2s')
    await keepPicture(vm, 'e1000-menu')
    await vm.bootCommand('<wait2><esc><wait2>install vga=normal fb=false nomodeset<enter>')
    const ramDisk = await vm.network.waitForRequest(/tftp read .*initrd\.gz/)
    expect(ramDisk.result).toMatch(/^\d+ bytes$/)
    await expect(vm.screen).toHaveText('Select a language')
    await keepPicture(vm, 'e1000-installer')
  } finally {
    await vm.close()
  }
})

test.skipIf(!isHere)(
  'with virtio-net-pci: a script that a function makes, the kernel and its RAM disk by HTTP',
  async () => {
    const vm = await launch({
      ...machine,
      nic: 'virtio-net-pci',
      network: {
        bootfile: 'http://10.0.2.2/boot.ipxe',
        http: { '/boot.ipxe': ({ headers }) => SCRIPT(headers.host), '/installer': INSTALLER },
      },
    })
    try {
      await expect(vm.network).toHaveRequested('GET /installer/initrd.gz')
      await keepPicture(vm, 'virtio-ipxe')
      await expect(vm.screen).toHaveText('Select a language')
      await keepPicture(vm, 'virtio-installer')
    } finally {
      await vm.close()
    }
  },
)
