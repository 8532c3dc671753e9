/** What Debian 12 is installed from: its installer's components, its base system, a kernel and GRUB, by the LAN's HTTP. */

import { buildRepository, type Repository } from '../../fixtures/debian-repository.js'
import type { DebianArch } from '../debian-12.js'
import { componentsRevision, ownComponents } from './components.js'

export const SUITE = 'bookworm'

/** Kernel modules of the installer that its RAM disk lacks. */
const MODULES = ['scsi-core', 'cdrom-core', 'scsi', 'ata', 'pata', 'sata', 'crc', 'ext4']

/**
 * Beside what debootstrap's smallest variant takes: what makes of it a system that starts, and is on the network; and what
 * debconf needs to ask its questions through the installer.
 */
export const INCLUDED = [
  'debconf-i18n',
  ...['systemd-sysv', 'udev', 'dbus', 'ifupdown', 'isc-dhcp-client', 'netbase', 'iproute2'],
]

/** What debootstrap and the installer ask for by name, and a package for a test to install afterwards. */
const PACKAGES = ['apt', 'usr-is-merged', 'busybox', 'zstd', 'initramfs-tools', 'grub-pc', 'hello']

/** The kernel that is installed: of the one for virtual machines there is a quarter of the other's modules to unpack. */
export function installedKernel(arch: DebianArch, release: string): string {
  return arch === 'amd64' ? release.replace(/-amd64$/, '-cloud-amd64') : release
}

/**
 * @param release Of the installer's kernel: its modules have to fit.
 * @param folder Where it is made.
 */
export async function debianRepository(
  arch: DebianArch,
  release: string,
  folder: string,
  progress?: (words: string) => void,
): Promise<Repository> {
  return buildRepository({
    folder,
    architecture: arch,
    suite: SUITE,
    priorities: ['required'],
    packages: [...PACKAGES, ...INCLUDED, `linux-image-${installedKernel(arch, release)}`],
    udebs: ['base-installer', 'bootstrap-base', ...MODULES.map((name) => `${name}-modules-${release}-di`)],
    revision: componentsRevision(),
    own: (archive) => ownComponents(arch, SUITE, archive),
    progress,
  })
}
