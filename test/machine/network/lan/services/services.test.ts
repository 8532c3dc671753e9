/** Ping, names, the time, what leads nowhere, and files by TFTP. */
import { decode, encode } from 'dns-packet'
import { expect, test } from 'vitest'
import { addressText, ipv4, ipv6 } from '../../../../../machine/network/lan/addresses.js'
import { checksumOf, sumWords } from '../../../../../machine/network/lan/checksum.js'
import { answerDns } from '../../../../../machine/network/lan/services/dns.js'
import { EPOCH, filesOf, ipFrame, LAN_MAC, MAC, Peer } from '../peer.js'

test('addresses as text', () => {
  expect(addressText(ipv4('10.0.2.2'))).toBe('10.0.2.2')
  for (const text of ['::', '::1', 'fec0::2', 'fe80::5054:ff:fe12:3456', '1:0:0:2::3', '1:2:3:4:5:6:7:8'])
    expect(addressText(ipv6(text))).toBe(text)
})

test('ARP tells where the LAN is, and nobody else', () => {
  const peer = new Peer()
  const asks = (target: string, sender = '10.0.2.15') => {
    const frame = new Uint8Array(60)
    frame.set([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, ...MAC, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, ...MAC])
    frame.set(ipv4(sender), 28)
    frame.set(ipv4(target), 38)
    peer.frame(frame)
    return peer.heard.splice(0)
  }
  const [answer] = asks('10.0.2.3')
  expect([...answer.subarray(0, 42)]).toEqual([
    ...[...MAC, ...LAN_MAC, 8, 6, 0, 1, 8, 0, 6, 4, 0, 2],
    ...[...LAN_MAC, 10, 0, 2, 3, ...MAC, 10, 0, 2, 15],
  ])
  expect(answer.length).toBe(60)
  expect(asks('10.0.2.77')).toEqual([])
  expect(asks('10.0.2.2', '10.0.2.2')).toEqual([])
})

function echo(size: number): Uint8Array {
  const payload = Uint8Array.from({ length: size }, (_, i) => (i < 8 ? [8, 0, 0, 0, 1, 2, 0, 1][i] : i & 0xff))
  const checksum = checksumOf(sumWords(payload))
  payload.set([checksum >>> 8, checksum & 0xff], 2)
  return payload
}

test('an echo comes back, in pieces too, and a damaged one does not', () => {
  const peer = new Peer()
  peer.ip(1, echo(64))
  const [back] = peer.datagrams()
  expect(back.payload[0]).toBe(0)
  expect([...back.payload.subarray(4)]).toEqual([...echo(64).subarray(4)])
  const whole = echo(3000)
  const pieces = [
    [0, 1480, 0x20],
    [1480, 2960, 0x20],
    [2960, 3000, 0],
  ].map(([from, to, more]) => {
    const frame = ipFrame(1, whole.subarray(from, to), ipv4('10.0.2.2'), ipv4('10.0.2.15'))
    frame[20] = more | (from >>> 11)
    frame[21] = (from >>> 3) & 0xff
    frame[24] = frame[25] = 0
    const checksum = checksumOf(sumWords(frame.subarray(14, 34)))
    frame.set([checksum >>> 8, checksum & 0xff], 24)
    return frame
  })
  for (const i of [2, 0, 1]) peer.frame(pieces[i])
  expect(peer.heard.length).toBe(3)
  const [large] = peer.datagrams()
  expect(large.payload.length).toBe(3000)
  // One that overlaps makes the datagram void.
  for (const i of [0, 0, 1, 2]) peer.frame(pieces[i])
  expect(peer.datagrams()).toEqual([])
  const broken = echo(64)
  broken[20] ^= 1
  peer.ip(1, broken)
  expect(peer.datagrams()).toEqual([])
})

const names = {
  addressOf: (name: string) => (name === 'client' ? ipv4('10.0.2.15') : undefined),
  nameOf: () => 'client',
}

function dns(name: string, type: 'A' | 'AAAA' | 'PTR' | 'MX') {
  const reply = answerDns(encode({ type: 'query', id: 7, flags: 256, questions: [{ name, type }] }), names)
  const packet = decode(Buffer.from(reply?.data ?? [])) as ReturnType<typeof decode> & { rcode: string }
  return { code: packet.rcode, answers: packet.answers?.map((answer) => ('data' in answer ? String(answer.data) : '')) }
}

test('names of services and machines, both ways; all others do not exist', () => {
  expect(dns('gateway.lan.internal', 'A')).toEqual({ code: 'NOERROR', answers: ['10.0.2.2'] })
  expect(dns('HTTP', 'AAAA')).toEqual({ code: 'NOERROR', answers: ['fec0::2'] })
  expect(dns('client.lan.internal', 'A')).toEqual({ code: 'NOERROR', answers: ['10.0.2.15'] })
  expect(dns('client.lan.internal', 'AAAA')).toEqual({ code: 'NOERROR', answers: [] })
  expect(dns('15.2.0.10.in-addr.arpa', 'PTR')).toEqual({ code: 'NOERROR', answers: ['client.lan.internal'] })
  expect(dns('3.2.0.10.in-addr.arpa', 'PTR').answers).toEqual(['dns.lan.internal'])
  expect(dns('www.debian.org', 'A')).toEqual({ code: 'NXDOMAIN', answers: [] })
  expect(dns('constructor', 'A').code).toBe('NXDOMAIN')
})

test('what is no question gets no answer', () => {
  expect(answerDns(new Uint8Array(600), names)).toBeUndefined()
  expect(answerDns(Uint8Array.of(1, 2, 3), names)).toBeUndefined()
  const two = encode({
    type: 'query',
    id: 1,
    questions: [
      { name: 'a', type: 'A' },
      { name: 'b', type: 'A' },
    ],
  })
  expect(answerDns(two, names)).toBeUndefined()
})

test('the time is the guest’s, and the question’s own stamp comes back', () => {
  const peer = new Peer()
  peer.clock.advance(2.5e9)
  const question = new Uint8Array(48)
  question[0] = (4 << 3) | 3
  question.set([1, 2, 3, 4, 5, 6, 7, 8], 40)
  peer.udp({ from: 123, to: 123, data: question })
  const [{ data }] = peer.answers()
  const view = new DataView(data.buffer, data.byteOffset)
  expect([data[0], data[1]]).toEqual([(4 << 3) | 4, 1])
  expect([...data.subarray(24, 32)]).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
  expect(view.getUint32(40) + view.getUint32(44) / 2 ** 32 - 2208988800 - EPOCH).toBeCloseTo(2.5, 3)
})

test('a closed port, and whatever is not of this LAN, is refused at once and noted once', () => {
  const peer = new Peer()
  peer.udp({ from: 9, to: 9, data: Uint8Array.of(1) })
  expect(peer.datagrams().map(({ payload }) => [...payload.subarray(0, 2)])).toEqual([[3, 3]])
  for (let i = 0; i < 3; i++) peer.udp({ from: 9, to: 53, data: Uint8Array.of(1) }, ipv4('192.0.2.1'))
  const [refused] = peer.datagrams()
  expect([...refused.payload.subarray(0, 2)]).toEqual([3, 13])
  expect(addressText(refused.source)).toBe('10.0.2.2')
  expect(peer.lan.log.list().map(({ protocol, what }) => `${protocol} ${what}`)).toEqual([
    'refused UDP 192.0.2.1 port 53',
  ])
  peer.udp({ from: 9, to: 9, data: Uint8Array.of(1) }, ipv4('10.0.2.2'), ipv4('224.0.0.1'))
  peer.udp({ from: 9, to: 9, data: Uint8Array.of(1) }, ipv4('10.0.2.2'), ipv4('10.0.2.3'))
  expect(peer.datagrams()).toEqual([])
})

// TFTP ---------------------------------------------------------------------------------------------------------------

const file = Uint8Array.from({ length: 3000 }, (_, i) => i & 0xff)
const tftp = { tftp: filesOf({ 'a/b': file, empty: new Uint8Array() }) }

function reads(peer: Peer, name: string, ...options: string[]) {
  const data = Buffer.concat([
    Uint8Array.of(0, 1),
    Buffer.from([name, 'octet', ...options].map((word) => `${word}\0`).join('')),
  ])
  peer.udp({ from: 2000, to: 69, data })
  return peer.answers()
}
const ack = (peer: Peer, to: number, block: number) => {
  peer.udp({ from: 2000, to, data: Uint8Array.of(0, 4, block >>> 8, block & 0xff) })
  return peer.answers()
}

test('a file in blocks, and its end', () => {
  const peer = new Peer(tftp)
  let answers = reads(peer, '/a\\b')
  const got: Uint8Array[] = []
  for (let block = 1; answers.length > 0; block++) {
    expect([...answers[0].data.subarray(0, 4)]).toEqual([0, 3, 0, block])
    got.push(answers[0].data.subarray(4))
    answers = ack(peer, answers[0].from, block)
  }
  expect(Buffer.concat(got).equals(file)).toBe(true)
  expect(peer.lan.log.list()).toMatchObject([{ what: 'read /a\\b', result: '3000 bytes' }])
})

test('options are agreed to, a window is sent at once, and what is lost is sent again', () => {
  const peer = new Peer(tftp)
  const [oack] = reads(peer, 'a/b', 'blksize', '65464', 'tsize', '0', 'windowsize', '3', 'timeout', '2', 'bogus', '1')
  expect(Buffer.from(oack.data.subarray(2)).toString()).toBe(
    'blksize\x001468\0tsize\x003000\0windowsize\x003\0timeout\x002\0',
  )
  const window = ack(peer, oack.from, 0)
  expect(window.map(({ data }) => data.length)).toEqual([1472, 1472, 68])
  // Only the first came.
  expect(ack(peer, oack.from, 1).map(({ data }) => data[3])).toEqual([2, 3])
  peer.clock.advance(2e9)
  expect(peer.answers().map(({ data }) => data[3])).toEqual([2, 3])
  const copy = peer.copy(tftp)
  expect(ack(copy, oack.from, 3)).toEqual([])
  expect(copy.lan.log.list()).toMatchObject([{ result: '3000 bytes' }])
  peer.clock.advance(60e9)
  expect(peer.lan.log.list()[0].result).toMatch(/^given up after 1468 of 3000 bytes/)
})

test('what is not there, outside, or to be written is refused', () => {
  const peer = new Peer(tftp)
  const code = (answers: { data: Uint8Array }[]) => [...answers[0].data.subarray(0, 4)]
  expect(code(reads(peer, 'nothing'))).toEqual([0, 5, 0, 1])
  expect(code(reads(peer, '../a/b'))).toEqual([0, 5, 0, 1])
  peer.udp({ from: 2000, to: 69, data: Buffer.from('\0\x02a/b\0octet\0') })
  expect(code(peer.answers())).toEqual([0, 5, 0, 2])
  peer.udp({ from: 2000, to: 69, data: Buffer.from('\0\x01a/b') })
  expect(code(peer.answers())).toEqual([0, 5, 0, 4])
  expect(reads(peer, 'empty')[0].data.length).toBe(4)
})
