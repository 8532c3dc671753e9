/**
 * A guest with servers, of Debian's own parts: its kernel for i386 (BOOTWRIGHT_LINUX), busybox with its HTTP server, dropbear
 * for SSH and OpenSSH's SFTP server.
 */
import { mkdtempSync, readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildInitramfs, type InitramfsEntry } from '../../fixtures/initramfs.js'
import { unpackedPackages } from './debian-packages.js'

const root = process.env.BOOTWRIGHT_LINUX
const PACKAGES = [
  'dropbear-bin',
  'openssh-sftp-server',
  'libc6',
  'libcrypt1',
  'libtomcrypt1',
  'libtommath1',
  'zlib1g',
  'libgmp10',
]
const LIBRARIES = ['libc.so.6', 'libcrypt.so.1', 'libtomcrypt.so.1', 'libtommath.so.1', 'libz.so.1', 'libgmp.so.10']

export const PASSWORD = 'correct horse'
/** `openssl passwd -5 -salt bootwright 'correct horse'`. */
const HASH = '$5$bootwright$PdlgwxEd2DqMad3i0Ed5Hw449hPL9eyMkOnhvxew3h2'

export interface ServerGuest {
  kernel: string
  initrd: string
}

/** Kernel and initrd; undefined where they cannot be made here. @param key What may log in as root, of authorized_keys. */
export function serverGuest(key = '', commands: readonly string[] = [], hasSftp = true): ServerGuest | undefined {
  const version = root === undefined ? undefined : readdirSync(join(root, 'lib/modules'))[0]
  if (root === undefined || version === undefined || !version.endsWith('-686')) return undefined
  const packages = unpackedPackages(
    'servers-i386',
    PACKAGES.map((name) => `${name}:i386`),
  )
  if (packages === undefined) return undefined
  const files = readdirSync(packages, { recursive: true }) as string[]
  const found = (name: string) => {
    const path = files.find((one) => one.endsWith(`/${name}`))
    if (path === undefined) throw new Error(`there is no ${name} in ${packages}`)
    return readFileSync(realpathSync(join(packages, path)))
  }
  const program = (path: string, data: Uint8Array): InitramfsEntry => ({ path, data, executable: true })
  const e1000 = `lib/modules/${version}/kernel/drivers/net/ethernet/intel/e1000/e1000.ko`
  const folders = 'bin dev dev/pts etc etc/dropbear lib proc root root/.ssh sys tmp usr usr/lib var var/log var/run www'
  const initrd = buildInitramfs([
    ...folders.split(' ').map((path) => ({ path })),
    program('bin/busybox', readFileSync(join(root, 'bin/busybox'))),
    program('bin/dropbear', found('sbin/dropbear')),
    ...(hasSftp ? [program('usr/lib/sftp-server', found('openssh/sftp-server'))] : []),
    ...LIBRARIES.map((name) => program(`lib/${name}`, found(name))),
    program('lib/ld-linux.so.2', found('ld-linux.so.2')),
    { path: 'e1000.ko', data: readFileSync(join(root, e1000)) },
    { path: 'etc/passwd', data: 'root:x:0:0:root:/root:/bin/sh\n' },
    { path: 'etc/group', data: 'root:x:0:\n' },
    { path: 'etc/shadow', data: `root:${HASH}:19000:0:99999:7:::\n` },
    { path: 'etc/shells', data: '/bin/sh\n' },
    { path: 'root/.ssh/authorized_keys', data: `${key}\n` },
    { path: 'www/index.html', data: 'served by busybox\n' },
    program('lease', Buffer.from(LEASE)),
    program(
      'init',
      Buffer.from([...INIT, ...commands, 'exec setsid sh -c "exec sh </dev/ttyS0 >/dev/ttyS0 2>&1"', ''].join('\n')),
    ),
  ])
  const path = join(mkdtempSync(join(tmpdir(), 'bootwright-servers-')), 'initrd')
  writeFileSync(path, initrd)
  return { kernel: join(root, `boot/vmlinuz-${version}`), initrd: path }
}

const LEASE = `#!/bin/sh
[ "$1" = bound ] || exit 0
ifconfig $interface $ip netmask $subnet; route add default gw $router
echo "nameserver $dns" > /etc/resolv.conf
`

const INIT = [
  '#!/bin/busybox sh',
  '/bin/busybox --install -s /bin',
  'export PATH=/bin HOME=/root; mount -t proc none /proc; mount -t sysfs none /sys; mount -t devtmpfs none /dev',
  'mkdir -p /dev/pts; mount -t devpts none /dev/pts',
  'chmod 700 /root /root/.ssh; chmod 600 /etc/shadow',
  'insmod /e1000.ko; ifconfig lo 127.0.0.1; ifconfig eth0 up; udhcpc -i eth0 -s /lease -q -n -t 20',
  'dropbear -R -E; httpd -h /www; echo servers are up',
]
