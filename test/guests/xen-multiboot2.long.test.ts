/**
 * Xen by Multiboot 2, high in memory as it wishes to be, with Linux for dom0. As Debian packs it it has headers of both
 * versions, and the first one is taken; here that is wiped out. Xen comes from the packages that `npm start` gets.
 * BOOTWRIGHT_LINUX names the folder of linux-modules.ts, for amd64.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, expect, test } from 'vitest'
import { launch } from '../../harness/vm/launch.js'
import { packagePath } from '../../machine/firmware/install-packages.js'
import { kernelProtocol } from '../../machine/firmware/kernel-protocol.js'
import { noFirmware } from '../firmware-here.js'

const root = process.env.BOOTWRIGHT_LINUX
const boot = root === undefined ? [] : readdirSync(join(root, 'boot'))
const linux = boot.find((name) => name.startsWith('vmlinuz') && name.endsWith('amd64'))
const packed = packagePath('xen-hypervisor-4.17-amd64', '/boot/xen-4.17-amd64.gz', { unpackOnly: true })
const folder = mkdtempSync(join(tmpdir(), 'bootwright-xen-'))
afterAll(() => rmSync(folder, { recursive: true }))

test.skipIf(!linux || !packed || noFirmware)('Xen and its dom0 are started by Multiboot 2', async () => {
  const image = gunzipSync(readFileSync(packed ?? ''))
  image.fill(0, image.indexOf(Buffer.from('02b0ad1b', 'hex')), image.indexOf(Buffer.from('02b0ad1b', 'hex')) + 4)
  expect(kernelProtocol(image)).toBe('multiboot2')
  const kernel = join(folder, 'xen')
  writeFileSync(kernel, image)
  const vm = await launch({
    ...{ engine: 'soft', memory: 512, kernel, append: 'console=com1 com1=115200,8n1', hostTimeout: '30m' },
    initrd: `${join(root ?? '', 'boot', linux ?? '')} console=hvc0 nomodeset`,
  })
  try {
    await vm.serial.waitFor(/Bootloader: Bootwright \(as GRUB 2\)/, { timeout: '1m' })
    await vm.serial.waitFor(/Command line: console=com1 com1=115200,8n1/, { timeout: '1m' })
    await vm.serial.waitFor(/Booting kernel on Xen|Hypervisor detected: Xen PV/, { timeout: '10m' })
  } finally {
    await vm.close()
  }
})
