/** Three of Debian's kernels on one network: they ping, lose a link, are parted, and find each other; two runs are the same. */
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { buildInitramfs } from '../../fixtures/initramfs.js'
import { launch } from '../../harness/vm/launch.js'
import { network, type SharedNetwork } from '../../harness/vm/network/shared-network.js'
import type { Vm } from '../../harness/vm/vm.js'
import { haveLinux } from './linux-modules.js'

const root = process.env.BOOTWRIGHT_LINUX ?? ''
const folder = mkdtempSync(join(tmpdir(), 'bootwright-three-'))

function writeInitrd(version: string): string {
  const tree = join(root, 'lib/modules', version, 'kernel/drivers/net/ethernet/intel/e1000')
  const init = [
    '#!/bin/busybox sh',
    '/bin/busybox --install -s /bin',
    'export PATH=/bin; mount -t proc none /proc; mount -t sysfs none /sys; mount -t devtmpfs none /dev',
    'insmod /e1000.ko; n=$(sed "s/.*n=//; s/ .*//" /proc/cmdline)',
    'ifconfig eth0 192.168.9.$n up; echo ready $n; exec setsid sh -c "exec sh </dev/ttyS0 >/dev/ttyS0 2>&1"',
  ]
  const initrd = buildInitramfs([
    ...['bin', 'dev', 'proc', 'sys'].map((path) => ({ path })),
    { path: 'bin/busybox', data: readFileSync(join(root, 'bin/busybox')), executable: true },
    { path: 'e1000.ko', data: readFileSync(join(tree, 'e1000.ko')) },
    { path: 'init', executable: true, data: init.join('\n') },
  ])
  const path = join(folder, 'initrd')
  writeFileSync(path, initrd)
  return path
}

async function boot(lan: SharedNetwork, run: string): Promise<Vm[]> {
  const [version] = readdirSync(join(root, 'lib/modules'))
  const kernel = join(root, `boot/vmlinuz-${version}`)
  const initrd = writeInitrd(version)
  const machines = await Promise.all(
    [1, 2, 3].map((n) =>
      launch({
        ...({ engine: 'soft', memory: 96, kernel, initrd, append: `console=ttyS0 quiet n=${n}` } as const),
        ...{ nic: `e1000,pcap=${join(folder, `${run}-${n}.pcap`)}`, network: lan, hostTimeout: '25m' },
      }),
    ),
  )
  await Promise.all(machines.map((vm, i) => vm.serial[0].waitFor(new RegExp(`ready ${i + 1}`))))
  return machines
}

async function story(run: string) {
  // Two runs of a minute and a half each: with 100 µs they meet a million times.
  const lan = network({ latency: '10ms', loss: '2%', seed: 5 })
  try {
    const [a, b, c] = await boot(lan, run)
    let said = 0
    const ping = async (vm: Vm, to: number, words: string | RegExp) => {
      await vm.serial[0].write(`ping -c 10 -W 1 192.168.9.${to} | grep received; echo done-$((100+${++said}))\n`)
      await vm.serial[0].waitFor(`done-${100 + said}`)
      expect(vm.serial[0].text().slice(-200)).toMatch(words)
    }
    const most = /, (7|8|9|10) packets received/
    await ping(a, 2, most)
    await ping(b, 3, most)
    await b.network.link(false)
    await ping(a, 2, ', 0 packets received')
    await b.network.link(true)
    await ping(a, 2, most)
    await lan.partition(a, [b, c])
    await ping(a, 3, ', 0 packets received')
    await lan.heal()
    await ping(a, 3, most)
    const looks = await Promise.all(lan.machines.map((vm) => vm.look()))
    return looks.map(({ instructions, guestTimeNs }) => ({ instructions, guestTimeNs }))
  } finally {
    await lan.close()
  }
}

test.skipIf(!haveLinux)('three Linux machines with loss, a cable that is out and a partition, twice', async () => {
  const first = await story('first')
  expect(await story('second')).toEqual(first)
  const frames = (run: string) => [1, 2, 3].map((n) => readFileSync(join(folder, `${run}-${n}.pcap`)))
  for (const [i, one] of frames('second').entries()) expect(one.equals(frames('first')[i])).toBe(true)
})
