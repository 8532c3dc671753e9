/** Several machines on one network: stations of a boot sector each (`station-floppy.ts`), in threads of their own. */
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { launch } from '../../../../harness/vm/launch.js'
import {
  network,
  type SharedNetwork,
  type SharedNetworkOptions,
} from '../../../../harness/vm/network/shared-network.js'
import type { Vm } from '../../../../harness/vm/vm.js'
import { writeStationFloppy } from './station-floppy.js'

const folder = mkdtempSync(join(tmpdir(), 'bootwright-shared-'))
const floppy = writeStationFloppy(join(folder, 'station.img'))

async function stations(lan: SharedNetwork, count: number, name?: string): Promise<Vm[]> {
  const vms = await Promise.all(
    Array.from({ length: count }, (_, i) => {
      const nic = `ne2k_isa${name === undefined ? '' : `,pcap=${captureOf(name, i)}`}`
      return launch({ engine: 'soft', memory: 4, floppy, vga: 'none', nic, network: lan })
    }),
  )
  await Promise.all(vms.map((vm) => vm.serial[0].waitFor('!')))
  return vms
}

async function using<T>(options: SharedNetworkOptions, action: (lan: SharedNetwork) => Promise<T>): Promise<T> {
  const lan = network(options)
  try {
    return await action(lan)
  } finally {
    await lan.close()
  }
}

/** Each machine is a thread, and a host that is busy runs one after the other, ms. */
const HOST_TIME = 300_000

const captureOf = (name: string, station: number) => join(folder, `${name}-${station}.pcap`)
/** Of a capture, behind its header. */
const recordsOf = (path: string) => readFileSync(path).subarray(24)
const said = (vm: Vm) => vm.serial[0].text().replace(/^[^!]*!/, '')
const counts = (vms: readonly Vm[]) =>
  Promise.all(vms.map(async (vm) => ({ ...(await vm.look()), serial: said(vm) }))).then((looks) =>
    looks.map(({ instructions, guestTimeNs, serial }) => ({ instructions, guestTimeNs, serial })),
  )

test(
  'three stations hear each other, not over a cable that is out or cut; a fork goes on alike, in files of its own, and back is back',
  async () => {
    await using({ latency: '2ms' }, async (lan) => {
      const [a, b, c] = await stations(lan, 3, 'forked')
      await a.serial[0].write('x')
      await Promise.all([b.serial[0].waitFor('x'), c.serial[0].waitFor('x')])
      await b.network.link(false)
      await a.serial[0].write('y')
      await c.serial[0].waitFor('y')
      await b.network.link(true)
      await lan.partition(c, [a, b])
      await a.serial[0].write('z')
      await b.serial[0].waitFor('z')
      await c.wait('10ms')
      expect([said(a), said(b), said(c)]).toEqual(['', 'xz', 'xy'])
      await lan.heal()

      const kept = await lan.snapshot()
      const goOn = async ([one, two, three]: Vm[]) => {
        await one.serial[0].write('1')
        await two.serial[0].write('2')
        await three.serial[0].waitFor(/12|21/)
        await two.wait('5ms')
        return counts([one, two, three])
      }
      const fork = await lan.forkFrom(kept)
      const here = await goOn(lan.machines)
      expect(here.map(({ serial }) => serial)).toEqual(['2', 'xz1', 'xy12'])
      expect(await goOn(fork.machines)).toEqual(here)
      await fork.close()
      await lan.restore(kept)
      expect(said(c)).toBe('xy')
      expect(await goOn(lan.machines)).toEqual(here)
      kept.release()
      // No machine was ahead of another by more than the latency and the frame in which the test looked.
      const times = here.map(({ guestTimeNs }) => guestTimeNs)
      expect(Math.max(...times) - Math.min(...times)).toBeLessThan(1e9 / 60 + 2e6)
    })
    for (const station of [0, 1, 2]) {
      const whole = recordsOf(captureOf('forked', station))
      const own = recordsOf(captureOf('forked', station).replace('.pcap', '-fork1.pcap'))
      expect(own.length).toBeGreaterThan(0)
      // The first one did the same twice since then.
      expect(whole.subarray(-2 * own.length).equals(Buffer.concat([own, own]))).toBe(true)
    }
  },
  HOST_TIME,
)

test(
  'two runs with loss, duplicates and reordering by a seed are the same, frames and counts',
  async () => {
    const run = (name: string) =>
      using(
        { latency: '2ms', loss: '20%', duplicate: '20%', reorder: '20%', bandwidth: '10Mbit', seed: 7 },
        async (lan) => {
          const [a, b] = await stations(lan, 2, name)
          await Promise.all([a.serial[0].write('abcdefghijklmnop'), b.serial[0].write('1')])
          await a.wait('200ms')
          return counts([a, b])
        },
      )
    const first = await run('first')
    expect(first[1].serial).not.toBe('abcdefghijklmnop')
    expect(await run('second')).toEqual(first)
    for (const station of [0, 1])
      expect(readFileSync(captureOf('second', station)).equals(readFileSync(captureOf('first', station)))).toBe(true)
  },
  HOST_TIME,
)

describe('what cannot be is said in a sentence', () => {
  test.each([
    [{ latency: 0 }, /^network\(\): latency '0' is no time from 1us to 10s/],
    [{ loss: 'some' }, /^network\(\): loss 'some' is no share of all frames; write it as in '1%', or 0.01$/],
    [{ bandwidth: 'fast' }, /^network\(\): bandwidth 'fast' is none from 10kbit to 100Gbit/],
    [{ seed: -1 }, /^network\(\): seed '-1' is no whole number/],
    [{ htpt: {} } as object, /htpt.*http/],
  ])('%o', (options, sentence) => {
    expect(() => network(options)).toThrow(sentence)
  })

  test(
    'of machines',
    () =>
      using({}, async (lan) => {
        const machine = { engine: 'soft', memory: 4, floppy, vga: 'none', network: lan } as const
        await expect(launch({ ...machine, engine: 'kvm', nic: 'ne2k_isa' })).rejects.toThrow(
          /in step.*take engine 'soft'/,
        )
        await expect(launch(machine)).rejects.toThrow(/network needs a card/)
        const nic = 'ne2k_isa,mac=52:54:00:00:00:01'
        const vm = await launch({ ...machine, nic })
        await expect(launch({ ...machine, nic })).rejects.toThrow(/the address 52:54:00:00:00:01 is another machine's/)
        await expect(vm.snapshot()).rejects.toThrow(
          'a machine of a shared network is kept by the snapshot() of the network',
        )
        await expect(vm.fork()).rejects.toThrow('snapshot() of the network')
      }),
    HOST_TIME,
  )
})
