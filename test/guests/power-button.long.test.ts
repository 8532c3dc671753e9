/**
 * The ACPI power button on Linux, whose driver for it is a module: Debian's kernel with an initial RAM file system of
 * that module and BusyBox, which switches off when the button's input device says that it was pressed.
 */
import { readFileSync } from 'node:fs'
import { buildInitramfs } from '../../fixtures/initramfs.js'
import { debianFiles } from '../../guests/debian-12.js'
import { defineGuest } from '../../harness/guest/guest.js'
import { built, findMedium, type GuestMedium, MissingMediaError, packageFile } from '../../harness/guest/guest-media.js'
import { describe, expect, stage, test } from '../../harness/vitest/index.js'
import { serial } from '../../harness/vm/conditions.js'

/** Linux/x86 boot protocol: where the kernel says its version, counted from 200h. */
const KERNEL_VERSION = 0x20e

const INIT = `#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs none /dev
insmod /button.ko
insmod /evdev.ko
event=$(grep -A 4 'Name="Power Button"' /proc/bus/input/devices | sed -n 's/.*Handlers=.*\\(event[0-9]*\\).*/\\1/p')
echo "waiting at $event"
dd if=/dev/input/$event of=/dev/null bs=24 count=1 2> /dev/null
echo pressed
poweroff -f
`

const { image } = debianFiles('amd64')

async function initrd(): Promise<GuestMedium> {
  const kernel = readFileSync(await findMedium(image))
  const at = kernel.readUInt16LE(KERNEL_VERSION) + 0x200
  const release = kernel.toString('latin1', at, kernel.indexOf(' ', at))
  const module = (path: string) =>
    packageFile(`linux-image-${release}`, `/lib/modules/${release}/kernel/drivers/${path}`, { unpackOnly: true })
  const from = [
    packageFile('busybox-static', '/bin/busybox', { unpackOnly: true }),
    module('acpi/button.ko'),
    module('input/evdev.ko'),
  ]
  return built('power-button-initramfs', from, ([busybox, button, evdev]) =>
    buildInitramfs([
      ...['bin', 'dev', 'proc', 'sys'].map((path) => ({ path })),
      { path: 'bin/busybox', data: busybox, executable: true },
      { path: 'button.ko', data: button },
      { path: 'evdev.ko', data: evdev },
      { path: 'init', data: INIT, executable: true },
    ]),
  )
}

const ram = await initrd().then(
  async (medium) => ({ medium, missing: await findMedium(medium).then(() => '', whyMissing) }),
  (error) => ({ medium: undefined, missing: whyMissing(error) }),
)

function whyMissing(error: unknown): string {
  if (error instanceof MissingMediaError) return error.message
  throw error
}

const ready = serial(/^waiting at event\d+$/)

const linux = defineGuest({
  name: 'linux-power-button',
  title: 'Linux that heeds the power button',
  family: 'Linux',
  licence: 'GPL-2.0-only',
  machine: { memory: 256, kernel: { image, initrd: ram.medium, append: 'console=ttyS0,115200 quiet' } },
  levels: [{ name: 'userland', title: 'its program waits for the button', until: ready }],
})

const waiting = stage('waiting', { guest: linux, engine: 'soft', hostTimeout: '40m' }, async (vm) => {
  await vm.until(ready, { timeout: '10m' })
})

describe.skipIf(ram.missing !== '')(`Linux${ram.missing && ` (skipped: ${ram.missing})`}`, () => {
  test.from(waiting)('switches off at the power button, and not before', async ({ vm }) => {
    await vm.wait('5s')
    expect(vm.exit).toBeUndefined()
    await vm.power.button()
    await expect(vm).toExit({ reason: 'poweroff' }, { timeout: '10s' })
    expect(vm.serial.text()).toMatch(/^pressed/m)
  })
})
