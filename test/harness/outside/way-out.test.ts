/** A guest's way out: where it may go, and that nothing else is ever dialled. No test sends to an address but 127.0.0.1 and ::1. */

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { decode, encode } from 'dns-packet'
import { describe, expect, test } from 'vitest'
import { type UserNetConfig, wayOut } from '../../../harness/config/way-out.js'
import { HOST } from '../../../harness/outside/dialer.js'
import { WayOut } from '../../../harness/outside/way-out.js'
import { Noted, outside } from './noted-dialer.js'

const may = (address: string, port = 80, ...nets: UserNetConfig[]) =>
  wayOut(nets.length > 0 ? nets : [{}])?.('tcp', address, port)

describe('where a guest may go', () => {
  test.each([
    ...[
      '127.0.0.1',
      '127.255.0.9',
      '0.0.0.0',
      '10.1.2.3',
      '172.16.0.1',
      '172.31.255.255',
      '192.168.0.1',
      '169.254.169.254',
    ],
    ...['100.64.0.1', '192.0.2.1', '198.18.0.1', '224.0.0.1', '255.255.255.255'],
    ...['::', '::1', 'fe80::1', 'fc00::1', 'fd12::1', 'fec0::1', 'ff02::1', '2001:db8::1'],
    // These stand for addresses of IPv4.
    ...['::ffff:127.0.0.1', '::ffff:7f00:1', '::127.0.0.1', '64:ff9b::7f00:1', '2002:7f00:1::', '2001:0:1::'],
    ...['nothing', '127.1', ''],
  ])('not to %s', (address) => {
    expect(may(address)).toBe(false)
  })

  test.each(['8.8.8.8', '9.255.255.255', '11.0.0.0', '172.15.255.255', '172.32.0.0', '2600::1', '2a00:1450::1'])(
    'to %s',
    (address) => {
      expect(may(address)).toBe(true)
    },
  )

  test('not to the host itself at whatever address, unless a rule names it', () => {
    expect(may('8.8.8.8', 80, { host: ['8.8.8.8'] })).toBe(false)
    expect(may('8.8.8.8', 80, { host: ['8.8.8.8'], allow: [{ address: '8.8.8.8' }] })).toBe(true)
  })

  test('to what a rule names, and no further', () => {
    const net = {
      allow: [
        { address: '127.0.0.1', port: 8080 },
        { address: '192.168.1.0', prefix: 24 },
      ],
    }
    expect(may('127.0.0.1', 8080, net)).toBe(true)
    expect(may('127.0.0.1', 8081, net)).toBe(false)
    expect(may('192.168.1.77', 1, net)).toBe(true)
    expect(may('192.168.2.1', 1, net)).toBe(false)
    expect(may('::1', 8080, { allow: [{ address: '::1' }] })).toBe(true)
  })

  test('nowhere where it is restricted', () => {
    expect(wayOut([{ restrict: true }])).toBeUndefined()
  })
})

const ends = { mac: '52:54:00:12:34:56', guest: '10.0.2.15' }

test('nothing that is refused is dialled, whatever the machine says', async () => {
  const dialer = new Noted()
  const { way, said } = outside(dialer)
  const refused = ['127.0.0.1', '10.0.2.2', 'fec0::2', '192.168.0.1', '::1', 'fe80::1']
  for (const [stream, address] of refused.entries()) {
    way.hear({ kind: 'asked', stream, address, port: 22 })
    way.hear({ kind: 'udp-out', ...ends, far: address, guestPort: 1, farPort: 22, bytes: new Uint8Array(1) })
    way.hear({ kind: 'echo-out', ...ends, far: address, bytes: new Uint8Array(12) })
  }
  expect(said).toEqual(refused.map((_, stream) => ({ kind: 'stream-gone', stream, why: 'it is not allowed' })))
  expect(dialer.dialled).toEqual([])
  way.close()
})

test('what is allowed is dialled, and an echo that nobody answers is told', async () => {
  const dialer = new Noted()
  const { way, said } = outside(dialer)
  way.hear({ kind: 'asked', stream: 1, address: '8.8.4.4', port: 443 })
  way.hear({ kind: 'echo-out', ...ends, far: '8.8.4.4', bytes: new Uint8Array(12) })
  await new Promise((resolve) => setImmediate(resolve))
  expect(dialer.dialled).toEqual(['8.8.4.4 443', 'echo 8.8.4.4'])
  expect(said).toEqual([{ kind: 'outside-note', guest: '10.0.2.15', what: 'ICMP 8.8.4.4', result: 'no answer came' }])
  way.close()
})

describe('names', () => {
  const ask = async (
    name: string,
    type: 'A' | 'AAAA' | 'TXT',
    names: { [name: string]: string[] },
    net?: UserNetConfig,
  ) => {
    const { way, said } = outside(new Noted(names), net)
    const bytes = new Uint8Array(encode({ type: 'query', id: 7, questions: [{ type, name }] }))
    way.hear({ kind: 'udp-out', ...ends, far: '10.0.2.3', guestPort: 1024, farPort: 53, bytes })
    await new Promise((resolve) => setImmediate(resolve))
    expect(said).toMatchObject([{ kind: 'udp-in', ...ends, far: '10.0.2.3', guestPort: 1024, farPort: 53 }])
    return decode(Buffer.from((said[0] as { bytes: Uint8Array }).bytes))
  }

  test('are the host’s to resolve', async () => {
    const answer = await ask('far.example', 'A', { 'far.example': ['8.8.8.8', '9.9.9.9'] })
    expect(answer.id).toBe(7)
    expect(answer.answers).toMatchObject([{ data: '8.8.8.8' }, { data: '9.9.9.9' }])
    expect((await ask('far.example', 'TXT', {})).answers).toMatchObject([{ type: 'TXT' }])
    expect(await ask('none.example', 'A', {})).toMatchObject({ rcode: 'NXDOMAIN' })
  })

  test('that lead to where nobody may go lead nowhere (rebinding)', async () => {
    const names = { 'near.example': ['127.0.0.1', '10.0.0.7'] }
    expect((await ask('near.example', 'A', names)).answers).toEqual([])
    const allow = [{ address: '127.0.0.1', port: 8080 }]
    expect((await ask('near.example', 'A', names, { allow })).answers).toMatchObject([{ data: '127.0.0.1' }])
  })

  test('with more addresses than an answer has room for', async () => {
    const many = Array.from({ length: 200 }, (_, i) => `8.8.${i}.8`)
    const { answers = [] } = await ask('many.example', 'A', { 'many.example': many })
    expect(answers.length).toBeGreaterThan(10)
  })
})

test('datagrams that come to a forwarded port are the guest’s, and what it says goes to whom it was said to', async () => {
  const forwards = [{ protocol: 'udp', address: '127.0.0.1', port: 0, guestPort: 53 } as const]
  const { way, said } = outside(HOST, { restrict: true, forwards })
  await way.open()
  const [one, other] = [createSocket('udp4'), createSocket('udp4')]
  const taken = new WayOut([{ forwards: way.forwarded }], { say() {}, datagramSeen() {} })
  try {
    for (const [i, socket] of [one, other].entries()) {
      socket.send(`from ${i}`, way.forwarded[0].port, '127.0.0.1')
      while (said.length <= i) await new Promise((resolve) => setTimeout(resolve, 1))
    }
    const events = said as { kind: string; farPort: number; bytes: Uint8Array }[]
    expect(events).toMatchObject([0, 1].map(() => ({ kind: 'udp-forward', guestPort: 53 })))
    expect(events.map(({ bytes }) => Buffer.from(bytes).toString())).toEqual(['from 0', 'from 1'])
    const heard = Promise.all([one, other].map(async (socket) => String((await once(socket, 'message'))[0])))
    for (const [i, { farPort }] of events.entries()) {
      const bytes = Buffer.from(`to ${i}`)
      way.hear({ kind: 'udp-out', ...ends, far: '10.0.2.2', guestPort: 53, farPort, bytes })
    }
    expect(await heard).toEqual(['to 0', 'to 1'])
    await expect(taken.open()).rejects.toThrow(/^port \d+ of 127\.0\.0\.1 is in use/)
  } finally {
    taken.close()
    way.close()
    one.close()
    other.close()
  }
})
