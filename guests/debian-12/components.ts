/**
 * Components of Debian's installer (udebs) that this project brings itself, so that an installation needs of the archive's
 * only what every mirror has: mirrors often lack most of the udebs. Network, mirror, anna, base system and kernel are the
 * installer's own. Beside debootstrap, from its package, three stand for partman, grub-installer and finish-install, and
 * read the same preseeded answers.
 * Debian Installer internals: https://d-i.debian.org/doc/internals/.
 */

import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { OwnPackage, PackageFiles } from '../../fixtures/debian-repository.js'
import type { DebianArch } from '../debian-12.js'

const VERSION = '1'

/** Where Debian's libraries are. */
const LIBRARIES = { amd64: 'x86_64-linux-gnu', i386: 'i386-linux-gnu' } as const

/** Programs of the first partition's component, and libraries that the installer's RAM disk lacks. */
const FILES = [
  { of: 'fdisk', path: '/sbin/sfdisk', executable: true },
  { of: 'e2fsprogs', path: '/sbin/mke2fs', executable: true },
  { of: 'e2fsprogs', path: '/etc/mke2fs.conf' },
  { of: 'libext2fs2', library: 'libext2fs.so.2' },
  { of: 'libext2fs2', library: 'libe2p.so.2' },
  { of: 'libcom-err2', library: 'libcom_err.so.2' },
  { of: 'libfdisk1', library: 'libfdisk.so.1' },
  { of: 'libsmartcols1', library: 'libsmartcols.so.1' },
] as const

const DEBOOTSTRAP = ['functions', 'scripts/sid', 'scripts/debian-common']

/** Changes with the scripts below. */
export function componentsRevision(): string {
  return createHash('sha256').update(PARTITION).update(UNSIGNED).update(BOOT_LOADER).update(FINISH).digest('hex')
}

export async function ownComponents(arch: DebianArch, suite: string, archive: PackageFiles): Promise<OwnPackage[]> {
  return [await debootstrap(suite, archive), await partition(arch, archive), bootLoader(arch), finish(arch)]
}

/** The scripts of the package of the same name. */
async function debootstrap(suite: string, archive: PackageFiles): Promise<OwnPackage> {
  const folder = await archive.unpack('debootstrap')
  const below = 'usr/share/debootstrap'
  const files = DEBOOTSTRAP.map(async (name) => ({
    path: `${below}/${name}`,
    data: await readFile(join(folder, below, name)),
  }))
  return component('all', 'debootstrap-udeb', {
    control: { Depends: 'mounted-partitions', Description: 'Bootstrap the Debian system' },
    files: [
      ...(await Promise.all(files)),
      { path: `${below}/scripts/${suite}`, link: 'sid' },
      { path: 'usr/sbin/debootstrap', data: await readFile(join(folder, 'usr/sbin/debootstrap')), executable: true },
      { path: 'usr/lib/base-installer.d/50unsigned-archive', data: UNSIGNED, executable: true },
    ],
  })
}

/** One partition for all, as partman's recipe "atomic" without swap. */
async function partition(arch: DebianArch, archive: PackageFiles): Promise<OwnPackage> {
  const files = FILES.map(async (file) => {
    const folder = await archive.unpack(file.of)
    if ('path' in file)
      return {
        path: file.path.slice(1),
        data: await readFile(join(folder, file.path)),
        executable: 'executable' in file,
      }
    const path = `lib/${LIBRARIES[arch]}/${file.library}`
    const data = await readFile(join(folder, path)).catch(() => readFile(join(folder, 'usr', path)))
    return { path, data }
  })
  return component(arch, 'one-partition', {
    control: {
      Depends: 'configured-network, di-utils',
      Provides:
        'di-utils-mapdevfs, harddrive-detection, partitioned-harddrives, made-filesystems, mounted-partitions, created-fstab',
      'Installer-Menu-Item': '4200',
      Description: 'Partition the disk: one partition for all',
    },
    files: [
      ...(await Promise.all(files)),
      // No device has another name of old.
      { path: 'bin/mapdevfs', data: '#!/bin/sh\necho "$1"\n', executable: true },
    ],
    scripts: { postinst: PARTITION },
    templates: [
      title('one-partition', 'Partition the disk'),
      ...errors('one-partition', {
        'no-disk': 'There is no disk to install on.',
        'too-small': `The disk \${DISK} has \${SIZE} MB, and the base system needs ${NEEDED} MB.`,
        failed: 'The disk could not be partitioned.',
      }),
    ].join('\n'),
  })
}

function bootLoader(arch: DebianArch): OwnPackage {
  return component(arch, 'grub-loader', {
    control: {
      Depends: 'installed-base, kernel-installer',
      Provides: 'bootable-system',
      'Installer-Menu-Item': '7400',
      Description: 'Install the GRUB boot loader',
    },
    scripts: { postinst: BOOT_LOADER },
    templates: [
      title('grub-loader', 'Install the GRUB boot loader'),
      ...errors('grub-loader', { failed: 'GRUB could not be installed.' }),
    ].join('\n'),
  })
}

function finish(arch: DebianArch): OwnPackage {
  return component(arch, 'finish-it', {
    control: {
      Depends: 'installed-base, bootable-system',
      'Installer-Menu-Item': '9900',
      Description: 'Finish the installation',
    },
    scripts: { postinst: FINISH },
    templates: title('finish-it', 'Finish the installation'),
  })
}

function component(
  architecture: string,
  name: string,
  rest: Pick<OwnPackage, 'control' | 'files' | 'scripts' | 'templates'>,
): OwnPackage {
  const { Description, ...fields } = rest.control
  const control = {
    Package: name,
    Version: VERSION,
    Architecture: architecture,
    Maintainer: 'Bootwright <bootwright@localhost>',
    Section: 'debian-installer',
    Priority: 'standard',
    ...fields,
    Description,
  }
  return { kind: 'udeb', ...rest, control }
}

/** What the installer's menu calls it. */
function title(name: string, words: string): string {
  return `Template: debian-installer/${name}/title\nType: text\nDescription: ${words}\n`
}

function errors(name: string, sentences: { readonly [error: string]: string }): string[] {
  return Object.entries(sentences).map(
    ([error, words]) => `Template: ${name}/${error}\nType: error\nDescription: ${words}\n ${words}\n`,
  )
}

/** What the base system, the kernel and GRUB take, in MB. */
const NEEDED = 1100

const PARTITION = `#!/bin/sh
set -e
. /usr/share/debconf/confmodule

stop () {
	logger -t one-partition "error: $1"
	db_subst one-partition/$1 DISK "$disk" || true
	db_subst one-partition/$1 SIZE "$size" || true
	db_input critical one-partition/$1 || true
	db_go || true
	exit 1
}

depmod -a
# What udev had asked for before these modules were there.
cat $(find /sys/devices -name modalias) | grep -E '^(pci|virtio|scsi):' | sort -u | while read alias; do
	modprobe -b "$alias" 2>/dev/null || true
done
modprobe sd_mod || true
modprobe ext4 || true
update-dev --settle >/dev/null 2>&1 || true
disk=$(debconf-get partman-auto/disk || true)
[ "$disk" ] || disk=$(list-devices disk | head -n 1)
[ -b "$disk" ] || stop no-disk
size=$(($(cat /sys/class/block/\${disk#/dev/}/size) / 2 * 1024 / 1000000))
[ $size -ge ${NEEDED} ] || stop too-small

echo '2048,,L,*' | log-output -t one-partition sfdisk --label dos "$disk" || stop failed
update-dev --settle >/dev/null 2>&1 || true
part=$(ls $disk?* | head -n 1)
log-output -t one-partition mke2fs -t ext4 -q -F "$part" || stop failed
mkdir -p /target
mount -t ext4 -o errors=remount-ro "$part" /target || stop failed
mkdir -p /target/etc/dpkg/dpkg.cfg.d
# As base-installer does for what it installs itself; finish-install takes it away.
echo force-unsafe-io >/target/etc/dpkg/dpkg.cfg.d/force-unsafe-io
echo "UUID=$(block-attr --uuid $part) / ext4 errors=remount-ro 0 1" >/target/etc/fstab
echo "$disk" >/var/lib/one-partition.disk
`

/** Between debootstrap and apt's first update, which refuses an unsigned archive whatever the installer's own setting says. */
const UNSIGNED = `#!/bin/sh
set -e
if [ "$(debconf-get debian-installer/allow_unauthenticated || true)" = true ]; then
	echo 'Acquire::AllowInsecureRepositories "true";' >/target/etc/apt/apt.conf.d/00unsigned-archive
fi
`

const BOOT_LOADER = `#!/bin/sh
set -e
. /usr/share/debconf/confmodule

disk=$(debconf-get grub-installer/bootdev || true)
case "$disk" in ''|default) disk=$(cat /var/lib/one-partition.disk) ;; esac

# What stands behind --- on the installer's command line is for the installed kernel.
params=$(user-params | tr '\\n' ' ')
mkdir -p /target/etc/default/grub.d
echo "GRUB_CMDLINE_LINUX=\\"\${params% }\\"" >/target/etc/default/grub.d/installer.cfg
case "$params" in
	*console=ttyS0*)
		cat >>/target/etc/default/grub.d/installer.cfg <<-EOF
		GRUB_TERMINAL="console serial"
		GRUB_SERIAL_COMMAND="serial --unit=0 --speed=115200"
		EOF
	;;
esac
chroot /target debconf-set-selections <<-ANSWER
grub-pc grub-pc/install_devices multiselect $disk
ANSWER
if ! { log-output -t grub-loader apt-install grub-pc && in-target grub-install "$disk" && in-target update-grub; }; then
	db_input critical grub-loader/failed || true
	db_go || true
	exit 1
fi
`

const FINISH = `#!/bin/sh
set -e
. /usr/share/debconf/confmodule

password=$(debconf-get passwd/root-password || true)
[ -z "$password" ] || echo "root:$password" | chroot /target chpasswd

if [ "$(debconf-get debian-installer/allow_unauthenticated || true)" = true ]; then
	sed -i 's/^deb http/deb [trusted=yes] http/' /target/etc/apt/sources.list
	rm -f /target/etc/apt/apt.conf.d/00unsigned-archive
fi
for script in /usr/lib/finish-install.d/*; do
	[ ! -x "$script" ] || log-output -t finish-install "$script" || true
done
sync
umount /target/dev /target/run /target/proc /target/sys 2>/dev/null || true
umount /target 2>/dev/null || mount -o remount,ro /target || true
/lib/debian-installer/exit
`
