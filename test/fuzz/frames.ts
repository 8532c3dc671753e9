/**
 * Frames that no sane guest sends: real ones of every protocol, and what becomes of them when they are cut, changed, put
 * together anew or torn into fragments.
 */
import { encode } from 'dns-packet'
import { ipv4, ipv6 } from '../../machine/network/lan/addresses.js'
import { checksumOf, sumWords, transportChecksum } from '../../machine/network/lan/checksum.js'
import { ICMP, ICMPV6, TCP, UDP } from '../../machine/network/lan/datagram.js'
import { writeSegment } from '../../machine/network/lan/tcp/tcp-segment.js'
import { writeUdp } from '../../machine/network/lan/udp.js'
import type { OutsideInput } from '../../machine/network/outside.js'
import { ipFrame, LAN_MAC, MAC } from '../machine/network/lan/peer.js'
import type { Random } from '../random.js'

export const GUEST = ipv4('10.0.2.15')
const PLACES = [
  '10.0.2.2',
  '10.0.2.3',
  '10.0.2.15',
  '10.0.2.255',
  '255.255.255.255',
  '224.0.0.1',
  '192.0.2.1',
  '0.0.0.0',
].map(ipv4)
const PLACES6 = ['fec0::2', 'fec0::3', 'fe80::2', 'ff02::1', 'ff02::2', '::', '2001:db8::1'].map(ipv6)

const text = (words: string) => Buffer.from(words, 'latin1')

function udpPayload(random: Random): { to: number; data: Uint8Array } {
  switch (random.below(5)) {
    case 0: {
      const data = new Uint8Array(300)
      data.set([1, 1, 6, 0, 1, 2, 3, 4])
      data.set([0x52, 0x54, 0, 0, 0, random.below(256)], 28)
      data.set([99, 130, 83, 99, 53, 1, random.below(9), 50, 4, 10, 0, 2, random.below(256), 93, 2, 0, 7, 255], 236)
      return { to: 67, data }
    }
    case 1: {
      const type = random.pick(['A', 'AAAA', 'PTR', 'TXT', 'OPT'] as const)
      const name = random.pick(['gateway', 'x.y', '2.2.0.10.in-addr.arpa', 'a'.repeat(60)])
      return {
        to: 53,
        data: encode({ type: 'query', id: random.below(65536), questions: [{ name, type: type as 'A' }] }),
      }
    }
    case 2: {
      const words = [
        '\0\x01big',
        'octet',
        'blksize',
        String(random.below(70000)),
        'windowsize',
        String(random.below(99)),
        'tsize',
        '0',
        '',
      ]
      return { to: 69, data: text(words.join('\0')) }
    }
    case 3:
      return { to: 1024 + random.below(8), data: Uint8Array.of(0, random.below(7), 0, random.below(80)) }
    default:
      return { to: 123, data: Uint8Array.from({ length: 48 }, (_, i) => (i === 0 ? 0x23 : random.below(256))) }
  }
}

/** Somewhere else, where there is a way out. */
const FAR = ipv4('192.0.2.1')

/** From outside: of streams that are there, and of others. */
export function fromOutside(random: Random): OutsideInput {
  const stream = random.pick([1, 2, 3, 2 ** 32 + 1, 2 ** 32 + 2, random.below(1000)])
  const ends = { mac: '52:54:00:12:34:56', guest: '10.0.2.15', far: '192.0.2.1' }
  switch (random.below(9)) {
    case 0:
      return { kind: 'dial', stream, port: random.pick([22, 80, 40000]) }
    case 1:
    case 2:
      return { kind: 'stream-answered', stream }
    case 3:
    case 4:
      return { kind: 'stream-data', stream, bytes: new Uint8Array(random.below(random.pick([10, 3000, 200_000]))) }
    case 5:
      return { kind: 'stream-taken', stream, count: random.below(100_000) }
    case 6:
      return random.chance(2) ? { kind: 'stream-ended', stream } : { kind: 'stream-gone', stream, why: 'so' }
    case 7:
      return random.chance(9) ? { kind: 'outside-gone' } : { kind: 'echo-in', ...ends, bytes: new Uint8Array(12) }
    default:
      return { kind: 'udp-in', ...ends, guestPort: 5, farPort: 6, bytes: new Uint8Array(random.below(3000)) }
  }
}

/** Of the guest's, to there, and its answers to those who came from outside. */
export function farSegment(random: Random, heard: number): Uint8Array {
  const isAnswer = random.chance(2)
  const place = isAnswer ? PLACES[0] : FAR
  const numbers = [0, 1, 2, heard, heard + 1, random.u32()]
  const payload = writeSegment(
    {
      from: isAnswer ? random.pick([22, 80, 40000]) : 41000 + random.below(3),
      to: isAnswer ? 49152 + random.below(4) : 80,
      sequence: random.pick(numbers) >>> 0,
      acknowledgment: random.pick(numbers) >>> 0,
      flags: random.pick([2, 18, 16, 24, 17, 4, random.below(64)]),
      window: random.pick([0, 100, 65535]),
      data: new Uint8Array(random.below(1400)),
    },
    GUEST,
    place,
  )
  return ipFrame(TCP, payload, place, GUEST)
}

function tcpPayload(random: Random, heard: number): Uint8Array {
  const numbers = [0, 1, 1001, heard, heard + 1, heard + 1460, heard - 1, random.u32()]
  return writeSegment(
    {
      from: random.pick([40000, 40001, random.below(65536)]),
      to: random.pick([80, 80, 80, 81, 0]),
      sequence: random.pick(numbers) >>> 0,
      acknowledgment: random.pick(numbers) >>> 0,
      flags: random.pick([2, 16, 16, 24, 24, 17, 4, 20, random.below(64)]),
      window: random.pick([0, 1, 100, 65535, random.below(65536)]),
      data: random.pick([
        new Uint8Array(),
        text('GET /big HTTP/1.1\r\n\r\n'),
        text('POST /ask HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n'),
        text(`GET /${'x'.repeat(random.below(1200))}`),
        new Uint8Array(random.below(1400)),
      ]),
      ...(random.chance(2) && {
        mss: random.pick([0, 1, 536, 1460, 65535]),
        windowScale: random.below(20),
        sackPermitted: true,
      }),
      ...(random.chance(4) && { sack: [[random.pick(numbers) >>> 0, random.pick(numbers) >>> 0] as const] }),
    },
    GUEST,
    PLACES[0],
  )
}

function ip6Frame(random: Random): Uint8Array {
  const [source, destination] = [random.pick(PLACES6), random.pick(PLACES6)]
  const payload = new Uint8Array(8 + random.below(80))
  payload.set([random.pick([128, 133, 135, 136, 1, 44, 60]), 0])
  if (payload.length >= 24) payload.set(random.pick(PLACES6), 8)
  const checksum = transportChecksum(source, destination, ICMPV6, payload)
  payload.set([checksum >>> 8, checksum & 0xff], 2)
  const next = random.pick([ICMPV6, ICMPV6, ICMPV6, 0, 44, 43, 60, UDP, TCP])
  return Uint8Array.from([
    ...[...LAN_MAC, ...MAC, 0x86, 0xdd, 0x60, 0, 0, 0, payload.length >>> 8, payload.length & 0xff, next],
    ...[random.pick([255, 64, 0]), ...source, ...destination, ...payload],
  ])
}

export function echo(random: Random): Uint8Array {
  const payload = new Uint8Array(8 + random.below(1400))
  payload[0] = random.pick([8, 0, 3, 13])
  const checksum = checksumOf(sumWords(payload))
  payload.set([checksum >>> 8, checksum & 0xff], 2)
  return payload
}

export function whole(random: Random, heard: number): Uint8Array {
  const [to, from] = [
    random.chance(3) ? random.pick(PLACES) : PLACES[0],
    random.chance(6) ? random.pick(PLACES) : GUEST,
  ]
  switch (random.below(6)) {
    case 0: {
      const { to: port, data } = udpPayload(random)
      const place = port === 53 ? PLACES[1] : to
      const path = { mac: LAN_MAC, source: from, destination: place }
      return ipFrame(UDP, writeUdp(path, { from: random.pick([68, 2000, 2001]), to: port, data }).payload, place, from)
    }
    case 1:
    case 2:
      return ipFrame(TCP, tcpPayload(random, heard), PLACES[0], GUEST)
    case 3:
      return ip6Frame(random)
    case 4: {
      const frame = ipFrame(random.pick([ICMP, ICMP, 2, 47]), echo(random), to, from)
      if (random.chance(2)) return fragment(frame, random)
      return frame
    }
    default: {
      const packet = [0, 1, 8, 0, 6, 4, 0, random.below(4), ...MAC, ...from, 0, 0, 0, 0, 0, 0, ...to]
      return Uint8Array.from([...LAN_MAC, ...MAC, 8, 6, ...packet, ...new Uint8Array(18)])
    }
  }
}

export function fragment(frame: Uint8Array, random: Random): Uint8Array {
  frame[19] = random.below(4)
  frame[20] = random.pick([0x20, 0, 0x3f])
  frame[21] = random.below(256)
  frame.set([0, 0], 24)
  const checksum = checksumOf(sumWords(frame.subarray(14, 34)))
  frame.set([checksum >>> 8, checksum & 0xff], 24)
  return frame
}

/** As it is, cut, with bytes changed, or nothing but noise. */
export function spoilt(frame: Uint8Array, random: Random): Uint8Array {
  switch (random.below(5)) {
    case 0:
      return frame.slice(0, 14 + random.below(Math.max(1, frame.length - 14)))
    case 1: {
      const changed = frame.slice()
      for (let n = 1 + random.below(4); n > 0; n--) changed[random.below(changed.length)] = random.below(256)
      return changed
    }
    case 2:
      return random.chance(4) ? Uint8Array.from({ length: 14 + random.below(1500) }, () => random.below(256)) : frame
    default:
      return frame
  }
}

/** Those before a failure, as a person can read them. */
export function lastOf(frames: readonly Uint8Array[]): string {
  return frames
    .slice(-20)
    .map((frame) => Buffer.from(frame).toString('hex'))
    .join('\n')
}
