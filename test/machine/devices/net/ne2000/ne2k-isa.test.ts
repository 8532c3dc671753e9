import { describe, expect, test } from 'vitest'
import type { State } from '../../../../../machine/device.js'
import { parseDevice } from '../../../../../machine/devices/catalogue.js'
import { LoopbackPort } from '../../../../../machine/network/port.js'
import { loadState, saveState } from '../../../../../machine/state/state-table.js'
import { BROADCAST, Card, checkSequence, frame, MAC, START, STOP } from '../card.js'

const PRX = 0x01
const PTX = 0x02
const OVW = 0x10
const CNT = 0x20
const RDC = 0x40
const RST = 0x80
/** A port that gives nothing back. */
const deaf = () => new LoopbackPort(() => undefined)

describe('the card', () => {
  test('is reset by a read of its reset port, and says so until it is started', () => {
    const card = new Card().start()
    expect([card.isr & RST, card.in(0)]).toEqual([0, 0x22])
    card.in(0x1f)
    expect([card.isr, card.in(0), card.level]).toEqual([RST, 0x21, false])
    card.out(7, 0xff)
    expect(card.isr).toBe(RST)
    card.start()
    expect(card.isr).toBe(0)
  })

  test('has its address in the PROM, each byte twice, and WW at the end; nothing writes there', () => {
    const card = new Card().start()
    const prom = [...MAC, 0, 0, 0, 0, 0, 0, 0, 0, 0x57, 0x57].flatMap((byte) => [byte, byte])
    expect(card.readMemory(0, 32)).toEqual(prom)
    card.writeMemory(0, new Uint8Array(32))
    expect(card.readMemory(0, 32)).toEqual(prom)
  })

  test('options have QEMU’s defaults, and an address of a group is refused', () => {
    expect(parseDevice({ type: 'ne2k_isa' }).options).toEqual({ iobase: 0x300, irq: 9, mac: '52:54:00:12:34:56' })
    expect(() => parseDevice({ type: 'ne2k_isa', options: { mac: '53:54:00:12:34:56' } })).toThrow(/six bytes/)
    expect(() => parseDevice({ type: 'ne2k_isa', options: { mac: 'nonsense' } })).toThrow(/six bytes/)
  })
})

describe('remote DMA', () => {
  test('moves words or bytes, and asks for an interrupt at the end', () => {
    const card = new Card().start()
    card.writeMemory(0x4000, [1, 2, 3, 4])
    expect([card.isr & RDC, card.level]).toEqual([RDC, true])
    card.out(7, RDC)
    expect([card.isr, card.level]).toEqual([0, false])
    expect(card.readMemory(0x4000, 4)).toEqual([1, 2, 3, 4])
    card.out(0xe, 0x48)
    card.remote(0x0a, 0x4001, 3)
    expect([card.in(0x10), card.in(0x10), card.in(0x10)]).toEqual([2, 3, 4])
  })

  test('wraps from the end of the ring to its start, and counts for whoever reads CRDA', () => {
    const card = new Card().start()
    card.writeMemory(START << 8, [0xaa, 0xbb])
    card.writeMemory((STOP << 8) - 2, [0xcc, 0xdd])
    expect(card.readMemory((STOP << 8) - 2, 4)).toEqual([0xcc, 0xdd, 0xaa, 0xbb])
    expect([card.in(8), card.in(9)]).toEqual([2, START])
  })

  test('a transfer of nothing is over at once; accesses after the end change nothing', () => {
    const card = new Card().start()
    card.remote(0x0a, 0x4000, 0)
    expect(card.isr & RDC).toBe(RDC)
    expect(card.in(0x10, 2)).toBe(0xffff)
    card.writeMemory(0x4000, [1, 2])
    card.out(0x10, 0x0909, 2)
    expect(card.readMemory(0x4000, 4)).toEqual([1, 2, 0, 0])
  })

  test('holes of the local memory read ffh and keep nothing', () => {
    const card = new Card().start({ pstop: 0xff })
    for (const address of [0x20, 0x3ffe, 0xc000, 0xfffe]) {
      card.writeMemory(address, [1, 2])
      expect(card.readMemory(address, 2)).toEqual([0xff, 0xff])
    }
  })

  test('"send packet" gives the frame at BNRY and moves BNRY on', () => {
    const card = new Card(deaf()).start({ bnry: START, curr: START })
    card.out(3, START + 8) // somewhere else while it comes in
    card.arrive(frame(MAC))
    card.out(3, START)
    card.out(0, 0x1a)
    const bytes = Array.from({ length: 32 }, () => card.in(0x10, 2)).flatMap((word) => [word & 0xff, word >> 8])
    expect(bytes.slice(0, 4)).toEqual([0x01, START + 1, 64, 0])
    expect(bytes.slice(4)).toEqual([...frame(MAC)])
    expect([card.in(3), card.isr & RDC]).toEqual([START + 1, RDC])
  })
})

describe('transmission', () => {
  test('takes its time on the wire, then the port has the frame', () => {
    const card = new Card(deaf()).start()
    card.transmit(frame(BROADCAST, 100))
    card.out(7, RDC)
    card.clock.advance(124 * 800 - 1)
    expect([card.port.sent.length, card.in(0) & 4]).toEqual([0, 4])
    card.clock.advance(1)
    expect(card.port.sent).toEqual([{ frame: frame(BROADCAST, 100), time: 124 * 800 }])
    expect([card.in(0) & 4, card.in(4), card.isr, card.level]).toEqual([0, 1, PTX, true])
  })

  test('what comes back is received, its check sequence with it', () => {
    const card = new Card().start()
    const sent = frame(MAC, 99)
    card.transmit(sent)
    card.clock.advance(1e6)
    expect([card.isr & (PRX | PTX), card.in(0xc), card.curr]).toEqual([PRX | PTX, 1, START + 2])
    const stored = card.readMemory((START + 1) << 8, 108)
    expect(stored.slice(0, 4)).toEqual([1, START + 2, 103, 0])
    expect(stored.slice(4, 107)).toEqual([...sent, ...checkSequence(sent)])
  })

  test('frames that are none are not sent, and it is said so', () => {
    const card = new Card(deaf()).start()
    for (const length of [0, 13, 1519, 0xffff]) {
      card.out(4, 0xff)
      card.out(5, length & 0xff)
      card.out(6, length >> 8)
      card.out(0, 0x26)
      card.clock.advance(100e6)
      expect([card.in(0) & 4, card.in(4)]).toEqual([0, 1])
    }
    expect([card.port.sent, card.warnings.length]).toEqual([[], 4])
  })

  test('a check sequence of the guest’s own is taken for what it is', () => {
    const card = new Card(deaf()).start({ tcr: 1 })
    const bare = frame(MAC)
    card.transmit(Uint8Array.of(...bare, ...checkSequence(bare)))
    card.clock.advance(1e6)
    card.transmit(Uint8Array.of(...bare, 1, 2, 3, 4))
    card.clock.advance(1e6)
    expect(card.port.sent.map((sent) => [...sent.frame])).toEqual([[...bare]])
    expect(card.warnings).toEqual([expect.stringMatching(/wrong check sequence/)])
  })

  test('the link is down: nothing gets out, and the guest hears no more of it', () => {
    const card = new Card().start()
    card.port.link = false
    card.transmit(frame(MAC))
    card.clock.advance(1e6)
    expect([card.port.sent, card.isr & (PRX | PTX)]).toEqual([[], PTX])
  })
})

describe('loop-back', () => {
  test.each([
    [1, 0x53],
    [2, 0x43],
    [3, 0x03],
  ])('mode %i comes no further than the FIFO, with the data sheet’s status', (mode, tsr) => {
    const card = new Card().start({ tcr: mode << 1, dcr: 0x41 })
    const sent = frame(MAC, 64)
    card.transmit(sent)
    card.clock.advance(1e6)
    expect([card.in(4), card.in(0xc), card.isr & ~RDC, card.port.sent]).toEqual([tsr, 0x02, PTX, []])
    const fifo = Array.from({ length: 8 }, () => card.in(6))
    expect(fifo).toEqual([68, 0, 0, sent[63], ...checkSequence(sent)])
    card.arrive(frame(MAC))
    expect(card.isr & PRX).toBe(0)
  })

  test('the receiver checks a sequence that the guest appended', () => {
    const card = new Card().start({ tcr: 0x03, dcr: 0x41 })
    const bare = frame(MAC)
    card.transmit(Uint8Array.of(...bare, ...checkSequence(bare)))
    card.clock.advance(1e6)
    expect(card.in(0xc)).toBe(0x01)
  })
})

describe('reception', () => {
  const other = [0x52, 0x54, 0, 1, 2, 3]
  const group = [0x01, 0x00, 0x5e, 0x00, 0x00, 0x01]
  test.each([
    ['its own address', MAC, 0x00, true],
    ['another address', other, 0x00, false],
    ['another address, promiscuous', other, 0x10, true],
    ['broadcast', BROADCAST, 0x00, false],
    ['broadcast, accepted', BROADCAST, 0x04, true],
    ['a group that is not asked for', group, 0x00, false],
    ['a group whose bit is not set', [0x01, 0x00, 0x5e, 0x00, 0x00, 0x02], 0x08, false],
    ['a group whose bit is set', group, 0x08, true],
  ])('%s', (_what, to, rcr, taken) => {
    const card = new Card(deaf()).start({ rcr })
    // 224.0.0.1 hashes to bit 31 of the 64 by Linux's own ether_crc(6, address) >> 26.
    card.out(0, 0x62)
    for (let i = 0; i < 8; i++) card.out(8 + i, i === 3 ? 0x80 : 0)
    card.out(0, 0x22)
    card.arrive(frame(to))
    expect((card.isr & PRX) !== 0).toBe(taken)
    if (taken) expect(card.in(0xc)).toBe(to[0] & 1 ? 0x21 : 0x01)
  })

  test('runts are dropped, unless they are asked for', () => {
    const card = new Card(deaf()).start()
    card.arrive(frame(MAC, 42))
    expect([card.isr & PRX, card.warnings.length]).toEqual([0, 1])
    card.start({ rcr: 0x06 }).arrive(frame(MAC, 42))
    expect(card.isr & PRX).toBe(PRX)
  })

  test('a stopped card hears nothing; a command without STA and STP changes neither', () => {
    const card = new Card(deaf()).start()
    card.out(0, 0x20)
    card.arrive(frame(MAC))
    expect(card.isr & PRX).toBe(PRX)
    card.out(7, 0xff)
    card.out(0, 0x21)
    card.out(0, 0x20)
    card.arrive(frame(MAC))
    expect(card.isr).toBe(RST)
  })

  test('a frame goes round the end of the ring', () => {
    const card = new Card(deaf()).start({ curr: STOP - 1, bnry: STOP - 2 })
    const long = frame(MAC, 1514)
    card.arrive(long)
    expect(card.curr).toBe(START + 5)
    const stored = card.readMemory((STOP - 1) << 8, 1518)
    expect(stored.slice(0, 4)).toEqual([1, START + 5, 1518 & 0xff, 1518 >> 8])
    expect(stored.slice(4)).toEqual([...long])
  })

  test('a full ring: overflow, a missed frame, and nothing is overwritten', () => {
    const card = new Card(deaf()).start({ pstart: 0x46, pstop: 0x4a })
    card.writeMemory(0x4600, [0xaa, 0xbb])
    for (let i = 0; i < 2; i++) card.arrive(frame(MAC))
    expect([card.isr & OVW, card.curr]).toEqual([0, 0x49])
    card.arrive(frame(MAC))
    expect([card.isr & OVW, card.in(0xc), card.curr]).toEqual([OVW, 0x10, 0x49])
    expect([card.in(0xf), card.in(0xf)]).toEqual([1, 0])
    expect(card.readMemory(0x4600, 2)).toEqual([0xaa, 0xbb])
  })

  test('monitor mode counts, to C0h at most, and asks to be read from 80h on', () => {
    const card = new Card(deaf()).start({ rcr: 0x20 })
    for (let i = 0; i < 127; i++) card.arrive(frame(MAC))
    expect([card.isr, card.in(0xc)]).toEqual([0, 0x40])
    card.arrive(frame(MAC))
    expect([card.isr, card.level]).toEqual([CNT, true])
    for (let i = 0; i < 100; i++) card.arrive(frame(MAC))
    expect([card.in(0xf), card.curr]).toEqual([0xc0, START + 1])
  })
})

describe('what others’ cards got wrong', () => {
  test.each([
    ['of no pages (CVE-2016-2841)', { pstart: 0x46, pstop: 0x46, curr: 0x46, bnry: 0x46 }],
    ['of no pages at address 0', { pstart: 0, pstop: 0, curr: 0, bnry: 0 }],
    ['that ends before it starts', { pstart: 0x80, pstop: 0x46, curr: 0x80, bnry: 0x81 }],
    ['that is shorter than the frame', { pstart: 0x46, pstop: 0x48, curr: 0x46, bnry: 0x90 }],
  ])('a ring %s takes no frame, and it is said so', (_what, ring) => {
    const card = new Card(deaf()).start(ring)
    const before = saveState(card.device)
    card.arrive(frame(MAC, 1514))
    expect([card.isr & (PRX | OVW), card.curr]).toEqual([OVW, ring.curr])
    expect(card.warnings).toEqual([expect.stringMatching(/no room in the ring/)])
    expect(saveState(card.device).ram).toEqual(before.ram)
  })

  test('ring indices outside the ring and the memory (CVE-2015-5279): what is not there keeps nothing', () => {
    for (const curr of [0, 0x10, 0x3f, 0xbf, 0xc0, 0xff]) {
      const card = new Card(deaf()).start({ curr, bnry: 0x50 })
      card.arrive(frame(MAC, 1514))
      card.transmit(frame(MAC))
      card.clock.advance(1e6)
      expect(card.readMemory(0, 2)).toEqual([MAC[0], MAC[0]])
      expect(card.port.sent.length).toBe(1)
    }
  })

  test('frames that no wire carries are dropped at the port', () => {
    const card = new Card(deaf()).start()
    for (const length of [0, 13, 1519, 100_000]) card.arrive(new Uint8Array(length).fill(0xff))
    expect([card.isr, card.warnings.length]).toEqual([0, 4])
  })

  test('any registers, any traffic: it comes to an end', () => {
    let seed = 12345
    const random = (most: number) => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0
      return (seed >>> 8) % most
    }
    const card = new Card()
    for (let i = 0; i < 20_000; i++) {
      if (random(8) === 0) card.arrive(frame(MAC, 14 + random(1600)))
      else if (random(2)) card.out(random(0x18), random(0x10000) & 0xff)
      else card.in(random(0x18), 1)
      if (random(16) === 0) card.clock.advance(random(1e6))
    }
    expect(card.readMemory(0, 2)).toHaveLength(2)
  })
})

describe('save and load', () => {
  test('with an interrupt pending, in mid-DMA, in mid-frame and with a frame on the wire', () => {
    const one = new Card(deaf()).start()
    one.arrive(frame(MAC))
    one.transmit(frame(BROADCAST, 200))
    one.port.receive?.(frame(BROADCAST), 500_000)
    one.remote(0x0a, (START + 1) << 8, 64)
    const begun = [one.in(0x10, 2), one.in(0x10, 2)]
    expect(begun).toEqual([(START + 2) * 256 + 1, 64])

    const two = new Card(deaf())
    two.level = one.level
    loadState(two.device, structuredClone(saveState(one.device)))
    expect(saveState(two.device)).toEqual(saveState(one.device))
    const rest = [one, two].map((card) => {
      const bytes = Array.from({ length: 30 }, () => card.in(0x10, 2))
      card.clock.advance(1e6)
      return { bytes, sent: card.port.sent, isr: card.isr, curr: card.curr, state: saveState(card.device) }
    })
    expect(rest[1]).toEqual(rest[0])
    expect([rest[0].sent.length, rest[0].isr, rest[0].curr]).toEqual([1, PRX | PTX | RDC, START + 3])
    two.out(7, 0x7f)
    expect(two.level).toBe(false)
  })

  test.each([
    ['a frame longer than any', { arrivals: { frames: [{ time: 1, frame: new Uint8Array(5000) }], timer: null } }],
    [
      'frames out of order',
      { arrivals: { frames: [2, 1].map((time) => ({ time, frame: new Uint8Array(60) })), timer: null } },
    ],
    ['a FIFO index outside the FIFO', { fifoAt: 8 }],
    ['a register that is too wide', { rsar: 0x10000 }],
  ])('%s is refused', (_what, change) => {
    const card = new Card()
    const state = saveState(card.device)
    expect(() => loadState(card.device, { ...state, chip: { ...(state.chip as object), ...change } } as State)).toThrow(
      /damaged/,
    )
  })
})
