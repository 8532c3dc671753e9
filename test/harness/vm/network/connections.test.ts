/** Connections of a test's to servers in its guest, which is a station without a CPU. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ConnectionError, TimeoutError } from '../../../../harness/vm/errors.js'
import { launch } from '../../../../harness/vm/launch.js'
import { network, type SharedNetwork } from '../../../../harness/vm/network/shared-network.js'
import type { Vm } from '../../../../harness/vm/vm.js'
import { compiledModule } from '../../compiled.js'

const machineModule = compiledModule(new URL('server-machine.ts', import.meta.url))
const options = { engine: 'soft', boot: 'n', nic: 'e1000', machineModule, timeout: '20s' } as const

/** Each machine is a thread, and a host that is busy runs one after the other, ms. */
const HOST_TIME = 300_000

const all = async (connection: AsyncIterable<Uint8Array>) => {
  const pieces: Uint8Array[] = []
  for await (const piece of connection) pieces.push(piece)
  return Buffer.concat(pieces)
}

describe('a server in the guest', () => {
  let vm: Vm
  beforeEach(async () => {
    vm = await launch(options)
  })
  afterEach(async () => {
    await vm.close()
  })

  test('is asked by HTTP', async () => {
    const response = await vm.network.fetch('http://guest/hello')
    expect(response).toMatchObject({ status: 200, headers: { server: 'Bootwright' } })
    expect(response.text()).toBe('welcome\n')
    expect((await vm.network.fetch('http://10.0.2.15/none')).status).toBe(404)
    const { body } = await vm.network.fetch('http://guest/large')
    expect(body.every((byte, i) => byte === i % 251)).toBe(true)
    expect(body.length).toBe(300_000)
  })

  test('hears and says bytes both ways, more than fit anywhere at once', async () => {
    const connection = await vm.network.connect(7)
    const sent = Buffer.alloc(700_000, 'all work and no play ')
    connection.end(sent)
    expect((await all(connection)).equals(sent)).toBe(true)
  })

  test('answers at the same moment in every run', async () => {
    const story = async (one: Vm) => {
      const connection = await one.network.connect(7)
      connection.end('hello')
      await all(connection)
      await one.network.fetch('http://guest/large')
      const { guestTimeNs, requests } = await one.look()
      return { guestTimeNs, requests, result: await one.driver.run([]) }
    }
    const first = await story(vm)
    expect(first.result.hostInput).toBe(false)
    const other = await launch(options)
    try {
      expect((await story(other)).guestTimeNs).toBe(first.guestTimeNs)
    } finally {
      await other.close()
    }
  })

  test('refuses, or does not answer, in one sentence', async () => {
    await expect(vm.network.connect(81)).rejects.toThrow(
      new ConnectionError('no connection to port 81 of the guest: refused by the guest'),
    )
    await vm.network.link(false)
    const late = vm.network.connect(80, { timeout: '3s' })
    await expect(late).rejects.toThrow(TimeoutError)
    await expect(late).rejects.toThrow('waited 3 s of guest time for the guest to take a connection to its port 80')
    await expect(vm.network.connect(0)).rejects.toThrow('0 is no port; they are 1 to 65535')
    await expect(vm.network.connect(80, { guest: 'there' })).rejects.toThrow("guest 'there' is no address")
    await expect(vm.network.fetch('ftp://guest/')).rejects.toThrow('write it as in http://guest/status')
  })

  test('a machine that goes back to a snapshot, or is closed, ends its connections', async () => {
    const before = await vm.snapshot()
    const connection = await vm.network.connect(7)
    connection.write('x')
    await vm.restore(before)
    await expect(all(connection)).rejects.toThrow('the machine went back to a snapshot')
    before.release()
    const other = await vm.network.connect(7)
    await vm.close()
    await expect(all(other)).rejects.toThrow('the machine was closed')
  })
})

describe('machines of a network', () => {
  const story = async (lan: SharedNetwork) => {
    const [one, two] = lan.machines
    expect((await one.network.fetch('http://guest/hello')).text()).toBe('welcome\n')
    const connections = [await one.network.connect(7), await two.network.connect(7)]
    const texts = ['to the first', 'to the second'.repeat(5000)]
    for (const [i, connection] of connections.entries()) {
      connection.end(texts[i])
      expect(String(await all(connection))).toBe(texts[i])
    }
    expect((await one.network.fetch('http://10.0.2.16/none')).status).toBe(404)
    await expect(two.network.connect(81)).rejects.toThrow('port 81 of the guest: refused by the guest')
    return (await Promise.all([one, two].map((vm) => vm.driver.run([])))).map(({ hostInput }) => hostInput)
  }

  test(
    'are told apart, those of a fork too, and their results say that somebody spoke with them',
    async () => {
      const lan = network({ latency: '2ms' })
      try {
        const machines = [1, 2].map(() => launch({ ...options, network: lan }))
        await (await Promise.all(machines))[0].wait('5ms')
        const fork = await lan.fork()
        expect(await story(lan)).toEqual([true, true])
        expect(await story(fork).finally(() => fork.close())).toEqual([true, true])
      } finally {
        await lan.close()
      }
    },
    HOST_TIME,
  )

  test(
    'one that is closed, or was not heard of, ends its connections alone',
    async () => {
      const lan = network({ latency: '2ms' })
      try {
        const [one, two] = [await launch({ ...options, network: lan }), await launch({ ...options, network: lan })]
        await expect(two.network.connect(7)).rejects.toThrow('the guest has no address that it was heard with')
        await one.wait('5ms')
        const [gone, kept] = [await one.network.connect(7), await two.network.connect(7)]
        await one.close()
        await expect(all(gone)).rejects.toThrow('the machine was closed')
        kept.end('still there')
        expect(String(await all(kept))).toBe('still there')
      } finally {
        await lan.close()
      }
    },
    HOST_TIME,
  )
})

test('a machine without a card says so', async () => {
  const vm = await launch({ ...options, nic: 'e1000,net=none' })
  try {
    await expect(vm.network.connect(80)).rejects.toThrow("add one as in nic: 'e1000'")
  } finally {
    await vm.close()
  }
})
