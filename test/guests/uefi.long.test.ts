/** UEFI firmware of the host: Linux with its ACPI tables, Debian's installer by the network, signed with Secure Boot, and what Secure Boot refuses. */
import { existsSync } from 'node:fs'
import hello from '../../guests/efitools-hello/guest.js'
import linux from '../../guests/linux-amd64/guest.js'
import { describe, expect, test } from '../../harness/vitest/index.js'
import { picture } from '../../harness/vm/conditions.js'
import { launch } from '../../harness/vm/launch.js'
import { withoutMedia } from './media-here.js'

const NETBOOT = '/usr/lib/debian-installer/images/12/amd64/text'
const isHere =
  existsSync(`${NETBOOT}/debian-installer/amd64/bootnetx64.efi`) && existsSync('/usr/share/OVMF/OVMF_VARS_4M.ms.fd')

/** The installer draws with a font of its own: the title's pixels. */
const languages = picture({
  title: 'the page “Select a language”',
  width: 1280,
  height: 800,
  areas: [
    {
      x: 552,
      y: 16,
      width: 180,
      height: 16,
      sha256: '2db1af08542dbb6dc923fae4e3b80d1707ba02c121c3142060e7a6fe67fb8861',
    },
  ],
})

// By the firmware's own driver, since no key has signed iPXE's ROMs.
test.skipIf(!isHere).each(['uefi', 'uefi-secure'])(
  '%s: shim, GRUB and Debian’s installer by TFTP',
  async (firmware) => {
    const vm = await launch({
      ...{ engine: 'soft', firmware, boot: 'n', memory: 1024, hostTimeout: '60m', timeout: '30m' },
      nic: 'virtio-net-pci,romfile=',
      network: { tftp: NETBOOT, bootfile: 'debian-installer/amd64/bootnetx64.efi' },
    })
    try {
      await vm.network.waitForRequest(/tftp read .*grub\.cfg/)
      await vm.bootCommand('<wait5><enter>')
      const ramDisk = await vm.network.waitForRequest(/tftp read .*initrd\.gz/)
      expect(ramDisk.result).toMatch(/^\d+ bytes$/)
      await vm.until(languages)
    } finally {
      await vm.close()
    }
  },
)

test.skipIf(!isHere || !existsSync('/usr/lib/ipxe/qemu/efi-virtio.rom'))(
  'a card’s own iPXE reaches the registers that UEFI firmware has placed, and asks its LAN',
  async () => {
    const vm = await launch({
      ...{ engine: 'soft', firmware: 'uefi', boot: 'n', memory: 512, hostTimeout: '10m', timeout: '2m' },
      nic: 'virtio-net-pci',
      network: { tftp: NETBOOT, bootfile: 'debian-installer/amd64/bootnetx64.efi' },
    })
    try {
      await vm.serial.waitFor(/using virtio-net on .* \(open\)/)
      expect((await vm.network.waitForRequest(/tftp read .*bootnetx64\.efi/)).result).toMatch(/^\d+ bytes$/)
    } finally {
      await vm.close()
    }
  },
)

test.skipIf((await withoutMedia(linux)) || (await withoutMedia(hello)))(
  'Linux finds the ACPI tables behind UEFI firmware, two CPUs by them, and switches off',
  async () => {
    const vm = await launch({ guest: linux, engine: 'soft', firmware: 'uefi', memory: 512, smp: 2, hostTimeout: '20m' })
    try {
      await vm.serial.waitFor(/PM-Timer IO Port: 0xb008/, { timeout: '5m' })
      await vm.serial.waitFor(/ACPI: Interpreter enabled/, { timeout: '5m' })
      await vm.serial.waitFor('busybox is here', { timeout: '5m' })
      await vm.bootCommand('<wait2>nproc >/dev/ttyS0; poweroff -f<enter>')
      await vm.serial.waitFor(/^2\r?$/m, { timeout: '1m' })
      await expect(vm).toExit({ reason: 'poweroff' })
    } finally {
      await vm.close()
    }
  },
)

describe.skipIf((await withoutMedia(hello)) || !isHere)('a program that nobody signed', () => {
  test('is started by uefi', async () => {
    const vm = await launch({ guest: hello, engine: 'soft' })
    try {
      await vm.serial.waitFor(/Hello/, { timeout: '5m' })
    } finally {
      await vm.close()
    }
  })

  test('is refused by uefi-secure, and so is the firmware’s own shell', async () => {
    const vm = await launch({ guest: hello, engine: 'soft', firmware: 'uefi-secure' })
    try {
      await vm.serial.waitFor(/failed to load .*HARDDISK.*: Access Denied/, { timeout: '5m' })
      await vm.serial.waitFor(/failed to start .*Shell.*: Security Violation/, { timeout: '1m' })
      expect(vm.serial.text()).not.toContain('Hello')
    } finally {
      await vm.close()
    }
  })
})
