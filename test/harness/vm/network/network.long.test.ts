/** `vm.network` with iPXE as its guest: a script that a function of the test makes, and what else a test can do there. */
import { existsSync, mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { Replay } from '../../../../harness/runtime/recordings/replay.js'
import { VmThread } from '../../../../harness/thread/machine-thread.js'
import { type LaunchOptions, launch, machineConfig } from '../../../../harness/vm/launch.js'
import { answerBy } from '../../../../harness/vm/network/network.js'
import '../../../../harness/vitest/matchers.js'

const ROM = '/usr/lib/ipxe/qemu/pxe-e1000.rom'
const folder = mkdtempSync(join(tmpdir(), 'bootwright-network-'))

/** Asks again and again, so that there is always something to be answered. */
const SCRIPT = [
  '#!ipxe',
  'set n:int32 0',
  ':again',
  'inc n',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is iPXE's
  'chain --autofree http://10.0.2.2/next?n=${n} || sleep 1',
  'goto again',
].join('\n')

function options(next: (path: string) => string): LaunchOptions {
  return {
    engine: 'soft',
    memory: 64,
    nic: 'e1000',
    boot: 'n',
    network: {
      bootfile: 'http://10.0.2.2/boot.ipxe',
      http: { '/boot.ipxe': { text: SCRIPT }, '/next': ({ path }) => next(path) },
    },
  }
}

describe.skipIf(!existsSync(ROM))('a guest that boots from the network', () => {
  test('is answered by a function while its time stands still, the same in every run', async () => {
    const run = async () => {
      const asked: string[] = []
      const next = (path: string) => {
        asked.push(path)
        return `#!ipxe\necho This is answer ${asked.length}\nsleep 1\n`
      }
      const vm = await launch(options(next))
      try {
        const first = await vm.network.waitForRequest(/GET \/next/)
        expect(first).toMatchObject({ protocol: 'http', from: '10.0.2.15', what: 'GET /next?n=1' })
        expect(first.result).toMatch(/^200, \d+ bytes$/)
        expect(await vm.network.waitForRequest(/GET \/next/)).toMatchObject({ what: 'GET /next?n=2' })
        await expect(vm.screen).toHaveText('This is answer 2')
        await expect(vm.network).toHaveRequested('GET /boot.ipxe')
        await expect(vm.network).not.toHaveRequested(/preseed/)
        expect(asked).toEqual(['/next?n=1', '/next?n=2'])
        const requests = await vm.network.requests()
        expect(requests.map(({ protocol, what }) => `${protocol} ${what}`)).toEqual(
          expect.arrayContaining([expect.stringMatching(/^dhcp DISCOVER of PXEClient/), 'http GET /boot.ipxe']),
        )
        const { instructions, guestTimeNs } = await vm.look()
        return { instructions, guestTimeNs, requests }
      } finally {
        await vm.close()
      }
    }
    expect(await run()).toEqual(await run())
  })

  test('goes on in a fork, whose function is the same one; a cable that is out stops it', async () => {
    let answers = 0
    const vm = await launch(options(() => `#!ipxe\necho Answer ${++answers}\nsleep 1\n`))
    try {
      await vm.network.waitForRequest(/GET \/next/)
      const fork = await vm.fork()
      await vm.network.link(false)
      await vm.wait('10s')
      const before = (await vm.network.requests()).length
      await fork.wait('10s')
      expect((await fork.network.requests()).length).toBeGreaterThan(before)
      expect(before).toBe((await vm.network.requests()).length)
      await fork.close()
      await vm.network.link(true)
      await vm.network.waitForRequest(/GET \/next/, { timeout: '2m' })
      await expect(vm.network.link(false, 'net7')).rejects.toThrow("there is no network card 'net7'; there are net0")
    } finally {
      await vm.close()
    }
  })

  test('a function that fails, fails the test, and says where', async () => {
    const vm = await launch(
      options(() => {
        throw new Error('no answer for you')
      }),
    )
    try {
      const failed = vm.wait('1m')
      await expect(failed).rejects.toThrow("the function of '/next' failed at GET /next?n=1: no answer for you")
      await expect(failed).rejects.toThrow(/asked of the LAN:[\s\S]*http GET \/next\?n=1 from 10\.0\.2\.15/)
    } finally {
      await vm.close()
    }
  })

  test('a recording holds the answers, and the frames are in a file', async () => {
    const [record, pcap] = [join(folder, 'run.jsonl'), join(folder, 'run.pcap')]
    const config = await machineConfig({ ...options(() => ''), nic: `e1000,pcap=${pcap}` })
    const thread = await VmThread.start(
      { ...config, record },
      {
        onQuestion: (name, question) =>
          answerBy(
            { '/next': ({ path }) => `#!ipxe\necho Told ${path} at ${Math.random()}\nsleep 1\n` },
            name,
            question,
          ),
      },
    )
    await thread.run({ steps: [{ kind: 'until-time', ns: 12e9 }] })
    const { text } = await thread.look()
    await thread.close()
    expect(text).toMatch(/Told \/next\?n=1 at 0\.\d+/)
    const replay = await Replay.open(record)
    try {
      replay.runTo(replay.end)
      const cells = replay.machine.display.text()
      expect(replay.verified).toBeGreaterThan(0)
      expect(cells && String.fromCharCode(...cells.cells.map(({ code }) => code))).toContain('Told /next?n=1 at 0.')
    } finally {
      replay.close()
    }
    const frames = readFileSync(pcap)
    expect(frames.readUInt32LE(0)).toBe(0xa1b23c4d)
    expect(frames.includes('GET /next?n=1 HTTP/1.1')).toBe(true)
  })
})
