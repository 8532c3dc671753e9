/**
 * What a guest moves through its network card or its disk, beside QEMU's TCG on this host: Debian's kernel with its own
 * drivers and busybox, of the folder that BOOTWRIGHT_LINUX names (`guests/linux-modules.ts`).
 *
 *     npx tsx test/bench/devices.ts virtio-net-pci|e1000|virtio|ahci|ide soft|qemu
 *
 * Counted is the CPU time of all that is in the emulator's process, so that a busy host says nearly the same, and the time
 * that passed, which means something on a quiet host alone. What QEMU's guest fetches comes from another process; our server
 * is inside.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildInitramfs } from '../../fixtures/initramfs.js'
import type * as PcModule from '../../machine/create-machine.js'
import { findFirmware, findOptionRom } from '../../machine/firmware/find-firmware.js'
import type * as MemoryModule from '../../machine/media/memory.js'
import type * as OverlayModule from '../../machine/media/overlay.js'

const built = async <Module>(path: string) =>
  (await import(new URL(`../../dist/machine/${path}`, import.meta.url).href)) as Module
const { createMachine } = await built<typeof PcModule>('create-machine.js')
const { MemoryMedium } = await built<typeof MemoryModule>('media/memory.js')
const { Overlay } = await built<typeof OverlayModule>('media/overlay.js')

const MIB = 1 << 20
const SIZE = 100 * MIB
const VIRTIO = ['virtio_ring', 'virtio', 'virtio_pci_legacy_dev', 'virtio_pci_modern_dev', 'virtio_pci']
const SCSI = ['scsi_common', 'scsi_mod', 'libata', 'crct10dif_common', 'crc-t10dif', 'crc64', 'crc64-rocksoft']
const CARDS: { readonly [type: string]: readonly string[] } = {
  'virtio-net-pci': [...VIRTIO, 'failover', 'net_failover', 'virtio_net'],
  e1000: ['e1000'],
}
const DISKS: { readonly [bus: string]: { modules: readonly string[]; qemu: readonly string[]; ours: object[] } } = {
  virtio: {
    modules: [...VIRTIO, 'virtio_blk'],
    qemu: ['-device', 'virtio-blk-pci,drive=d'],
    ours: [{ type: 'virtio-blk-pci', options: { drive: 'disk0' } }],
  },
  ahci: {
    modules: [...SCSI, 't10-pi', 'sd_mod', 'libahci', 'ahci'],
    qemu: ['-device', 'ich9-ahci,id=a', '-device', 'ide-hd,drive=d,bus=a.0'],
    ours: [{ type: 'ide-hd', options: { drive: 'disk0', bus: 'sata', unit: 0 } }, { type: 'ahci' }],
  },
  ide: { modules: [...SCSI, 't10-pi', 'sd_mod', 'ata_piix'], qemu: ['-device', 'ide-hd,drive=d,bus=ide.0'], ours: [] },
}

const [what, target] = process.argv.slice(2)
const root = process.env.BOOTWRIGHT_LINUX
const modules = DISKS[what]?.modules ?? CARDS[what]
if (!root || !modules || !['soft', 'qemu'].includes(target)) {
  console.error(
    `devices.ts: name one of ${[...Object.keys(CARDS), ...Object.keys(DISKS)].join(', ')}, then soft or qemu,`,
  )
  console.error('and by BOOTWRIGHT_LINUX a folder with a kernel of Debian’s.')
  process.exit(2)
}

const step = (name: string, command: string) => `echo "mark begin ${name}"; ${command}; echo "mark end ${name}"`

function fetching(url: string): string[] {
  const fetch = `wget -q -O /dev/null ${url}`
  return [
    'printf \'#!/bin/sh\\n[ "$1" != bound ] || ifconfig $interface $ip netmask $subnet\\n\' > /lease; chmod +x /lease',
    'ifconfig eth0 up; udhcpc -i eth0 -s /lease -q -n -t 4',
    step('warm', `${fetch}; ${fetch}`),
    step('fetch', fetch),
    step('fetch-md5', `wget -q -O - ${url} | md5sum`),
  ]
}

function copying(): string[] {
  const disk = what === 'virtio' ? '/dev/vda' : '/dev/sda'
  const read = (more: string) => `dd if=${disk} of=/dev/null ${more}`
  const write = (more: string) => `dd if=/dev/zero of=${disk} conv=notrunc,fsync ${more}`
  const random = (one: (at: string) => string) =>
    `i=7; n=0; while [ $n -lt 400 ]; do i=$(( (i*1103515245+12345) & 0x7fffffff )); ${one('$(( (i>>8) % 12800 ))')} 2>/dev/null; n=$((n+1)); done`
  return [
    step('warm', `sleep 1; ${read('bs=1M')}; ${write('bs=1M count=50')}`),
    step('read-1M', `echo 3 > /proc/sys/vm/drop_caches; ${read('bs=1M')}`),
    step('read-direct-1M', read('bs=1M iflag=direct')),
    step('read-direct-4k', read('bs=4k count=5000 iflag=direct')),
    step('write-1M', write(`bs=1M count=${SIZE / MIB}`)),
    step('write-direct-1M', write(`bs=1M count=${SIZE / MIB} oflag=direct`)),
    step(
      'random-read-4k',
      random((at) => read(`bs=4k count=1 iflag=direct skip=${at}`)),
    ),
    step(
      'random-write-4k',
      random((at) => write(`bs=4k count=1 oflag=direct seek=${at}`)),
    ),
  ]
}

const version = readdirSync(join(root, 'lib/modules'))[0]
const tree = join(root, 'lib/modules', version, 'kernel')
const paths = readdirSync(tree, { recursive: true }) as string[]
const kernel = join(root, 'boot', `vmlinuz-${version}`)
const append = 'console=ttyS0 quiet'

function initramfs(url: string): Uint8Array {
  const init = [
    '#!/bin/busybox sh',
    '/bin/busybox --install -s /bin',
    'export PATH=/bin; mount -t proc none /proc; mount -t sysfs none /sys; mount -t devtmpfs none /dev',
    ...modules.map((name) => `insmod /${name}.ko`),
    ...(DISKS[what] ? copying() : fetching(url)),
    'echo mark done; sleep 1000000',
  ]
  const moduleFile = (name: string) =>
    readFileSync(join(tree, paths.find((one) => one.endsWith(`/${name}.ko`)) ?? name))
  return buildInitramfs([
    ...['bin', 'dev', 'proc', 'sys'].map((path) => ({ path })),
    { path: 'bin/busybox', data: readFileSync(join(root as string, 'bin/busybox')), executable: true },
    ...modules.map((name) => ({ path: `${name}.ko`, data: moduleFile(name) })),
    { path: 'init', data: init.join('\n'), executable: true },
  ])
}

/** Bytes that are nowhere the same for long. */
function contents(): Uint8Array {
  const bytes = new Uint8Array(SIZE)
  for (let i = 0; i < SIZE; i++) bytes[i] = i * 7 + (i >> 8) * 3 + (i >> 16)
  return bytes
}

/** Looks for the guest's marks in its serial output, and says what passed between them. */
class Marks {
  isDone = false
  private line = ''
  private begun: { [measure: string]: number } = {}

  /** @param counts What the emulator can tell beside the time that passed. */
  constructor(private readonly counts: () => { [measure: string]: number }) {}

  private measure(): { [measure: string]: number } {
    return { ...this.counts(), 's passed': performance.now() / 1000 }
  }

  add(text: string): void {
    const lines = (this.line + text).split(/\r?\n/)
    this.line = lines.pop() ?? ''
    for (const line of lines) {
      const [, kind, name] = /mark (begin|end|done) ?(\S*)$/.exec(line) ?? []
      if (kind === 'begin') this.begun = this.measure()
      if (kind === 'end') this.tell(name)
      if (kind === 'done') this.isDone = true
    }
  }

  private tell(name: string): void {
    const parts = Object.entries(this.measure()).map(
      ([measure, value]) => `${(value - this.begun[measure]).toFixed(3)} ${measure}`,
    )
    console.log(`${what} ${target} ${name.padEnd(16)} ${parts.join(', ')}`)
  }
}

function soft(): void {
  const { bios, vgaBios } = findFirmware()
  const body = contents()
  const medium = new MemoryMedium(SIZE)
  medium.data.set(body)
  const marks: Marks = new Marks(() => {
    const { user, system } = process.cpuUsage()
    const instructions = machine.instructions() / 1e6
    return {
      's of CPU': (user + system) / 1e6,
      'million instructions': instructions,
      's of guest time': machine.now() / 1e9,
    }
  })
  const disks = DISKS[what]
    ? { disks: [new Overlay(medium)], devices: DISKS[what].ours as never[] }
    : {
        disks: [],
        nics: [{ type: what, id: 'net0', mac: '52:54:00:12:34:56', net: 'lan' as const, options: {} }],
        network: { http: { '/file': { kind: 'bytes' as const, body } } },
      }
  const machine = createMachine({
    engine: 'soft',
    memory: 256 << 20,
    floppies: [],
    firmware: {
      bios: readFileSync(bios.path),
      vgaBios: readFileSync(vgaBios.path),
      file: (rom) => (rom.endsWith('.rom') ? undefined : readFileSync(findOptionRom(rom).path)),
    },
    kernel: { image: readFileSync(kernel), name: 'kernel', initrd: initramfs('http://10.0.2.2/file'), append },
    onSerial: (port, byte) => {
      if (port === 0) marks.add(String.fromCharCode(byte))
    },
    ...disks,
  })
  while (!marks.isDone) {
    const exit = machine.run(machine.now() + 50e6)
    if (exit) throw new Error(`the guest ended with ${exit.reason}`)
  }
}

const SERVER = `const body = Buffer.alloc(${SIZE}, 'x')
const server = require('node:http').createServer((_, answer) => answer.end(body))
server.listen(0, '127.0.0.1', () => console.log(server.address().port))`

async function qemu(folder: string): Promise<void> {
  const server = DISKS[what]
    ? undefined
    : spawn(process.execPath, ['-e', SERVER], { stdio: ['ignore', 'pipe', 'inherit'] })
  const port = server && (await new Promise((resolve) => server.stdout.once('data', (bytes) => resolve(Number(bytes)))))
  const [initrd, disk] = [join(folder, 'initrd'), join(folder, 'disk')]
  writeFileSync(initrd, initramfs(`http://10.0.2.2:${port}/file`))
  if (DISKS[what]) writeFileSync(disk, contents())
  const devices = DISKS[what]
    ? ['-drive', `file=${disk},format=raw,id=d,if=none`, ...DISKS[what].qemu]
    : ['-netdev', 'user,id=n', '-device', `${what},netdev=n,romfile=`]
  const machine = ['-M', 'pc', '-accel', 'tcg', '-m', '256', '-display', 'none', '-nodefaults', '-serial', 'stdio']
  const boot = ['-kernel', kernel, '-initrd', initrd, '-append', append]
  const child = spawn('qemu-system-x86_64', [...machine, ...boot, ...devices], { stdio: ['ignore', 'pipe', 'inherit'] })
  const marks = new Marks(() => {
    const tasks = `/proc/${child.pid}/task`
    const times = readdirSync(tasks).map((id) =>
      Number.parseInt(readFileSync(`${tasks}/${id}/schedstat`, 'latin1'), 10),
    )
    return { 's of CPU': times.reduce((sum, one) => sum + one, 0) / 1e9 }
  })
  child.stdout.on('data', (bytes: Buffer) => {
    marks.add(bytes.toString('latin1'))
    if (marks.isDone) child.kill('SIGKILL')
  })
  await new Promise((resolve) => child.once('close', resolve))
  server?.kill()
}

if (target === 'soft') soft()
else {
  const folder = mkdtempSync(join(tmpdir(), 'bootwright-devices-'))
  try {
    await qemu(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}
