/**
 * A program in Debian's kernel knocks at everything (`programs/knock.c`): from the hermetic LAN and through a way out. Of the
 * host's own listeners nobody hears anything, and of all others the dialer notes that it was asked and dials nobody.
 */
import { spawnSync } from 'node:child_process'
import type { Socket as DatagramSocket } from 'node:dgram'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { wayOut } from '../../harness/config/way-out.js'
import { type Dialer, HOST } from '../../harness/outside/dialer.js'
import { WayOut } from '../../harness/outside/way-out.js'
import { addressText } from '../../machine/network/lan/addresses.js'
import type { OutsideEvent, OutsideInput } from '../../machine/network/outside.js'
import { haveCompiler } from '../compiled-kernel.js'
import { Noted } from '../harness/outside/noted-dialer.js'
import { bootLinux, haveLinux, linuxBits } from './linux-modules.js'

const folder = mkdtempSync(join(tmpdir(), 'bootwright-hostile-'))
const PUBLIC = ['8.8.8.8', '2606:4700:4700::1111']
/** One of the host's own that no list of special addresses has. */
const OWN_PUBLIC = '9.9.9.10'

/** At all of the host's addresses, but those that are of one link. */
const here = ['127.0.0.1', '::1', ...HOST.ownAddresses().filter((one) => !/^(127\.|::1$|fe80:)/.test(one))]
const arrivals: string[] = []
const servers: Server[] = []
const sockets: DatagramSocket[] = []
let port = 0

beforeAll(async () => {
  for (const address of here) {
    const server = createServer((socket) => {
      arrivals.push(`tcp ${socket.localAddress}`)
      socket.destroy()
    })
    await new Promise<void>((done) => server.listen(port, address, done))
    port = (server.address() as { port: number }).port
    const socket = HOST.datagrams(address.includes(':') ? 6 : 4)
    socket.on('message', () => arrivals.push(`udp ${address}`))
    await new Promise<void>((done) => socket.bind(port, address, done))
    servers.push(server)
    sockets.push(socket)
  }
})
afterAll(() => {
  for (const server of servers) server.close()
  for (const socket of sockets) socket.close()
  rmSync(folder, { recursive: true })
})

/** What names lead to, as a hostile name server has it. */
const NAMES: { readonly [name: string]: string[] } = {
  'loopback.example': ['127.0.0.1', '::1'],
  'metadata.example': ['169.254.169.254', 'fd00:ec2::254'],
  'private.example': ['10.0.0.1', '192.168.0.1', 'fd00::1', 'fe80::1'],
  'own.example': here,
  'both.example': ['8.8.8.8', '127.0.0.1', '2606:4700:4700::1111', '::1'],
  'mapped.example': ['::ffff:127.0.0.1', '::127.0.0.1', '64:ff9b::7f00:1', '2002:7f00:1::1'],
  localhost: ['127.0.0.1', '::1'],
}

/** Dials the listeners above and nobody else. */
class Watched extends Noted implements Dialer {
  override connect(address: string, to: number): Socket {
    const isHere = here.includes(address) && to === port
    const socket = isHere ? HOST.connect(address, to) : super.connect(address, to)
    if (isHere) this.dialled.push(`${address} ${to}`)
    else setImmediate(() => socket.destroy(Object.assign(new Error('no'), { code: 'ECONNREFUSED' })))
    return socket
  }

  override datagrams(family?: 4 | 6): never {
    const socket = HOST.datagrams(family ?? 4)
    const send = socket.send.bind(socket) as (bytes: Uint8Array, to: number, address: string) => void
    const noted = (bytes: Uint8Array, to: number, address: string) => {
      this.dialled.push(`udp ${address} ${to}`)
      if (here.includes(address) && to === port) send(bytes, to, address)
    }
    return Object.assign(socket, { send: noted }) as never
  }

  override async addresses(name: string, family?: 4 | 6): Promise<string[]> {
    const found = NAMES[name]
    if (!found) throw Object.assign(new Error('no'), { code: 'ENOTFOUND' })
    return found.filter((one) => one.includes(':') === (family === 6))
  }
}

const LEASE = [
  'printf \'#!/bin/sh\\n[ "$1" = bound ] && ifconfig $interface $ip netmask $subnet && route add default gw $router\\n\' > /lease',
  'chmod +x /lease; insmod /e1000.ko; ifconfig lo 127.0.0.1; ifconfig eth0 up; udhcpc -i eth0 -s /lease -q -n -t 20',
  // The router's advertisement, and the address that is made of it.
  'for n in 1 2 3 4 5 6 7 8 9; do ip -6 route | grep -q default && break; sleep 1; done; sleep 2; ip -6 addr show eth0',
]

/** The knocks of a machine whose card is plugged into such a net. */
async function knock(net: 'lan' | 'user') {
  const program = join(folder, 'knock')
  const source = new URL('programs/knock.c', import.meta.url).pathname
  const { status, stderr } = spawnSync('gcc', [`-m${linuxBits()}`, '-O1', '-static', '-o', program, source])
  if (status !== 0) throw new Error(String(stderr))
  arrivals.length = 0
  const nets = net === 'user' ? [{ host: [...HOST.ownAddresses(), OWN_PUBLIC] }] : []
  const mayReach = wayOut(nets)
  const dialer = new Watched()
  const told: OutsideEvent[] = []
  const said: OutsideInput[] = []
  const way = new WayOut(nets, { say: (event) => said.push(event), datagramSeen() {} }, dialer)
  const [own4, own6] = [here.find((one) => /^(?!127\.)[\d.]+$/.test(one)), here.find((one) => /^(?!::1$).*:/.test(one))]
  const { machine, serial } = bootLinux(
    ['e1000'],
    [...LEASE, `/knock ${port} ${own4 ?? OWN_PUBLIC} ${own6 ?? '::1'}`, 'wget -q -O - http://10.0.2.2/alive'].join(
      '\n',
    ),
    {
      nics: [{ type: 'e1000', id: 'net0', mac: '52:54:00:12:34:56', net }],
      network: {
        http: { '/alive': { kind: 'bytes', body: Buffer.from('the LAN is alive\n') } },
        ...(mayReach && { wayOut: (protocol, address, to) => mayReach(protocol, addressText(address), to) }),
      },
      onOutside: (event) => told.push(event),
    },
    'quiet',
    [{ path: 'knock', data: readFileSync(program), executable: true }],
  )
  let events = 0
  try {
    for (const end = machine.now() + 1000e9; !serial().includes('all done'); ) {
      const exit = machine.run(machine.now() + 20e6)
      if (exit || machine.now() > end) throw new Error(`${exit?.reason ?? 'no end'}\n${serial()}`)
      events += told.length
      for (const event of told.splice(0)) way.hear(event)
      await new Promise((resolve) => setImmediate(resolve))
      for (const event of said.splice(0)) machine.input(event)
    }
    // What is still on its way.
    await new Promise((resolve) => setTimeout(resolve, 500))
    return { text: serial(), dialled: new Set(dialer.dialled), events, requests: machine.requests() }
  } finally {
    if (process.env.BOOTWRIGHT_SHOW) console.log(serial(), [...new Set(dialer.dialled)], arrivals)
    way.close()
    machine.close()
  }
}

const sent = (text: string) =>
  Object.fromEntries([...text.matchAll(/(\w+): sent (\d+)/g)].map(([, way, n]) => [way, +n]))
const isHere = haveLinux && haveCompiler

test.skipIf(!isHere)('nothing leaves the hermetic LAN', async () => {
  const { text, dialled, events, requests } = await knock('lan')
  expect([arrivals, [...dialled], events]).toEqual([[], [], 0])
  expect(text).toMatch(/inet6 fec0::5054:ff:fe12:3456/)
  expect(text).not.toContain('reached')
  expect(text).toContain('the LAN is alive')
  expect(sent(text).frames).toBeGreaterThan(5000)
  expect(requests.some(({ protocol, what }) => protocol === 'refused' && what.includes('169.254.169.254'))).toBe(true)
})

test.skipIf(!isHere)('through a way out public addresses are dialled, and no other', async () => {
  const { text, dialled } = await knock('user')
  expect(arrivals).toEqual([])
  expect(dialled).toEqual(new Set(PUBLIC.flatMap((address) => [`${address} ${port}`, `udp ${address} ${port}`])))
  expect(text).not.toContain('reached')
  expect(text).toContain('both.example is 8.8.8.8')
  // Of the names' other addresses none is told.
  expect([...text.matchAll(/ is ([\da-f:.]+)$/gm)].map(([, address]) => address).sort()).toEqual([...PUBLIC].sort())
  expect(text).toContain('the LAN is alive')
  expect(sent(text).frames).toBeGreaterThan(5000)
})
