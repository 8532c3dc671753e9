import { describe, expect, test } from 'vitest'
import type { State } from '../../../../../machine/device.js'
import type { LoopbackPort } from '../../../../../machine/network/port.js'
import { BROADCAST, checkSequence, frame, MAC } from '../card.js'
import { deaf, MMIO, PciCard } from '../pci-bench.js'

// CSR0
const MISS = 0x1000
const MERR = 0x0800
const RINT = 0x0400
const TINT = 0x0200
const IDON = 0x0100
const INTR = 0x0080
const IENA = 0x0040
const RXON = 0x0020
const TXON = 0x0010
const STOP = 0x0004

const OWN = 0x8000_0000
const STP = 0x0200_0000
const ENP = 0x0100_0000

const BLOCK = 0x1000
const RX = 0x2000
const TX = 0x3000
const BUFFERS = 0x10000

/** A driver in words (as Linux has it), with four descriptors each way. */
class Driver extends PciCard {
  constructor(
    port: LoopbackPort = deaf(),
    readonly style = 2,
  ) {
    super('pcnet', port, 1)
  }

  csr(register: number, value?: number): number {
    this.out(0x12, register, 2)
    if (value !== undefined) this.out(0x10, value, 2)
    return this.in(0x10, 2)
  }

  bcr(register: number, value?: number): number {
    this.out(0x12, register, 2)
    if (value !== undefined) this.out(0x16, value, 2)
    return this.in(0x16, 2)
  }

  get size(): number {
    return this.style === 0 ? 8 : 16
  }

  /** Four descriptors (`log2`: 2) and no buffers. */
  start({
    mode = 0,
    logical = [0, 0, 0, 0, 0, 0, 0, 0],
    log2 = 2,
    csr4 = 0x0915 | 0x1000,
    rx = RX,
    tx = TX,
  } = {}): this {
    this.in(0x14, 2)
    this.bcr(20, this.style)
    const head = [mode & 0xff, mode >>> 8]
    const narrow = [...head, ...MAC, ...logical]
    if (this.style === 0) {
      this.poke(BLOCK, narrow)
      this.poke32(BLOCK + 16, rx | (log2 << 29), tx | (log2 << 29))
    } else {
      this.poke(BLOCK, [...head, log2 << 4, log2 << 4, ...MAC, 0, 0, ...logical])
      this.poke32(BLOCK + 20, rx, tx)
    }
    this.csr(1, BLOCK)
    this.csr(2, 0)
    this.csr(4, csr4)
    this.csr(0, IENA | 1)
    expect(this.csr(0) & IDON).toBe(IDON)
    this.csr(0, IDON | IENA | 2)
    return this
  }

  /** Descriptor `i` of the ring at `base`, in the style that is set. */
  describe(
    base: number,
    i: number,
    flags: number,
    length: number,
    buffer = BUFFERS + (base === TX ? 0 : 0x8000) + i * 0x800,
  ) {
    const at = base + i * this.size
    const count = -length & 0xfff
    if (this.style === 0) this.poke32(at, (buffer & 0xff_ffff) | (flags & 0xff00_0000), 0xf000 | count)
    else if (this.style === 3) this.poke32(at, 0, flags | 0xf000 | count, buffer, 0)
    else this.poke32(at, buffer, flags | 0xf000 | count, 0, 0)
    return buffer
  }

  /** Flags and what the controller says of the frame: MCNT or errors. */
  status(base: number, i: number): [flags: number, message: number] {
    const at = base + i * this.size
    if (this.style === 0) return [(this.peek32(at) & 0xff00_0000) >>> 0, this.peek32(at + 4) >>> 16]
    return [(this.peek32(at + 4) & 0xfff0_0000) >>> 0, this.peek32(at + (this.style === 3 ? 0 : 8))]
  }

  offer(count = 4, length = 1536): void {
    for (let i = 0; i < count; i++) this.describe(RX, i, OWN, length)
  }

  /** These bytes as one buffer with STP and ENP, or as several. */
  queue(first: number, ...parts: Uint8Array[]): void {
    for (const [i, part] of parts.entries()) {
      const flags = OWN | (i === 0 ? STP : 0) | (i === parts.length - 1 ? ENP : 0)
      this.poke(this.describe(TX, first + i, flags >>> 0, part.length), part)
    }
  }

  demand(ns = 10e6): void {
    this.csr(0, IENA | 8)
    this.clock.advance(ns)
  }
}

describe('registers', () => {
  test('PCI numbers, PROM, chip, and what a reset leaves', () => {
    const card = new Driver()
    expect([card.config(0), card.config(8)]).toEqual([0x2000_1022, 0x0200_0010])
    const prom = Array.from({ length: 16 }, (_, i) => card.in(i))
    expect(prom.slice(0, 6)).toEqual(MAC)
    expect(prom.slice(14)).toEqual([0x57, 0x57])
    const sum = [...prom.slice(0, 12), ...prom.slice(14)].reduce((all, byte) => all + byte, 0)
    expect(prom[12] | (prom[13] << 8)).toBe(sum)
    expect([card.csr(0), card.csr(88), card.csr(89), card.bcr(20)]).toEqual([STOP, 0x1003, 0x0262, 0x0200])
    expect([12, 13, 14].map((register) => card.csr(register))).toEqual([0x5452, 0x1200, 0x5634])
  })

  test('words until a doubleword comes for RDP, then doublewords until the bus is reset', () => {
    const card = new Driver()
    card.out(0x12, 88, 2)
    expect([card.in(0x12, 2), card.in(0x14, 4)]).toEqual([88, 0xffff_ffff])
    card.out(0x10, 0, 4)
    card.out(0x14, 88, 4)
    expect([card.in(0x14, 4), card.in(0x10, 4), card.in(0x12, 2)]).toEqual([88, 0x1003, 0xffff])
    card.in(0x18, 4)
    card.out(0x14, 18, 4)
    expect(card.in(0x1c, 4) & 0x80).toBe(0x80)
    card.device.reset()
    expect(card.csr(88)).toBe(0x1003)
  })

  test('the same registers in memory', () => {
    const card = new Driver()
    card.writeMmio(0x12, 89, 2)
    expect([card.readMmio(0x10, 2), card.readMmio(0, 4)]).toEqual([0x0262, 0x1200_5452])
  })

  test('BCR4 tells of the link, and a pulled cable costs a frame its carrier', () => {
    const card = new Driver().start()
    expect(card.bcr(4)).toBe(0x80c0)
    card.port.link = false
    expect(card.bcr(4)).toBe(0x00c0)
    card.queue(0, frame(BROADCAST))
    card.demand()
    expect(card.status(TX, 0)).toEqual([0x4300_0000, 0x0800_0000])
    expect(card.csr(0) & TINT).toBe(TINT)
  })

  test('the software style and the rings hold still while it runs', () => {
    const card = new Driver().start()
    card.bcr(20, 3)
    card.csr(24, 0x5555)
    card.csr(76, 0)
    expect([card.bcr(20), card.csr(24), card.csr(76)]).toEqual([0x0302, RX, 0xfffc])
    card.csr(0, STOP)
    expect([card.bcr(20, 3), card.csr(24, 0x5555), card.bcr(20, 4)]).toEqual([0x0303, 0x5555, 0x0200])
  })

  test('the EEPROM is read bit by bit', () => {
    const card = new Driver()
    const pins = (bits: number) => card.bcr(19, 0x10 | bits)
    const clock = (bit: number) => {
      pins(4 | bit)
      return pins(6 | bit) & 1
    }
    pins(0)
    for (const bit of [0, 1, 1, 0, 0, 0, 0, 0, 0, 1]) clock(bit)
    let word = 0
    for (let i = 0; i < 16; i++) word = (word << 1) | clock(0)
    expect(word).toBe(MAC[2] | (MAC[3] << 8))
  })

  test('initialization without the right to the bus is a memory error', () => {
    const card = new Driver()
    card.config(4, 3)
    card.csr(0, IENA | 1)
    expect(card.csr(0) & (MERR | IDON)).toBe(MERR)
    expect(card.level).toBe(true)
  })
})

describe.each([0, 1, 2, 3])('software style %i', (style) => {
  test('sends in one buffer and in three, each after its time on the wire', () => {
    const card = new Driver(deaf(), style).start()
    const long = frame(BROADCAST, 1514)
    card.queue(0, frame(MAC, 60))
    card.queue(1, long.slice(0, 14), long.slice(14, 15), long.slice(15))
    card.demand(84 * 800 - 1)
    expect([card.port.sent.length, card.status(TX, 0)[0]]).toEqual([0, (OWN | STP | ENP) >>> 0])
    card.clock.advance(1)
    expect([card.port.sent.length, card.status(TX, 0)]).toEqual([1, [STP | ENP, 0]])
    card.clock.advance(10e6)
    expect(card.port.sent.map((one) => [...one.frame])).toEqual([[...frame(MAC, 60)], [...long]])
    expect([1, 2, 3].map((i) => card.status(TX, i)[0])).toEqual([STP, 0, ENP])
    expect([card.csr(0) & (TINT | INTR), card.level]).toEqual([TINT | INTR, true])
    card.csr(0, TINT | IENA)
    expect(card.level).toBe(false)
  })

  test('receives with the check sequence, and over two buffers', () => {
    const card = new Driver(deaf(), style).start()
    const came = frame(MAC, 700)
    card.describe(RX, 0, OWN, 1536)
    card.describe(RX, 1, OWN, 512)
    card.describe(RX, 2, OWN, 512)
    card.arrive(came)
    card.arrive(came)
    const whole = [...came, ...checkSequence(came)]
    const match = style === 0 ? 0 : 0x0040_0000
    expect(card.status(RX, 0)).toEqual([STP | ENP | match, 704])
    expect(card.peek(BUFFERS + 0x8000, 704)).toEqual(whole)
    expect([card.status(RX, 1)[0], card.status(RX, 2)]).toEqual([STP, [ENP | match, 704]])
    expect([...card.peek(BUFFERS + 0x8800, 512), ...card.peek(BUFFERS + 0x9000, 192)]).toEqual(whole)
    expect([card.csr(0) & RINT, card.level]).toEqual([RINT, true])
  })
})

describe('transmission', () => {
  test('short frames are padded where that is asked for', () => {
    const card = new Driver().start()
    card.queue(0, frame(BROADCAST, 20))
    card.demand()
    expect(card.port.sent[0].frame).toEqual(Uint8Array.from({ length: 60 }, (_, i) => frame(BROADCAST, 20)[i] ?? 0))
    card.start({ csr4: 0x1115 })
    card.queue(0, frame(BROADCAST, 20))
    card.demand()
    expect(card.port.sent[1].frame).toEqual(frame(BROADCAST, 20))
  })

  test('the guest’s own check sequence, with DXMTFCS; and ADD_FCS against it', () => {
    const card = new Driver().start({ mode: 0x0008 })
    const bare = frame(MAC)
    card.queue(0, Uint8Array.of(...bare, ...checkSequence(bare)))
    card.queue(1, Uint8Array.of(...bare, 1, 2, 3, 4))
    card.describe(TX, 2, (OWN | STP | ENP | 0x2000_0000) >>> 0, 60, BUFFERS)
    card.demand()
    expect(card.port.sent.map((one) => [...one.frame])).toEqual([[...bare], [...bare]])
    expect(card.warnings).toEqual([expect.stringMatching(/wrong check sequence/)])
  })

  test('polls the ring by itself, unless DPOLL is set', () => {
    const card = new Driver().start({ csr4: 0x0915 })
    card.queue(0, frame(MAC))
    card.clock.advance(3e6)
    expect(card.port.sent.length).toBe(1)
    card.csr(4, 0x1915)
    card.queue(1, frame(MAC))
    card.clock.advance(30e6)
    expect(card.port.sent.length).toBe(1)
  })

  test('TOKINTD and LTINTEN choose which frames interrupt', () => {
    const card = new Driver().start()
    card.csr(5, 0x8000)
    card.queue(0, frame(MAC))
    card.demand()
    expect(card.csr(0) & TINT).toBe(0)
    card.csr(5, 0xc000)
    card.queue(1, frame(MAC))
    card.describe(TX, 2, (OWN | STP | ENP | 0x1000_0000) >>> 0, 60)
    card.demand(84 * 800)
    expect([card.port.sent.length, card.csr(0) & TINT]).toEqual([2, 0])
    card.clock.advance(10e6)
    expect([card.port.sent.length, card.csr(0) & TINT]).toEqual([3, TINT])
  })

  test('a frame whose next buffer is not there is an underflow, which stops the transmitter', () => {
    const card = new Driver().start()
    card.poke(card.describe(TX, 0, (OWN | STP) >>> 0, 60), frame(MAC))
    card.demand()
    expect(card.status(TX, 0)).toEqual([0x4200_0000, 0xc000_0000])
    expect([card.csr(0) & (TINT | TXON), card.port.sent]).toEqual([TINT, []])
    card.start()
    card.csr(3, 0x40)
    card.describe(TX, 0, (OWN | STP) >>> 0, 60)
    card.demand()
    expect(card.csr(0) & (TINT | TXON)).toBe(TINT | TXON)
  })

  test('suspended: what was begun is sent, nothing else, and it goes on where it was', () => {
    const card = new Driver().start()
    for (const i of [0, 1]) card.queue(i, frame(MAC))
    card.demand(1000)
    expect(card.csr(5, 1) & 1).toBe(0)
    card.clock.advance(10e6)
    expect([card.csr(5) & 1, card.port.sent.length]).toEqual([1, 1])
    card.offer()
    card.arrive(frame(MAC))
    expect(card.csr(0) & (RINT | MISS)).toBe(0)
    card.csr(5, 0)
    card.clock.advance(10e6)
    expect(card.port.sent.length).toBe(2)
  })

  test('STOP ends a frame on the wire, and a reset by the register', () => {
    const card = new Driver().start()
    card.queue(0, frame(MAC))
    card.demand(1000)
    card.csr(0, STOP)
    card.clock.advance(10e6)
    expect([card.csr(0), card.port.sent, card.level]).toEqual([STOP, [], false])
  })
})

describe('reception', () => {
  const other = [0x52, 0x54, 0, 1, 2, 3]
  const group = [0x01, 0x00, 0x5e, 0x00, 0x00, 0x01]
  // 224.0.0.1: Linux's ether_crc_le(6, address) >> 26 is 54.
  const filter = [0, 0, 0, 0, 0, 0, 0x40, 0]
  test.each([
    ['its own address', MAC, 0, 0x0040_0000],
    ['its own address, DRCVPA', MAC, 0x2000, undefined],
    ['another address', other, 0, undefined],
    ['another address, promiscuous', other, 0x8000, 0],
    ['broadcast', BROADCAST, 0, 0x0010_0000],
    ['broadcast, DRCVBC', BROADCAST, 0x4000, undefined],
    ['a group whose bit is set', group, 0, 0x0020_0000],
    ['a group whose bit is not set', [0x01, 0, 0x5e, 0, 0, 0x02], 0, undefined],
  ])('%s', (_what, to, mode, match) => {
    const card = new Driver().start({ mode, logical: filter })
    card.offer()
    card.arrive(frame(to))
    expect(card.status(RX, 0)[0]).toBe(match === undefined ? OWN : (STP | ENP | match) >>> 0)
  })

  test('padding and check sequence are stripped where that is asked for', () => {
    const card = new Driver().start({ csr4: 0x1d15 })
    card.offer()
    const came = frame(MAC)
    came.set([0, 20], 12)
    card.arrive(came)
    expect(card.status(RX, 0)[1]).toBe(34)
  })

  test('no buffer: a missed frame, counted', () => {
    const card = new Driver().start()
    card.arrive(frame(MAC))
    expect([card.csr(0) & (MISS | INTR), card.csr(112), card.csr(0) >>> 15]).toEqual([MISS | INTR, 1, 1])
    card.csr(0, MISS | IENA)
    expect([card.csr(0), card.level]).toEqual([IENA | RXON | TXON | 3, false])
  })

  test('too few buffers: the frame ends in an error', () => {
    const card = new Driver().start()
    card.describe(RX, 0, OWN, 64)
    card.arrive(frame(MAC, 200))
    expect(card.status(RX, 0)[0]).toBe(0x4600_0000)
    expect(card.csr(0) & RINT).toBe(RINT)
  })

  test('runts are dropped, unless CSR124 asks for them', () => {
    const card = new Driver().start()
    card.offer()
    card.arrive(frame(MAC, 42))
    expect([card.csr(0) & RINT, card.warnings.length]).toEqual([0, 1])
    card.csr(124, 8)
    card.arrive(frame(MAC, 42))
    expect(card.csr(0) & RINT).toBe(RINT)
  })

  test('loop-back comes back to the rings, and nothing gets out or in', () => {
    const card = new Driver().start({ mode: 0x0044 })
    card.offer()
    card.arrive(frame(MAC))
    expect(card.csr(0) & RINT).toBe(0)
    const sent = frame(MAC, 75)
    card.queue(0, sent)
    card.demand()
    expect([card.csr(0) & (RINT | TINT), card.port.sent]).toEqual([RINT | TINT, []])
    expect(card.peek(BUFFERS + 0x8000, 79)).toEqual([...sent, ...checkSequence(sent)])
  })
})

describe('what others’ cards got wrong', () => {
  test('a buffer that starts a frame again and again overruns nothing (CVE-2015-3209)', () => {
    const card = new Driver().start()
    for (let i = 0; i < 4; i++) card.describe(TX, i, (OWN | STP) >>> 0, 4096)
    card.describe(TX, 3, (OWN | ENP) >>> 0, 4096)
    card.demand(100e6)
    expect([card.port.sent, card.csr(0) & TINT]).toEqual([[], TINT])
    expect(card.warnings).toEqual([expect.stringMatching(/8192 bytes is none/)])
  })

  test('a frame that never ends is not kept (CVE-2015-7504, CVE-2015-7512)', () => {
    const card = new Driver().start({ log2: 9 })
    card.describe(TX, 0, (OWN | STP) >>> 0, 4096)
    for (let i = 1; i < 512; i++) card.describe(TX, i, OWN, 4096, BUFFERS)
    card.demand(4e9)
    expect([card.port.sent, card.csr(0) & TXON]).toEqual([[], 0])
  })

  test('in loop-back with a check sequence of its own a frame as long as the buffer overruns nothing', () => {
    const card = new Driver().start({ mode: 0x0044 | 0x0008 })
    card.offer(4, 4096)
    card.queue(0, new Uint8Array(4096).fill(0xff))
    card.demand()
    expect(card.csr(0) & (RINT | TINT)).toBe(TINT)
  })

  test('a ring in the card’s own registers, both ways and for the block', () => {
    const card = new Driver().start({ rx: MMIO, tx: MMIO })
    card.arrive(frame(MAC))
    card.demand(100e6)
    card.csr(0, STOP)
    card.csr(1, 0)
    card.csr(2, MMIO >>> 16)
    card.csr(0, 1)
    expect(card.warnings.some((what) => /its own registers/.test(what))).toBe(true)
    expect(card.csr(0) & STOP).toBe(0)
  })

  test('buffers in the card’s own registers', () => {
    const card = new Driver().start()
    card.describe(RX, 0, OWN, 1536, MMIO)
    card.describe(TX, 0, (OWN | STP | ENP) >>> 0, 60, MMIO)
    card.arrive(frame(MAC))
    card.demand()
    expect(card.csr(0) & (RINT | TINT | TXON)).toBe(RINT | TINT | TXON)
  })

  test('a ring of one descriptor does not hand out its buffer twice', () => {
    const card = new Driver().start({ log2: 0 })
    card.describe(RX, 0, OWN, 16)
    card.arrive(frame(MAC, 1514))
    expect(card.status(RX, 0)[0]).toBe(0x4600_0000)
  })

  test('ring lengths of 0 mean 65,536; a poll time of nothing is one cycle', () => {
    const card = new Driver().start({ csr4: 0x0915 })
    card.csr(0, STOP)
    card.csr(76, 0)
    card.csr(78, 0)
    card.csr(47, 0xffff)
    card.csr(0, IENA | 2)
    card.clock.advance(100_000)
    card.arrive(frame(MAC))
    expect([card.csr(72), card.csr(74), card.csr(0) & MISS]).toEqual([0, 0, MISS])
  })

  test('any registers, any memory, any traffic: it comes to an end', () => {
    let seed = 4711
    const random = (most: number) => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0
      return (seed >>> 8) % most
    }
    const card = new Driver().start()
    for (let i = 0; i < 20_000; i++) {
      const what = random(16)
      if (what === 0) card.arrive(frame(random(2) ? MAC : BROADCAST, 14 + random(1600)))
      else if (what === 1) card.clock.advance(random(1e6))
      else if (what === 2) card.poke32(random(2) ? RX + random(16) * 4 : TX + random(16) * 4, random(2 ** 24) << 8)
      else if (what === 3) card.poke32(BLOCK + random(8) * 4, random(2 ** 24) << random(9))
      else if (what === 4) card.csr(0, random(2) ? 0x43 : random(65536))
      else if (what < 10) card.csr(random(128), random(65536))
      else if (what < 12) card.bcr(random(40), random(4))
      else if (what < 14) card.writeMmio(random(32), random(2 ** 24), random(8) ? 2 : 4)
      else card.in(random(32), random(2) ? 2 : 4)
    }
    card.device.reset()
    expect(card.csr(88)).toBe(0x1003)
  })
})

describe('save and load', () => {
  test('in mid-frame, between its buffers, with an interrupt pending and a frame on its way in', () => {
    const one = new Driver().start()
    one.offer()
    const sent = frame(BROADCAST, 900)
    one.queue(0, sent.slice(0, 400), sent.slice(400))
    one.arrive(frame(MAC))
    one.port.receive?.(frame(MAC, 99), 900_000)
    one.demand(350_000)
    expect([one.status(TX, 0)[0], one.level]).toEqual([STP, true])
    const two = new Driver()
    two.clock.advance(350_000)
    two.load(one.save(), one)
    for (const card of [one, two]) {
      card.csr(0, RINT | IENA)
      expect(card.level).toBe(false)
      card.clock.advance(10e6)
      expect(card.port.sent.map((frames) => frames.frame)).toEqual([sent])
      expect([card.csr(0) & (RINT | TINT), card.status(RX, 1)[1]]).toEqual([RINT | TINT, 103])
    }
    expect(two.save()).toEqual(one.save())
  })

  test.each([
    ['more of a frame than there is', { frameLength: 0x20000 }],
    ['too few registers', { csr: [1, 2, 3] }],
    ['a register that is too wide', { csr: new Array(128).fill(0x10000) }],
  ])('%s is refused', (_what, change) => {
    const card = new Driver()
    const saved = card.save()
    const device = saved.device as State
    device.chip = { ...(device.chip as State), ...change }
    expect(() => card.load(saved, card)).toThrow(/damaged/)
  })
})
