/** Whole boots as benchmarks: host seconds from power-on to a line that only a finished boot shows. */
import { findMedium, type GuestMedium, image, packageFile } from '../../harness/guest/guest-media.js'
import type { BootJob } from './guest-job.js'

export interface Boot {
  readonly name: string
  readonly title: string
  /** Throws a MissingMediaError where a medium is not on this host. */
  job(): Promise<BootJob>
}

const LINUX: GuestMedium = packageFile(
  'debian-installer-12-netboot-i386',
  '/usr/lib/debian-installer/images/12/i386/text/debian-installer/i386/linux',
)

const LINUX_AMD64: GuestMedium = packageFile(
  'debian-installer-12-netboot-amd64',
  '/usr/lib/debian-installer/images/12/amd64/text/debian-installer/amd64/linux',
)

export const BOOTS: readonly Boot[] = [
  {
    name: 'boot-freedos',
    title: 'SeaBIOS and FreeDOS to the prompt',
    job: async () => ({
      kind: 'boot',
      memory: 16,
      floppy: await findMedium(image('freedos722.img')),
      screen: /^A:\\>$/.source,
    }),
  },
  {
    name: 'boot-debian',
    title: "Debian 12's i386 kernel without an initrd to its panic",
    job: async () => ({
      kind: 'boot',
      memory: 512,
      kernel: await findMedium(LINUX),
      append: 'console=ttyS0,115200 nomodeset',
      serial: /Kernel panic - not syncing/.source,
    }),
  },
  {
    name: 'boot-debian-64',
    title: "Debian 12's amd64 kernel without an initrd to its panic",
    job: async () => ({
      kind: 'boot',
      memory: 512,
      kernel: await findMedium(LINUX_AMD64),
      append: 'console=ttyS0,115200 nomodeset',
      long: true,
      serial: /Kernel panic - not syncing/.source,
    }),
  },
]
