/**
 * Debian 12 installed unattended: iPXE in the network card fetches the netboot installer by HTTP while the disk is empty,
 * the preseed and all packages come from the LAN as well, and after the reset the disk is the first that boots.
 */

import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cacheFolder, exit, findMedium, type GuestDefinition, text } from 'bootwright'
import { kernelRelease } from '../../fixtures/linux-image.js'
import { writeWhole } from '../../machine/host/whole-file.js'
import { type DebianArch, debianFiles } from '../debian-12.js'
import { firmware } from '../levels.js'
import { preseed } from './preseed.js'
import { debianRepository, INCLUDED, installedKernel, SUITE } from './repository.js'

export const ROOT_PASSWORD = 'bootwright'

/** Not the installed kernel's consoles: with a serial one here, the installer is on that. */
const APPEND = 'vga=normal fb=false nomodeset auto=true priority=critical url=http://10.0.2.2/preseed.cfg'
/** A login on each, and the kernel's messages. */
const CONSOLES = 'console=tty0 console=ttyS0,115200n8'

/** What the installer's screen and its log say, the latest first. The kernel comes where debootstrap is through, and that is at 79 %. */
const PHASES = {
  'last steps': /Menu item 'finish-it' selected/,
  'boot loader': /Menu item 'grub-loader' selected/,
  kernel: /Installing the base system[\s\S]*?(79|[89]\d|100)%/,
  'base system': /Installing the base system[\s\S]*?(\d+)%/,
  partitions: /Partition the disk/,
  components: /(?:Loading additional|Download installer) components(?:[\s\S]*?(\d+)%)?/,
  network: /Configuring the network|Detecting network hardware/,
} as const

/** Each dialog of this kind waits for somebody. */
const FAIL_ON = [/Installation step failed/, /\[!!\] /]

export function debianInstallation(
  arch: DebianArch,
): Pick<GuestDefinition, 'machine' | 'levels' | 'phases' | 'failOn' | 'media' | 'prepare'> {
  const folder = join(cacheFolder(), 'debian', `${SUITE}-${arch}`)
  const { image, initrd } = debianFiles(arch)
  const file = (name: string) => join(folder, name)
  return {
    machine: {
      memory: 1024,
      boot: 'order=cn',
      nic: 'virtio-net-pci',
      disks: [{ size: '4G', if: 'virtio' }],
      network: {
        // By TFTP: where the boot file's name is an address, the installer takes it for that of its preseed.
        tftp: file('tftp'),
        bootfile: 'boot.ipxe',
        http: {
          '/preseed.cfg': file('preseed.cfg'),
          '/linux': file('linux'),
          '/initrd.gz': file('initrd.gz'),
          '/debian/': file('archive'),
        },
      },
    },
    phases: PHASES,
    failOn: FAIL_ON,
    media: [image, initrd],
    prepare: async (progress) => {
      const kernel = await readFile(await findMedium(image))
      const release = kernelRelease(kernel)
      await mkdir(file('tftp'), { recursive: true })
      await debianRepository(arch, release, folder, progress)
      await writeWhole(file('linux'), kernel)
      await writeWhole(file('initrd.gz'), await readFile(await findMedium(initrd)))
      const answers = {
        suite: SUITE,
        kernel: installedKernel(arch, release),
        includes: INCLUDED,
        append: CONSOLES,
        rootPassword: ROOT_PASSWORD,
      }
      await writeWhole(file('preseed.cfg'), preseed(answers))
      await writeWhole(file('tftp/boot.ipxe'), SCRIPT)
    },
    levels: [
      firmware,
      { name: 'loader', title: 'iPXE fetches the installer', until: text('initrd.gz') },
      { name: 'kernel', title: 'its messages on the screen', until: text(/^\[ +\d+\.\d+\] /), timeout: '5m' },
      {
        name: 'installer',
        title: 'it loads its components',
        until: text(/Loading additional components/),
        timeout: '30m',
      },
      {
        name: 'base-system',
        title: 'the base system is being installed',
        until: text(/Installing the base system/),
        timeout: '30m',
      },
      { name: 'installed', title: 'it is installed, and reset', until: exit('reset'), timeout: '3h' },
      { name: 'login', title: 'the installed system’s login', until: text(/^debian login:/), timeout: '10m' },
      {
        name: 'shell',
        title: 'root’s prompt',
        keys: `root<enter><wait 'Password:'>${ROOT_PASSWORD}<enter>`,
        until: text(/^root@debian:~#/),
        timeout: '5m',
      },
      {
        name: 'network',
        title: 'apt-get installs a package from the LAN',
        keys: 'clear; apt-get update && apt-get install hello && hello<enter>',
        until: text(/^Hello, world!/),
        timeout: '10m',
      },
      {
        name: 'power-off',
        title: 'switched off by ACPI',
        keys: 'poweroff<enter>',
        until: exit('poweroff'),
        timeout: '5m',
      },
    ],
  }
}

const SCRIPT = [
  '#!ipxe',
  `kernel http://10.0.2.2/linux ${APPEND}`,
  'initrd http://10.0.2.2/initrd.gz',
  'boot',
  '',
].join('\n')
