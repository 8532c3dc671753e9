import { describe, expect, test } from 'vitest'
import type { State } from '../../../../../machine/device.js'
import type { LoopbackPort } from '../../../../../machine/network/port.js'
import { BROADCAST, checkSequence, frame, MAC } from '../card.js'
import { ipv4Sums, tcpFrame, udpFrame } from '../ip-frames.js'
import { deaf, MMIO, PciCard } from '../pci-bench.js'

const ROK = 0x0001
const TOK = 0x0004
const TER = 0x0008
const RXOVW = 0x0010
const LINK_CHANGE = 0x0020
const FOVW = 0x0040
const TDU = 0x0080
const TIME_OUT = 0x4000

const OWN = 0x8000_0000
const EOR = 0x4000_0000
const FS = 0x2000_0000
const LS = 0x1000_0000

const RING = 0x20000
const TX = 0x2000
const RX = 0x3000
const HIGH = 0x4000
const BUFFERS = 0x8000

class Driver extends PciCard {
  constructor(port: LoopbackPort = deaf(), options: { [option: string]: unknown } = {}) {
    super('rtl8139', port, 1, options)
  }

  get isr(): number {
    return this.in(0x3e, 2)
  }

  acknowledge(): void {
    this.out(0x3e, 0xffff, 2)
  }

  /** With a ring of 8 KiB; all interrupts, its own address and broadcasts. */
  start({ rcr = 0x0a, tcr = 0 } = {}): this {
    this.out(0x37, 0x10)
    this.out(0x30, RING, 4)
    this.out(0x37, 0x0c)
    this.out(0x44, rcr, 4)
    this.out(0x40, tcr, 4)
    this.out(0x3c, 0xffff, 2)
    return this
  }

  /** C+ mode, with rings at TX, HIGH and RX. */
  startPlus({ rcr = 0x0a, tcr = 0, command = 0x03, rx = RX, tx = TX } = {}): this {
    this.out(0x37, 0x10)
    this.out(0xe0, command, 2)
    this.out(0x20, tx, 4)
    this.out(0x24, 0, 4)
    this.out(0x28, HIGH, 4)
    this.out(0x2c, 0, 4)
    this.out(0xe4, rx, 4)
    this.out(0xe8, 0, 4)
    this.out(0x37, 0x0c)
    this.out(0x44, rcr, 4)
    this.out(0x40, tcr, 4)
    this.out(0x3c, 0xffff, 2)
    return this
  }

  send(n: number, bytes: Uint8Array): void {
    this.poke(BUFFERS + 0x800 * n, bytes)
    this.out(0x20 + 4 * n, BUFFERS + 0x800 * n, 4)
    this.out(0x10 + 4 * n, bytes.length, 4)
  }

  /** A C+ descriptor and, for one that sends, its bytes. */
  put(ring: number, i: number, command: number, bytes: Uint8Array | number, vlan = 0): number {
    const buffer = BUFFERS + (ring === RX ? 0x10000 : 0) + 0x1000 * i
    if (typeof bytes !== 'number') this.poke(buffer, bytes)
    const length = typeof bytes === 'number' ? bytes : bytes.length
    this.poke32(ring + 16 * i, command | length, vlan, buffer, 0)
    return buffer
  }

  poll(bits = 0x40, ns = 20e6): void {
    this.out(0xd9, bits)
    this.clock.advance(ns)
  }

  /** CAPR so that everything up to here has been read. */
  consume(to: number): void {
    this.out(0x38, to - 16, 2)
  }

  get frames(): number[][] {
    return this.port.sent.map((one) => [...one.frame])
  }
}

const eeprom = (card: PciCard, bits: number) => {
  card.out(0x50, 0x80 | bits)
  return card.in(0x50) & 1
}

describe('registers', () => {
  test('PCI numbers, address, chip; in memory as well', () => {
    const card = new Driver()
    expect([card.config(0), card.config(8)]).toEqual([0x8139_10ec, 0x0200_0020])
    expect(Array.from({ length: 6 }, (_, i) => card.in(i))).toEqual(MAC)
    expect([card.in(0x40, 4), card.readMmio(0, 4), card.readMmio(4, 2)]).toEqual([0x7480_0000, 0x1200_5452, 0x5634])
  })

  test('as an RTL8139C it has no C+ mode', () => {
    const card = new Driver(deaf(), { plus: 'off' })
    card.out(0xe0, 3, 2)
    expect([card.config(8) & 0xff, card.in(0x40, 4), card.in(0xe0, 2)]).toEqual([0x10, 0x7400_0000, 0])
  })

  test('parts of registers and several at once', () => {
    const card = new Driver()
    card.out(0x44, 0x0000_0f8a, 4)
    card.out(0x45, 0x06)
    expect(card.in(0x44, 4)).toBe(0x068a)
    card.out(0x3c, 0xffff, 2)
    expect(card.in(0x3c, 4)).toBe(0x0000_e1ff)
    expect(card.in(0x36, 2)).toBe(0x0100)
  })

  test('the EEPROM, bit by bit, and its words again and again', () => {
    const card = new Driver()
    const clock = (bit: number) => {
      eeprom(card, 8 | bit)
      return eeprom(card, 0x0c | bit)
    }
    const word = () => Array.from({ length: 16 }, () => clock(0)).reduce((all, bit) => (all << 1) | bit, 0)
    eeprom(card, 0)
    eeprom(card, 8)
    for (const bit of [2, 2, 0, 0, 0, 0, 2, 2, 2]) clock(bit)
    expect([word(), word(), word()]).toEqual([0x5452, 0x1200, 0x5634])
    // Erase and write, which want to be allowed first.
    const instruct = (...bits: number[]) => {
      eeprom(card, 0)
      eeprom(card, 8)
      for (const bit of bits) clock(2 * bit)
      eeprom(card, 0)
    }
    const read = (at: number) => {
      eeprom(card, 0)
      eeprom(card, 8)
      for (const bit of [1, 1, 0, ...[5, 4, 3, 2, 1, 0].map((i) => (at >> i) & 1)]) clock(2 * bit)
      return word()
    }
    instruct(1, 1, 1, 0, 0, 0, 1, 1, 1)
    expect(read(7)).toBe(0x5452)
    instruct(1, 0, 0, 1, 1, 0, 0, 0, 0)
    instruct(1, 1, 1, 0, 0, 0, 1, 1, 1)
    expect(read(7)).toBe(0xffff)
    instruct(1, 0, 1, 0, 0, 0, 1, 1, 1, ...Array.from({ length: 16 }, (_, i) => i & 1))
    expect(read(7)).toBe(0x5555)
    card.out(0x50, 0x40)
    expect(card.in(0, 2)).toBe(0x5555)
  })

  test('CONFIG1 and BMCR are closed until 9346CR opens them', () => {
    const card = new Driver()
    card.out(0x52, 0xff)
    card.out(0x62, 0, 2)
    expect([card.in(0x52), card.in(0x62, 2)]).toEqual([0x0c, 0x3100])
    card.out(0x50, 0xc0)
    card.out(0x52, 0xff)
    card.out(0x62, 0, 2)
    expect([card.in(0x52), card.in(0x62, 2), card.in(0x58) & 8]).toEqual([0xff, 0, 8])
  })

  test('the link: BMSR, MSR, CSCR, and an interrupt when it changes', () => {
    const card = new Driver().start()
    expect([card.in(0x64, 2) & 0x24, card.in(0x58) & 4, card.in(0x74, 2) & 0x0c00]).toEqual([0x24, 0, 0x400])
    card.port.link = false
    expect([card.isr, card.level]).toEqual([LINK_CHANGE, true])
    expect([card.in(0x64, 2) & 0x24, card.in(0x58) & 4, card.in(0x74, 2) & 0x0c00]).toEqual([0, 4, 0x800])
    card.acknowledge()
    expect([card.level, card.in(0x74, 2) & 0x0c00]).toEqual([false, 0])
  })

  test('the timer counts 33 MHz, and interrupts once at TimerInt; 0 is never', () => {
    const card = new Driver().start()
    card.out(0x48, 0, 4)
    card.clock.advance(1e6)
    expect(card.in(0x48, 4)).toBe(33000)
    card.out(0x54, 66000, 4)
    card.clock.advance(1e6 - 1000)
    expect(card.isr).toBe(0)
    card.clock.advance(2000)
    expect(card.isr).toBe(TIME_OUT)
    card.acknowledge()
    card.clock.advance(60e9)
    expect(card.isr).toBe(0)
    card.clock.advance(80e9)
    expect(card.isr).toBe(TIME_OUT)
    card.acknowledge()
    card.out(0x54, 0, 4)
    card.clock.advance(200e9)
    expect(card.isr).toBe(0)
  })
})

describe('four descriptors', () => {
  test('send in turn, each in its time', () => {
    const card = new Driver().start()
    const sent = [60, 100, 1514, 61, 62].map((length) => frame(BROADCAST, length))
    for (const n of [0, 1, 2, 3]) card.send(n, sent[n])
    expect(card.in(0x60, 2)).toBe(0)
    card.clock.advance(84 * 80 - 1)
    expect(card.port.sent.length).toBe(0)
    card.clock.advance(1)
    expect([card.port.sent[0].time, card.in(0x10, 4), card.in(0x60, 2), card.isr]).toEqual([
      84 * 80,
      0xa03c,
      0x1001,
      TOK,
    ])
    card.clock.advance(1e6)
    card.send(0, sent[4])
    card.clock.advance(1e6)
    expect(card.frames).toEqual(sent.map((one) => [...one]))
    expect([card.level, card.in(0x60, 2)]).toEqual([true, 0xf00f])
  })

  test('what is no frame is not sent, and its descriptor comes back', () => {
    const card = new Driver().start()
    for (const [n, length] of [0, 13, 0x1fff, 1519].entries()) {
      card.out(0x20 + 4 * n, BUFFERS, 4)
      card.out(0x10 + 4 * n, length, 4)
      card.clock.advance(1e6)
    }
    expect([card.port.sent, card.warnings.length, card.in(0x60, 2)]).toEqual([[], 4, 0xf00f])
  })

  test('the guest’s own check sequence', () => {
    const card = new Driver().start({ tcr: 0x10000 })
    const bare = frame(MAC)
    card.send(0, Uint8Array.of(...bare, ...checkSequence(bare)))
    card.send(1, Uint8Array.of(...bare, 1, 2, 3, 4))
    card.clock.advance(1e6)
    expect([card.frames, card.warnings.length]).toEqual([[[...bare]], 1])
  })

  test('loop-back: it comes back, and nothing gets out', () => {
    const card = new Driver().start({ tcr: 0x60000 })
    card.send(0, frame(MAC, 40))
    card.clock.advance(1e6)
    expect([card.isr, card.port.sent, card.peek(RING, 4)]).toEqual([ROK | TOK, [], [0x11, 0x40, 44, 0]])
  })
})

describe('the ring', () => {
  test('has a header before each frame and the check sequence behind it', () => {
    const card = new Driver().start()
    const came = frame(MAC, 99)
    card.arrive(came)
    expect([card.isr, card.level, card.in(0x3a, 2), card.in(0x37) & 1]).toEqual([ROK, true, 108, 0])
    expect(card.peek(RING, 107)).toEqual([0x01, 0x40, 103, 0, ...came, ...checkSequence(came)])
    card.consume(108)
    expect(card.in(0x37) & 1).toBe(1)
  })

  const group = [0x01, 0x00, 0x5e, 0x00, 0x00, 0x01]
  test.each([
    ['its own address', MAC, 0x02, 0x4001],
    ['its own address, not asked for', MAC, 0x08, undefined],
    ['another address', [2, 0, 0, 0, 0, 9], 0x0a, undefined],
    ['another address, promiscuous', [2, 0, 0, 0, 0, 9], 0x01, 0x0001],
    ['broadcast', BROADCAST, 0x08, 0x2001],
    ['a group whose bit is set', group, 0x04, 0x8001],
    ['a group whose bit is not set', [1, 0, 0x5e, 0, 0, 2], 0x04, undefined],
    ['a group, groups not asked for', group, 0x0a, undefined],
  ])('%s', (_what, to, rcr, header) => {
    const card = new Driver().start({ rcr })
    // 224.0.0.1 hashes to bit 31 of the 64 by Linux's own ether_crc(6, address) >> 26.
    card.out(0x08, 0x8000_0000, 4)
    card.arrive(frame(to))
    expect(card.isr & ROK).toBe(header === undefined ? 0 : ROK)
    if (header !== undefined) expect(card.peek(RING, 2)).toEqual([header & 0xff, header >> 8])
  })

  test.each([
    ['goes round the end', 0x0a],
    ['goes on past the end with WRAP', 0x8a],
  ])('%s', (_what, rcr) => {
    const card = new Driver().start({ rcr })
    const long = frame(MAC, 1514)
    for (let i = 0; i < 5; i++) {
      card.arrive(long)
      card.consume(card.in(0x3a, 2))
    }
    const at = card.in(0x3a, 2)
    expect(at).toBe(5 * 1524)
    card.poke(RING, new Uint8Array(32))
    card.arrive(long)
    const stored = [0x01, 0x40, 1518 & 0xff, 1518 >> 8, ...long, ...checkSequence(long)]
    const rest = 8192 - at
    if (rcr & 0x80) {
      expect(card.peek(RING + at, 1522)).toEqual(stored)
      expect(card.peek(RING, 4)).toEqual([0, 0, 0, 0])
    } else expect([...card.peek(RING + at, rest), ...card.peek(RING, 1522 - rest)]).toEqual(stored)
    expect(card.in(0x3a, 2)).toBe((at + 1524) % 8192)
  })

  test('is never filled: overflow, a missed frame, and nothing is overwritten', () => {
    const card = new Driver().start()
    for (let i = 0; i < 5; i++) card.arrive(frame(MAC, 1514))
    card.acknowledge()
    card.poke(RING, [9])
    card.arrive(frame(MAC, 1514))
    expect([card.isr, card.in(0x4c, 4), card.in(0x3a, 2), card.peek(RING, 1)]).toEqual([RXOVW | FOVW, 1, 5 * 1524, [9]])
    card.out(0x4c, 0, 4)
    expect(card.in(0x4c, 4)).toBe(0)
  })

  test('any CAPR, any ring size, at any address: it stays inside', () => {
    for (const capr of [0, 1, 7, 0x1ff0, 0x2000, 0x7fff, 0xffff])
      for (const size of [0, 1, 2, 3]) {
        const card = new Driver().start({ rcr: 0x0a | (size << 11) })
        card.out(0x38, capr, 2)
        for (let i = 0; i < 60; i++) card.arrive(frame(MAC, 1514))
        expect(card.in(0x3a, 2)).toBeLessThan(0x2000 << size)
        expect(card.peek(RING + (0x2000 << size) + 4, 8)).toEqual([0, 0, 0, 0, 0, 0, 0, 0])
      }
  })
})

describe('C+ mode', () => {
  test('sends from its ring, in several buffers, that of high priority first', () => {
    const card = new Driver().startPlus()
    const long = frame(BROADCAST, 1514)
    card.put(TX, 0, OWN | FS | LS, frame(MAC, 60))
    card.put(TX, 1, OWN | FS, long.slice(0, 14))
    card.put(TX, 2, OWN | LS | EOR, long.slice(14))
    card.poke(BUFFERS + 0x6000, frame(BROADCAST, 70))
    card.poke32(HIGH, OWN | FS | LS | EOR | 70, 0, BUFFERS + 0x6000, 0)
    card.poll(0xc0)
    expect(card.frames).toEqual([frame(BROADCAST, 70), frame(MAC, 60), long].map((one) => [...one]))
    expect([card.peek32(TX), card.peek32(TX + 16), card.peek32(TX + 32)]).toEqual([FS | LS, FS, (LS | EOR) >>> 0])
    expect([card.isr, card.in(0xd9), card.level]).toEqual([TOK | TDU, 0, true])
  })

  test('short frames are padded, and a tag is put in', () => {
    const card = new Driver().startPlus()
    card.put(TX, 0, OWN | FS | LS | EOR, frame(MAC, 20), 0x0002_3412)
    card.poll()
    const expected = [...frame(MAC, 12), 0x81, 0, 0x12, 0x34, ...frame(MAC, 20).slice(12)]
    expect(card.frames).toEqual([Array.from({ length: 60 }, (_, i) => expected[i] ?? 0)])
  })

  test.each([
    ['TCP', tcpFrame({ data: 301 }), 0x0005_0000],
    ['UDP', udpFrame({ data: 33 }), 0x0006_0000],
  ])('fills in the sums of %s', (_what, right, command) => {
    const card = new Driver().startPlus()
    const wrong = right.slice()
    for (const at of ipv4Sums(right)) wrong.set([0x12, 0x34], at)
    card.put(TX, 0, OWN | FS | LS | EOR | command, wrong)
    card.poll()
    expect(card.frames).toEqual([[...right]])
  })

  test('a large send leaves in segments, each whole', () => {
    const card = new Driver().startPlus()
    const whole = tcpFrame({ data: 3100, sequence: 0xffff_f000, flags: 0x19 })
    card.put(TX, 0, OWN | FS | LS | EOR | 0x0800_0000 | (1400 << 16), whole)
    card.poll()
    const options = { sequence: 0xffff_f000, from: 0 }
    expect(card.frames).toEqual([
      [...tcpFrame({ ...options, data: 1400, flags: 0x10 })],
      [...tcpFrame({ ...options, data: 1400, flags: 0x10, from: 1400, identification: 1 })],
      [...tcpFrame({ ...options, data: 300, flags: 0x19, from: 2800, identification: 2 })],
    ])
  })

  test('receives with what it found, over two buffers, and takes a tag out', () => {
    const card = new Driver().startPlus({ command: 0x63 })
    const came = tcpFrame({ data: 100 })
    came.set(MAC)
    const tagged = Uint8Array.of(...came.subarray(0, 12), 0x81, 0, 0x12, 0x34, ...came.subarray(12))
    card.put(RX, 0, OWN, 1536)
    card.put(RX, 1, OWN, 128)
    card.put(RX, 2, OWN | EOR, 128)
    card.arrive(tagged)
    const length = came.length + 4
    expect([card.peek32(RX), card.peek32(RX + 4)]).toEqual([FS | LS | 0x0201_0000 | length, 0x0001_3412])
    expect(card.peek(BUFFERS + 0x10000, came.length)).toEqual([...came])
    came[22] ^= 1
    came[60] ^= 1
    card.arrive(came)
    const status = 0x0201_0000 | 0xa000 | length
    expect([card.peek32(RX + 16), card.peek32(RX + 32)]).toEqual([FS | status, (LS | EOR | status) >>> 0])
    expect(card.isr).toBe(ROK)
    card.arrive(came)
    expect([card.isr, card.in(0x4c, 4)]).toEqual([ROK | RXOVW, 1])
  })

  test('counts, and dumps what it counted', () => {
    const card = new Driver().startPlus()
    card.put(RX, 0, OWN, 1536)
    card.put(RX, 1, OWN, 1536)
    card.arrive(frame(MAC))
    card.arrive(frame(BROADCAST))
    card.arrive(frame(MAC))
    card.put(TX, 0, OWN | FS | LS | EOR, frame(MAC))
    card.poll()
    card.out(0x14, 0, 4)
    card.out(0x10, 0x1008, 4)
    expect(card.in(0x10, 4)).toBe(0x1000)
    const dump = card.peek(0x1000, 64)
    expect([0, 8, 16, 24, 28, 40, 48, 56].map((at) => dump[at])).toEqual([1, 2, 0, 0, 1, 1, 1, 0])
  })
})

describe('what others’ cards got wrong', () => {
  test('a ring of descriptors that never end is left on time (CVE-2016-8910)', () => {
    const card = new Driver().startPlus()
    for (let i = 0; i < 64; i++) card.put(TX, i, OWN | FS, 0)
    card.out(0xd9, 0x40)
    card.clock.advance(1e6)
    expect(card.in(0xd9)).toBe(0)
    for (let i = 0; i < 64; i++) card.put(TX, i, OWN, 0xffff)
    card.poll(0x40, 400e6)
    expect([card.port.sent, card.in(0xd9)]).toEqual([[], 0])
  })

  test('lengths in headers are the guest’s word alone (CVE-2015-5165)', () => {
    const card = new Driver().startPlus()
    const lies: [at: number, bytes: number[]][] = [
      ...[
        [16, [0xff, 0xff]],
        [16, [0, 0]],
        [16, [0, 19]],
        [14, [0x4f]],
        [14, [0x41]],
        [46, [0xf0]],
        [46, [0x00]],
      ],
    ] as [number, number[]][]
    for (const [at, bytes] of lies)
      for (const command of [0x0005_0000, 0x0006_0000, 0x0800_0000 | (700 << 16), 0x0800_0000, 0x0801_0000]) {
        const lie = tcpFrame({ data: 20 })
        lie.set(bytes, at)
        card.startPlus()
        card.put(TX, 0, OWN | FS | LS | EOR | command, lie)
        card.poll()
        expect(card.peek32(TX)).toBe((FS | LS | EOR) >>> 0)
      }
    for (const { frame: sent } of card.port.sent) expect(sent.length).toBeLessThanOrEqual(74)
  })

  test('a large send that is none is an error', () => {
    const card = new Driver().startPlus()
    card.put(TX, 0, OWN | FS | LS | EOR | 0x0800_0000 | (1400 << 16), frame(MAC, 300))
    card.poll()
    expect([card.port.sent, card.isr & TER, card.warnings.length]).toEqual([[], TER, 1])
  })

  test('a truncated frame has no sums to look at', () => {
    const card = new Driver().startPlus({ command: 0x63, rcr: 0x1a })
    for (const length of [14, 15, 33, 34, 35, 53]) {
      card.startPlus({ command: 0x63, rcr: 0x1a })
      card.put(RX, 0, OWN | EOR, 1536)
      const short = tcpFrame({ data: 0 }).slice(0, length)
      short.set(MAC)
      card.arrive(short)
      expect(card.peek32(RX) & 0xe000).toBe(0)
    }
  })

  test('buffers of no length, and a ring of them', () => {
    const card = new Driver().startPlus()
    for (let i = 0; i < 64; i++) card.put(RX, i, OWN, 0)
    card.arrive(frame(MAC))
    expect([card.isr, card.peek32(RX)]).toEqual([RXOVW, OWN])
  })

  test('rings and buffers in the card’s own registers (CVE-2021-3416 and kin)', () => {
    const card = new Driver().startPlus({ rx: MMIO, tx: MMIO })
    card.arrive(frame(MAC))
    card.poll(0xc0)
    card.startPlus()
    card.poke32(TX, OWN | FS | LS | EOR | 60, 0, MMIO, 0)
    card.poke32(RX, OWN | EOR | 1536, 0, MMIO + 0x30, 0)
    card.arrive(frame(MAC))
    card.poll()
    card.out(0x10, (MMIO | 8) >>> 0, 4)
    card.start()
    card.out(0x30, MMIO, 4)
    card.arrive(frame(MAC, 1514))
    expect(card.warnings.some((what) => /its own registers/.test(what))).toBe(true)
    expect(card.in(0, 2)).toBe(0x5452)
  })

  test('any registers, any memory, any traffic: it comes to an end', () => {
    let seed = 815
    const random = (most: number) => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0
      return (seed >>> 8) % most
    }
    const card = new Driver().startPlus()
    for (let i = 0; i < 20_000; i++) {
      const what = random(16)
      const size = ([1, 2, 4] as const)[random(3)]
      if (what === 0) card.arrive(frame(random(2) ? MAC : BROADCAST, 14 + random(1600)))
      else if (what === 1) card.clock.advance(random(1e6))
      else if (what < 4) card.poke32([TX, RX, HIGH, RX][random(4)] + random(64) * 4, random(2 ** 24) << random(9))
      else if (what === 4) card.out(0xd9, random(256))
      else if (what === 5) card.out(0x37, random(8) ? 0x0c : random(256))
      else if (what < 12) card.out(random(256), random(2 ** 24) << random(9), size)
      else if (what === 12) card.writeMmio(random(256), random(65536), size)
      else card.in(random(256), size)
    }
    card.device.reset()
    expect(card.in(0x40, 4)).toBe(0x7480_0000)
  })
})

describe('save and load', () => {
  test('between the buffers of a frame, with an interrupt pending, a frame on its way in and the timer set', () => {
    const one = new Driver().startPlus()
    const sent = frame(BROADCAST, 900)
    one.put(TX, 0, OWN | FS, sent.slice(0, 400))
    one.put(TX, 1, OWN | LS | EOR, sent.slice(400))
    one.put(RX, 0, OWN, 1536)
    one.put(RX, 1, OWN | EOR, 1536)
    one.out(0x54, 33000, 4)
    one.arrive(frame(MAC))
    one.port.receive?.(frame(MAC, 99), 90_000)
    one.poll(0x40, 50_000)
    expect([one.peek32(TX), one.level]).toEqual([FS, true])
    const two = new Driver()
    two.clock.advance(50_000)
    two.load(one.save(), one)
    for (const card of [one, two]) {
      card.acknowledge()
      expect(card.level).toBe(false)
      card.clock.advance(10e6)
      expect(card.frames).toEqual([[...sent]])
      expect([card.isr, card.peek32(RX + 16) & 0x1fff]).toEqual([ROK | TOK | TDU | TIME_OUT, 103])
    }
    expect(two.save()).toEqual(one.save())
  })

  test.each([
    ['a frame of more than it holds', 'transmitter', { frame: new Uint8Array(0x20000) }],
    ['a ring index outside the ring', 'receiver', { index: 64 }],
    ['a descriptor that is not there', 'transmitter', { current: 4 }],
  ])('%s is refused', (_what, part, change) => {
    const card = new Driver()
    const saved = card.save()
    const device = saved.device as State
    device[part] = { ...(device[part] as State), ...change }
    expect(() => card.load(saved, card)).toThrow(/damaged/)
  })
})
