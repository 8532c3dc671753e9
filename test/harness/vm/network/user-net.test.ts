/** A machine with a way out: servers of this test's on 127.0.0.1, and the guest of `server-machine.ts`. */
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { toPattern } from '../../../../harness/keys/patterns.js'
import type { Step } from '../../../../harness/protocol/script.js'
import { Replay } from '../../../../harness/runtime/recordings/replay.js'
import { VmThread } from '../../../../harness/thread/machine-thread.js'
import { launch, machineConfig } from '../../../../harness/vm/launch.js'
import { network } from '../../../../harness/vm/network/shared-network.js'
import type { Vm } from '../../../../harness/vm/vm.js'
import { compiledModule } from '../../compiled.js'
import { createMachine } from './server-machine.js'

const machineModule = compiledModule(new URL('server-machine.ts', import.meta.url))
const options = { engine: 'soft', boot: 'n', machineModule, timeout: '30s', hostTimeout: '30s' } as const
const folder = mkdtempSync(join(tmpdir(), 'bootwright-user-'))

let server: Server
let port = 0
const sockets = new Set<Socket>()
beforeAll(async () => {
  server = createServer((socket) => {
    sockets.add(socket)
    socket.pipe(socket)
    socket.on('error', () => {})
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  port = (server.address() as { port: number }).port
})
afterAll(() => {
  for (const socket of sockets) socket.destroy()
  server.close()
})

const ask = (vm: Vm, address: string, text: string) => vm.serial[0].write(`${address} ${port} ${text}\n`)

test('reaches what a rule names, by the gateway’s address too, and the result says so', async () => {
  const vm = await launch({ ...options, nic: `e1000,net=user,allow=127.0.0.1:${port}` })
  try {
    await ask(vm, '10.0.2.2', 'hello')
    await vm.serial[0].waitFor('heard hello')
    const long = randomBytes(50_000).toString('hex')
    await ask(vm, '127.0.0.1', long)
    await vm.serial[0].waitFor(`heard ${createHash('md5').update(long).digest('hex')}`)
    expect((await vm.driver.run([])).hostInput).toBe(true)
  } finally {
    await vm.close()
  }
})

test('reaches nothing else, and the log says what it wanted', async () => {
  const before = sockets.size
  const vm = await launch({ ...options, nic: 'e1000,net=user' })
  try {
    for (const address of ['10.0.2.2', '127.0.0.1', '192.168.77.1']) {
      await ask(vm, address, 'x')
      await vm.serial[0].waitFor('over: refused by the guest', { timeout: '200s' }).catch(() => {})
    }
    expect(sockets.size).toBe(before)
    const wanted = (await vm.network.requests()).map(({ what }) => what)
    expect(wanted).toEqual([`TCP 127.0.0.1 port ${port}`, `TCP 192.168.77.1 port ${port}`])
    expect((await vm.driver.run([])).hostInput).toBe(false)
  } finally {
    await vm.close()
  }
})

test('a port of the host’s leads to the guest', async () => {
  const vm = await launch({ ...options, nic: 'e1000,net=user,restrict=on,hostfwd=tcp::0-:7' })
  try {
    const [forwarded] = vm.network.forwarded
    expect(forwarded).toMatchObject({ address: '127.0.0.1', guestPort: 7 })
    const socket = connect(forwarded.port, '127.0.0.1')
    const sent = randomBytes(200_000)
    const heard: Buffer[] = []
    const all = new Promise<void>((resolve, reject) => {
      socket.on('data', (piece) => heard.push(piece))
      socket.on('end', resolve)
      socket.on('error', reject)
    })
    socket.end(sent)
    let isOver = false
    void all.then(() => {
      isOver = true
    })
    while (!isOver) await vm.wait('100ms')
    expect(Buffer.concat(heard).equals(sent)).toBe(true)
    const taken = launch({ ...options, nic: `e1000,net=user,hostfwd=tcp::${forwarded.port}-:7` })
    await expect(taken).rejects.toThrow(
      `port ${forwarded.port} of 127.0.0.1 is in use; name another one in hostfwd, or 0 for any`,
    )
  } finally {
    await vm.close()
  }
})

test('a guest finds a server of the host’s, or a program, at an address of its LAN', async () => {
  const rules = `guestfwd=tcp:10.0.2.100:${port}-tcp:127.0.0.1:${port},guestfwd=tcp:10.0.2.101:${port}-cmd:head -c 5 | tr a-z A-Z`
  const vm = await launch({ ...options, nic: `e1000,net=user,restrict=on,${rules}` })
  try {
    await ask(vm, '10.0.2.100', 'served')
    await vm.serial[0].waitFor('heard served')
    await ask(vm, '10.0.2.101', 'shout')
    await vm.serial[0].waitFor('heard SHOUT')
    expect((await vm.driver.run([])).hostInput).toBe(true)
  } finally {
    await vm.close()
  }
})

test('a recording has all that came from there, and is replayed where there is no network', async () => {
  const record = join(folder, 'out.recording')
  const config = await machineConfig({ ...options, nic: `e1000,net=user,allow=127.0.0.1:${port}` })
  const thread = await VmThread.start({ ...config, record }, { machineModule })
  const heard = { kind: 'serial', port: 0, pattern: toPattern(/heard recorded/) } as const
  const steps: Step[] = [
    { kind: 'serial-input', port: 0, text: `10.0.2.2 ${port} recorded\n` },
    { kind: 'until', condition: heard, timeoutNs: 30e9 },
    { kind: 'wait', ns: 1e9 },
  ]
  expect(await thread.run({ steps, hostTimeoutMs: 30_000 })).toMatchObject({ outcome: 'ok', hostInput: true })
  await thread.close()
  const before = sockets.size
  const replay = await Replay.open(record, createMachine)
  replay.runTo(Number.POSITIVE_INFINITY)
  // The last of them is of the whole machine, with the connection's end.
  expect(replay.verified).toBeGreaterThan(0)
  expect(sockets.size).toBe(before)
  replay.close()
})

test('a network of several machines has none', async () => {
  const lan = network()
  try {
    await expect(launch({ ...options, network: lan, nic: 'e1000,net=user' })).rejects.toThrow(
      'net=user leads out of it',
    )
  } finally {
    await lan.close()
  }
})
