/** Three of Debian's kernels on one network: they ping, lose a link, are parted, and find each other; two runs are the same. */
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { buildInitramfs } from '../../fixtures/initramfs.js'
import { launch } from '../../harness/vm/launch.js'
import { network, type SharedNetwork } from '../../harness/vm/network/shared-network.js'
import type { Vm } from '../../harness/vm/vm.js'
import { DEFAULT_EPOCH } from '../../machine/machine.js'
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

const MOST = /, (7|8|9|10) packets received/

/** Pings of a machine of ours, each with a number of its own. */
function pinger() {
  let said = 0
  return async (vm: Vm, to: number, words: string | RegExp) => {
    const end = 100 + ++said
    await vm.serial[0].write(`ping -c 10 -W 1 192.168.9.${to}; echo done-$((${end}))\n`)
    await vm.serial[0].waitFor(`done-${end}`)
    expect(vm.serial[0].text().slice(-250)).toMatch(words)
  }
}

const looksOf = (machines: readonly Vm[]) =>
  Promise.all(
    machines.map(async (vm) => {
      const { instructions, guestTimeNs } = await vm.look()
      return { instructions, guestTimeNs, serial: vm.serial[0].text() }
    }),
  )

// Runs of a minute and a half each: with 100 µs they meet a million times.
const CABLES = { latency: '10ms', loss: '2%', seed: 5 }

async function story(run: string) {
  const lan = network(CABLES)
  try {
    const [a, b, c] = await boot(lan, run)
    const ping = pinger()
    await ping(a, 2, MOST)
    await ping(b, 3, MOST)
    await b.network.link(false)
    await ping(a, 2, ', 0 packets received')
    await b.network.link(true)
    await ping(a, 2, MOST)
    await lan.partition(a, [b, c])
    await ping(a, 3, ', 0 packets received')
    await lan.heal()
    await ping(a, 3, MOST)
    return await looksOf(lan.machines)
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

/** Records of a capture behind its header, each as text: its guest time, ns since the epoch's, and its bytes. */
function recordsOf(path: string): { time: number; text: string }[] {
  const data = readFileSync(path)
  const records = []
  for (let at = 24; at < data.length; ) {
    const end = at + 16 + data.readUInt32LE(at + 8)
    const time = (data.readUInt32LE(at) - DEFAULT_EPOCH) * 1e9 + data.readUInt32LE(at + 4)
    records.push({ time, text: data.toString('hex', at, end) })
    at = end
  }
  return records
}

test.skipIf(!haveLinux)('two forks of all three go on as they do themselves, twice over', async () => {
  const lan = network(CABLES)
  const networks = [lan]
  try {
    const [a, b] = await boot(lan, 'forked')
    await pinger()(a, 2, MOST)
    // Kept in the midst of what goes to and fro.
    await b.serial[0].write('ping -c 30 192.168.9.3 >/pings &\n')
    await a.wait('3s')
    const kept = await lan.snapshot()
    const since = (await looksOf(lan.machines)).map(({ guestTimeNs }) => guestTimeNs)
    const goOn = async (own: SharedNetwork) => {
      const [one, two, three] = own.machines
      const ping = pinger()
      await Promise.all([ping(one, 3, MOST), three.wait('1s')])
      await own.partition(one, [two, three])
      await ping(one, 2, ', 0 packets received')
      await own.heal()
      await ping(three, 1, MOST)
      await two.serial[0].write('cat /pings /proc/net/dev /proc/net/snmp; echo seen-$((1))\n')
      await two.serial[0].waitFor('seen-1')
      return looksOf([one, two, three])
    }
    const first = await goOn(lan)
    expect(first[1].serial).toMatch(/30 packets transmitted, 2\d packets received/)
    for (let n = 0; n < 2; n++) {
      const fork = await lan.forkFrom(kept)
      networks.push(fork)
      expect(await goOn(fork)).toEqual(first)
    }
    await lan.restore(kept)
    expect(await goOn(lan)).toEqual(first)
    await lan.close()
    // The captures have what came since then twice.
    for (const n of [1, 2, 3]) {
      const times = new Map<string, number>()
      for (const { time, text } of recordsOf(join(folder, `forked-${n}.pcap`)))
        if (time > since[n - 1]) times.set(text, (times.get(text) ?? 0) + 1)
      expect(times.size).toBeGreaterThan(20)
      expect([...times].filter(([, count]) => count !== 2)).toEqual([])
    }
  } finally {
    for (const one of networks) await one.close()
  }
})
