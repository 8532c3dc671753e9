/**
 * Whole boots as benchmarks: host seconds from power-on to what only a finished boot shows. Where a guest waits for a key
 * or counts down, Enter is pressed at once, so that no target is measured by the clock on its wall.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildInitramfs } from '../../fixtures/initramfs.js'
import { debianFiles } from '../../guests/debian-12.js'
import kolibri from '../../guests/kolibri/guest.js'
import { findMedium, type GuestMedium, image, packageFile } from '../../harness/guest/guest-media.js'
import type { BootJob, PictureWanted } from './guest-job.js'

export interface Boot {
  readonly name: string
  readonly title: string
  /** Throws a MissingMediaError where a medium is not on this host. @param scratch A folder for what is made. */
  job(scratch: string): Promise<BootJob>
}

const BUSYBOX: GuestMedium = packageFile('busybox-static', '/bin/busybox')

const freedos = async (): Promise<BootJob> => ({
  kind: 'boot',
  memory: 16,
  floppy: await findMedium(image('freedos722.img')),
  screens: [/^A:\\>$(?![\s\S])/m.source],
})

/** Debian's kernel on COM1, until a pattern is there. */
async function debian(arch: 'i386' | 'amd64', serial: RegExp, append = '', withInitrd = false): Promise<BootJob> {
  const files = debianFiles(arch)
  return {
    kind: 'boot',
    memory: arch === 'i386' || !withInitrd ? 512 : 1024,
    kernel: await findMedium(files.image),
    initrd: withInitrd ? await findMedium(files.initrd) : undefined,
    append: `console=ttyS0,115200 nomodeset ${append}`.trim(),
    long: arch === 'amd64',
    serial: serial.source,
  }
}

export const BOOTS: readonly Boot[] = [
  { name: 'boot-freedos', title: 'SeaBIOS and FreeDOS to the prompt', job: freedos },
  {
    name: 'boot-kolibri',
    title: 'KolibriOS to its desktop',
    job: async () => {
      const desktop = kolibri.levels.find(({ name }) => name === 'desktop')?.until
      return {
        kind: 'boot',
        memory: 128,
        floppy: await findMedium(image('kolibri.img')),
        screens: [/Kolibri OS +version/.source],
        picture: desktop as PictureWanted,
      }
    },
  },
  {
    name: 'boot-openbsd',
    title: "OpenBSD 2.8's floppy to the installer's question",
    job: async () => ({
      kind: 'boot',
      memory: 64,
      floppy: await findMedium(image('openbsd-floppy.img')),
      screens: [/^boot>/m.source, /\(I\)nstall, \(U\)pgrade or \(S\)hell\?/.source],
    }),
  },
  {
    name: 'boot-debian',
    title: "Debian 12's i386 kernel without an initrd to its panic",
    job: () => debian('i386', /Kernel panic - not syncing/),
  },
  {
    name: 'boot-debian-64',
    title: "Debian 12's amd64 kernel without an initrd to its panic",
    job: () => debian('amd64', /Kernel panic - not syncing/),
  },
  {
    name: 'boot-installer-64',
    title: "Debian 12's amd64 text installer to its first dialog",
    job: () => debian('amd64', /Select a language/, 'TERM=vt102', true),
  },
  {
    name: 'boot-busybox-64',
    title: 'Linux amd64: busybox makes SHA-256 and gzip of 64 MiB',
    job: async (scratch) => {
      const path = join(scratch, 'busybox.cpio')
      writeFileSync(path, busyboxDisk(await findMedium(BUSYBOX)))
      return { ...(await debian('amd64', /the work is done/, 'quiet', true)), initrd: path }
    },
  },
]

/** Busybox as init, which works on 64 MiB made of itself. */
function busyboxDisk(busybox: string): Uint8Array {
  const init = [
    '#!/bin/busybox sh',
    '/bin/busybox mount -t devtmpfs none /dev',
    'data() { for i in $(/bin/busybox seq 64); do /bin/busybox cat /bin/busybox; done | /bin/busybox head -c 67108864; }',
    'data | /bin/busybox sha256sum > /dev/console',
    'data | /bin/busybox gzip | /bin/busybox wc -c > /dev/console',
    'echo the work is done > /dev/console',
    '/bin/busybox sleep 1000',
  ].join('\n')
  return buildInitramfs([
    { path: 'bin' },
    { path: 'dev' },
    { path: 'bin/busybox', data: readFileSync(busybox), executable: true },
    { path: 'init', data: init, executable: true },
  ])
}

/** What only the soft engine is asked, in host seconds: it can tell guest time. */
export const WAITS: readonly Boot[] = [
  {
    name: 'idle-freedos',
    title: '60 s of guest time at the prompt of FreeDOS',
    job: async () => ({ ...(await freedos()), idle: 60 }),
  },
  {
    name: 'idle-freedos-breakpoint',
    title: 'the same with an execution breakpoint armed',
    job: async () => ({ ...(await freedos()), idle: 60, breakpoint: true }),
  },
]
