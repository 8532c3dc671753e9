/** Debian's kernel of the day with busybox alone: what its guests share. */
import { built, type GuestDefinition, type GuestMedium, type Level, packageFile, serial, text } from 'bootwright'
import { buildInitramfs } from '../fixtures/initramfs.js'
import { firmware } from './levels.js'

const KERNEL = 'linux-image-amd64'
/** The package of the day's kernel, which the one above only names. */
const follow = { follow: 'linux-image-6' }

export const debianKernel = packageFile(KERNEL, '/boot/vmlinuz-*-amd64', follow)

const busybox = packageFile('busybox-static', '/bin/busybox', { unpackOnly: true })

/** @param path Below the folder of the kernel's modules. */
export function kernelModule(path: string): GuestMedium {
  return packageFile(KERNEL, `/lib/modules/*/kernel/${path}`, follow)
}

/**
 * An initial RAM disk whose /init mounts what programs need, loads these modules in order, does what it is told and
 * leaves a shell on the screen's terminal.
 *
 * @param name Of the file, one for each use.
 */
export function busyboxInitrd(name: string, commands: readonly string[] = [], modules: readonly GuestMedium[] = []) {
  return built(`${name}.cpio`, [busybox, ...modules], ([program, ...drivers]) =>
    buildInitramfs([
      ...['bin', 'dev', 'proc', 'sys', 'etc', 'tmp'].map((path) => ({ path })),
      { path: 'bin/busybox', data: program, executable: true },
      ...drivers.map((data, i) => ({ path: `driver${i}.ko`, data })),
      { path: 'init', data: init(drivers.length, commands), executable: true },
    ]),
  )
}

function init(drivers: number, commands: readonly string[]): string {
  const lines = [
    '#!/bin/busybox sh',
    '/bin/busybox --install -s /bin',
    'export PATH=/bin',
    'mount -t proc none /proc; mount -t sysfs none /sys; mount -t devtmpfs none /dev',
    ...Array.from({ length: drivers }, (_, i) => `insmod /driver${i}.ko`),
    'echo "busybox is here" >/dev/ttyS0',
    ...commands,
    'exec setsid sh -c "exec sh </dev/tty0 >/dev/tty0 2>&1"',
  ]
  return `${lines.join('\n')}\n`
}

export const LINUX = { family: 'Linux', licence: 'GPL-2.0-only' } satisfies Partial<GuestDefinition>

/** Quiet, so that the prompt stands alone on the screen. */
export const APPEND = 'console=ttyS0,115200 console=tty0 nomodeset'

/** Up to the shell; what follows is the guest's own. */
export const toShell: readonly Level[] = [
  firmware,
  { name: 'kernel', title: 'its version on COM1', until: serial(/^\[ +0\.000000\] Linux version 6\./), timeout: '10m' },
  { name: 'userland', title: '/init runs', until: serial('busybox is here'), timeout: '10m' },
  { name: 'shell', title: 'the prompt #', until: text(/^(\/|~) #/m), timeout: '5m' },
]

/** A shell that counts. */
export const counts: Level = {
  name: 'keyboard',
  title: 'echo $((6 * 7)) answers 42',
  keys: 'clear<enter><wait1>echo $((6 * 7))<enter>',
  until: text(/^42$/),
}
