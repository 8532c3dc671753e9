/** Connections between a guest and the world outside, from the guest's side frame by frame, and from outside event by event. */
import { expect, test } from 'vitest'
import { ipv4 } from '../../../../machine/network/lan/addresses.js'
import { MOST_RELAYS } from '../../../../machine/network/lan/relays.js'
import { ACK, FIN, PSH, RST, type Segment, SYN } from '../../../../machine/network/lan/tcp/tcp-segment.js'
import { isOutsideInput, STREAM_CREDIT } from '../../../../machine/network/outside.js'
import { Peer } from './peer.js'

const FAR = ipv4('192.0.2.1')
const wayOut = () => true
const only = (segments: Segment[]) => {
  expect(segments).toHaveLength(1)
  return segments[0]
}

/** A connection from outside that the guest has taken. */
function taken(peer: Peer, stream = 1) {
  peer.outside({ kind: 'dial', stream, port: 22 })
  const syn = only(peer.segments())
  const ends = { from: syn.to, to: syn.from }
  peer.tcp({ ...ends, sequence: 500, acknowledgment: syn.sequence + 1, flags: SYN | ACK, mss: 1460 })
  only(peer.segments())
  return { ...ends, next: syn.sequence + 1 }
}

test('a connection is opened to a guest, and bytes go both ways', () => {
  const peer = new Peer()
  peer.outside({ kind: 'dial', stream: 7, port: 22 })
  const syn = only(peer.segments())
  expect(syn).toMatchObject({ to: 22, from: 49152, flags: SYN, mss: 1460, sackPermitted: true })
  const ends = { from: 22, to: syn.from }
  peer.tcp({ ...ends, sequence: 500, acknowledgment: syn.sequence + 1, flags: SYN | ACK, mss: 1460 })
  expect(only(peer.segments())).toMatchObject({ flags: ACK, acknowledgment: 501, sequence: syn.sequence + 1 })
  peer.outside({ kind: 'stream-data', stream: 7, bytes: Buffer.from('hello') })
  const data = only(peer.segments())
  expect(Buffer.from(data.data).toString()).toBe('hello')
  const said = { ...ends, acknowledgment: data.sequence + 5 }
  peer.tcp({ ...said, sequence: 501, flags: ACK, data: Buffer.from('well ') })
  peer.tcp({ ...said, sequence: 506, flags: ACK | PSH, data: Buffer.from('met') })
  expect(peer.told).toEqual([
    { kind: 'opened', stream: 7 },
    { kind: 'taken', stream: 7, count: 5 },
    { kind: 'data', stream: 7, bytes: new Uint8Array(Buffer.from('well ')), isMore: true },
    { kind: 'data', stream: 7, bytes: new Uint8Array(Buffer.from('met')) },
  ])
  peer.segments()
  peer.outside({ kind: 'stream-ended', stream: 7 })
  const fin = only(peer.segments())
  expect(fin.flags).toBe(FIN | ACK)
  peer.tcp({ ...ends, sequence: 509, acknowledgment: fin.sequence + 1, flags: ACK | FIN })
  expect(peer.told.slice(4).map(({ kind }) => kind)).toEqual(['ended', 'closed'])
})

test('a port that is closed, and a guest that does not answer', () => {
  const peer = new Peer()
  peer.outside({ kind: 'dial', stream: 1, port: 81 })
  const syn = only(peer.segments())
  peer.tcp({ from: 81, to: syn.from, acknowledgment: syn.sequence + 1, flags: RST | ACK })
  expect(peer.told).toEqual([{ kind: 'closed', stream: 1, why: 'refused by the guest' }])
  peer.outside({ kind: 'dial', stream: 2, port: 82 })
  peer.clock.advance(200e9)
  expect(peer.segments().filter(({ flags }) => flags === SYN)).toHaveLength(6)
  expect(peer.told.at(-1)).toEqual({ kind: 'closed', stream: 2, why: 'the guest does not answer' })
})

test('one that is idle for an hour stays, and goes on in a copy of the machine until it is told that its world is gone', () => {
  const peer = new Peer()
  const { from, to, next } = taken(peer)
  peer.clock.advance(3600e9)
  expect(peer.segments()).toEqual([])
  const copy = peer.copy()
  copy.tcp({ from, to, sequence: 501, acknowledgment: next, flags: ACK, data: Buffer.from('still here') })
  expect(copy.told).toMatchObject([{ kind: 'data', stream: 1 }])
  copy.segments()
  copy.outside({ kind: 'outside-gone' })
  expect(only(copy.segments()).flags).toBe(RST | ACK)
  copy.tcp({ from, to, sequence: 511, acknowledgment: next, flags: ACK, data: Buffer.from('and now') })
  expect(only(copy.segments()).flags).toBe(RST)
})

test('what is not handed on closes the window, and opens it again', () => {
  const peer = new Peer()
  const { from, to, next } = taken(peer)
  let sequence = 501
  const send = (length: number) => {
    peer.tcp({ from, to, sequence, acknowledgment: next, flags: ACK, data: new Uint8Array(length) })
    sequence += length
    return peer.segments().at(-1)
  }
  for (let sent = 0; sent < 65535; ) {
    const length = Math.min(1460, 65535 - sent)
    sent += length
    expect(send(length)?.window).toBe(65535 - sent)
  }
  // Into the closed window: not taken.
  const answer = send(1000)
  expect(answer).toMatchObject({ window: 0, acknowledgment: 501 + 65535 })
  const got = peer.told.reduce((sum, event) => sum + (event.kind === 'data' ? event.bytes.length : 0), 0)
  expect(got).toBe(65535)
  peer.outside({ kind: 'stream-taken', stream: 1, count: 60000 })
  expect(only(peer.segments()).window).toBe(60000)
})

test('more from outside than there is room for is not kept', () => {
  const peer = new Peer()
  const { from, to, next } = taken(peer)
  for (let n = 0; n < 4; n++) peer.outside({ kind: 'stream-data', stream: 1, bytes: new Uint8Array(STREAM_CREDIT) })
  let acknowledgment = next
  let bytes = 0
  for (let rounds = 0; rounds < 300; rounds++) {
    for (const { data } of peer.segments()) {
      bytes += data.length
      acknowledgment += data.length
    }
    peer.tcp({ from, to, sequence: 501, acknowledgment, flags: ACK })
  }
  expect(bytes).toBe(STREAM_CREDIT)
  const told = peer.told.reduce((sum, event) => sum + (event.kind === 'taken' ? event.count : 0), 0)
  expect(told).toBe(STREAM_CREDIT)
})

test('a guest asks for somebody outside, who is there or not', () => {
  const peer = new Peer({ wayOut })
  peer.tcp({ to: 8080, sequence: 9, flags: SYN, mss: 1460 }, FAR)
  expect(peer.segments()).toEqual([])
  const [asked] = peer.told as Extract<Peer['told'][number], { kind: 'asked' }>[]
  expect(asked).toMatchObject({ kind: 'asked', address: '192.0.2.1', port: 8080 })
  const { stream } = asked
  // The guest asks again while it waits.
  peer.tcp({ to: 8080, sequence: 9, flags: SYN, mss: 1460 }, FAR)
  expect(peer.segments()).toEqual([])
  peer.outside({ kind: 'stream-answered', stream })
  const synAck = only(peer.segments())
  expect(synAck).toMatchObject({ flags: SYN | ACK, acknowledgment: 10 })
  peer.tcp({ to: 8080, sequence: 10, acknowledgment: synAck.sequence + 1, flags: ACK, data: Buffer.from('x') }, FAR)
  expect(peer.told.at(-1)).toMatchObject({ kind: 'data', stream })

  peer.segments()
  peer.tcp({ from: 40001, to: 8081, sequence: 9, flags: SYN }, FAR)
  const second = peer.told.at(-1) as typeof asked
  peer.outside({ kind: 'stream-gone', stream: second.stream, why: 'refused' })
  expect(only(peer.segments())).toMatchObject({ flags: RST | ACK, acknowledgment: 10 })
  expect(peer.told.at(-1)).toEqual({ kind: 'closed', stream: second.stream, why: 'refused' })
})

test('a guest that opens a thousand connections gets no more than there are', () => {
  const peer = new Peer({ wayOut })
  for (let n = 0; n < 1000; n++) peer.tcp({ from: 1000 + n, to: 80, sequence: n, flags: SYN }, FAR)
  expect(peer.told.filter(({ kind }) => kind === 'asked')).toHaveLength(MOST_RELAYS)
  expect(peer.segments().filter(({ flags }) => flags === (RST | ACK))).toHaveLength(1000 - MOST_RELAYS)
})

test('what may not pass is refused and noted; the gateway stands for the host itself', () => {
  const asked: string[] = []
  const peer = new Peer({
    wayOut(protocol, address, port) {
      asked.push(`${protocol} ${address.join('.')} ${port}`)
      return false
    },
  })
  peer.tcp({ to: 8080, flags: SYN }, FAR)
  peer.tcp({ to: 8080, flags: SYN })
  peer.udp({ from: 5000, to: 53, data: new Uint8Array(3) }, FAR)
  expect(asked).toEqual(['tcp 192.0.2.1 8080', 'tcp 127.0.0.1 8080', 'udp 192.0.2.1 53'])
  expect(peer.told).toEqual([])
  expect(peer.lan.log.list().map(({ protocol, what }) => `${protocol} ${what}`)).toEqual([
    'refused TCP 192.0.2.1 port 8080',
    'refused UDP 192.0.2.1 port 53',
  ])
})

test('datagrams go out and their answers come in', () => {
  const peer = new Peer({ wayOut })
  peer.udp({ from: 5000, to: 123, data: Buffer.from('when') }, FAR)
  const ends = { mac: '52:54:00:12:34:56', guest: '10.0.2.15', far: '192.0.2.1' }
  const ports = { guestPort: 5000, farPort: 123 }
  expect(peer.told).toEqual([{ kind: 'udp-out', ...ends, ...ports, bytes: new Uint8Array(Buffer.from('when')) }])
  peer.outside({ kind: 'udp-in', ...ends, ...ports, bytes: Buffer.from('now') })
  const [answer] = peer.answers()
  expect(answer).toMatchObject({ from: 123, to: 5000 })
  expect(Buffer.from(answer.data).toString()).toBe('now')
})

test('a server that is at an address of the LAN is there at its port alone, whatever else may go out', () => {
  const at = ipv4('10.0.2.100')
  const peer = new Peer({ guestForwards: [{ address: at, port: 80 }] })
  peer.tcp({ to: 80, flags: SYN, sequence: 7 }, at)
  expect(peer.told).toMatchObject([{ kind: 'asked', address: '10.0.2.100', port: 80 }])
  const [{ stream }] = peer.told as { stream: number }[]
  expect(peer.segments()).toEqual([])
  peer.outside({ kind: 'stream-answered', stream })
  expect(only(peer.segments())).toMatchObject({ flags: SYN | ACK, acknowledgment: 8 })
  peer.tcp({ to: 81, flags: SYN }, at)
  const [refusal] = peer.datagrams()
  expect([refusal.protocol, refusal.payload[0], refusal.payload[1]]).toEqual([1, 3, 3])
  expect(peer.told).toHaveLength(1)
})

test('a datagram comes to a guest that did not ask, and what it says to that port goes out, in a copy too', () => {
  const peer = new Peer()
  peer.outside({ kind: 'udp-forward', guestPort: 53, farPort: 40000, bytes: Buffer.from('who') })
  expect(peer.answers()).toMatchObject([{ from: 40000, to: 53 }])
  const answer = { from: 53, to: 40000, data: Buffer.from('me') }
  for (const one of [peer, peer.copy()]) {
    one.udp(answer)
    expect(one.told).toMatchObject([{ kind: 'udp-out', far: '10.0.2.2', guestPort: 53, farPort: 40000 }])
  }
  peer.udp({ ...answer, to: 40001 })
  peer.udp({ ...answer, from: 54 })
  expect(peer.told).toHaveLength(1)
})

test('what went wrong outside is input, and stands in the log', () => {
  const note = { kind: 'outside-note', guest: '10.0.2.15', what: 'ICMP 192.0.2.1', result: 'no answer came' } as const
  expect(isOutsideInput(note)).toBe(true)
  const peer = new Peer()
  peer.outside(note)
  expect(peer.lan.log.list()).toMatchObject([{ protocol: 'refused', what: 'ICMP 192.0.2.1', result: 'no answer came' }])
})
