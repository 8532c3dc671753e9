/** Debian's kernel with a way out: a file of a server of this test's, names by the host's resolver, and a port of the host's that leads in. */
import { createHash, randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { decode, encode } from 'dns-packet'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launch } from '../../harness/vm/launch.js'
import { serverGuest } from './server-guest.js'

const guest = serverGuest()
const file = randomBytes(10 << 20)
let server: Server
let port = 0
let asked = 0

beforeAll(async () => {
  server = createServer((_, response) => {
    asked++
    response.end(file)
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  port = (server.address() as AddressInfo).port
})
afterAll(() => {
  server.close()
})

test.skipIf(!guest)('10 MB come through a way out, and a port of the host’s leads to busybox’s server', async () => {
  const nic = `e1000,net=user,allow=127.0.0.1:${port},hostfwd=tcp::0-:80`
  const machine = { engine: 'soft', memory: 192, append: 'console=ttyS0 quiet', nic, timeout: '10m' } as const
  const vm = await launch({ ...machine, ...guest, hostTimeout: '20m' })
  try {
    await vm.serial[0].waitFor('servers are up')
    await vm.serial[0].write(`wget -q -O - http://10.0.2.2:${port}/file | sha256sum; echo all there\n`)
    await vm.serial[0].waitFor('\nall there')
    const sum = createHash('sha256').update(file).digest('hex')
    expect(vm.serial[0].text()).toContain(`${sum}  -`)
    expect(asked).toBe(1)

    const [{ port: forwarded }] = vm.network.forwarded
    let text: string | undefined
    void fetch(`http://127.0.0.1:${forwarded}/`).then(async (response) => {
      text = await response.text()
    })
    while (text === undefined) await vm.wait('100ms')
    expect(text).toBe('served by busybox\n')

    await vm.serial[0].write('wget -q -O - http://10.0.2.2:1/ || echo refused-$?; nslookup localhost; echo asked\n')
    await vm.serial[0].waitFor('\nasked')
    expect(vm.serial[0].text()).toContain('refused-1')
    const questions = (await vm.network.requests()).map(({ protocol, what }) => `${protocol} ${what}`)
    expect(questions).toContain('dns A localhost')
    expect((await vm.driver.run([])).hostInput).toBe(true)
  } finally {
    await vm.close()
  }
})

test.skipIf(!guest)('IPv6 and UDP to servers of the host’s, and a program at an address of the LAN', async () => {
  const six = createServer((_, response) => response.end(file.subarray(0, 1 << 20)))
  await new Promise<void>((done) => six.listen(0, '::1', done))
  const names = createSocket('udp4')
  names.on('message', (query, { port: to, address }) => {
    const { id, questions } = decode(query)
    const [question] = questions ?? []
    const answers = question.type === 'A' ? [{ ...question, type: 'A', ttl: 1, data: '192.0.2.77' } as const] : []
    names.send(encode({ type: 'response', id, questions, answers }), to, address)
  })
  await new Promise<void>((done) => names.bind(0, '127.0.0.1', done))
  const rules = 'allow=127.0.0.1,allow=::1,guestfwd=tcp:10.0.2.100:9-cmd:echo from a program'
  const machine = { engine: 'soft', memory: 192, append: 'console=ttyS0 quiet', timeout: '10m' } as const
  const vm = await launch({ ...machine, ...guest, nic: `e1000,net=user,${rules}`, hostTimeout: '20m' })
  const run = async (command: string, end: string) => {
    await vm.serial[0].write(`${command}; echo that was ${end}\n`)
    await vm.serial[0].waitFor(`\nthat was ${end}`)
  }
  try {
    await vm.serial[0].waitFor('servers are up')
    await vm.wait('3s')
    await run(`wget -q -O - 'http://[fec0::2]:${(six.address() as AddressInfo).port}/' | sha256sum`, 'IPv6')
    await run(`nslookup any.example 10.0.2.2:${names.address().port}`, 'UDP')
    await run('ping6 -c 2 fec0::2; nc 10.0.2.100 9 </dev/null; nc 10.0.2.100 10 </dev/null', 'the LAN')
    const text = vm.serial[0].text()
    expect(text).toContain(
      `${createHash('sha256')
        .update(file.subarray(0, 1 << 20))
        .digest('hex')}  -`,
    )
    expect(text).toContain('Address: 192.0.2.77')
    expect(text).toMatch(/2 packets transmitted, 2 packets received/)
    expect(text).toContain('\nfrom a program')
    expect(text).toContain("nc: can't connect to remote host (10.0.2.100): Connection refused")
  } finally {
    await vm.close()
    six.close()
    names.close()
  }
})
