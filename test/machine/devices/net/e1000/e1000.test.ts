import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { checkSequence } from '../../../../../machine/devices/net/check-sequence.js'
import * as R from '../../../../../machine/devices/net/e1000/e1000-registers.js'
import { LoopbackPort } from '../../../../../machine/network/port.js'
import { loadState, saveState } from '../../../../../machine/state/state-table.js'
import { Bench, DATA, internetFrame, MAC, pseudoHeader, RX_RING, SELF, sum, TX_RING } from './e1000-bench.js'

const EOP = 1 << 24
const IFCS = 2 << 24
const IC = 4 << 24
const TSE = 4 << 24
const RS = 8 << 24
const DEXT = 0x20 << 24
const VLE = 0x40 << 24
const IDE = 0x80 << 24
const DATA_TYPE = 1 << 20
const DD = 1

const plain = (length: number, to: readonly number[] = MAC) =>
  Uint8Array.from({ length }, (_, i) => to[i] ?? (i === 12 ? 0x12 : (i * 7) & 0xff))
const bytes = (length: number) => Uint8Array.from({ length }, (_, i) => (i * 11 + (i >> 8)) & 0xff)

/** A context for TCP over IPv4 or IPv6, and the frame as a driver leaves it: its sums those of the pseudo-headers. */
function segments(payload: number, { mss = 1000, version = 4, protocol = 6 } = {}) {
  const frame = internetFrame({ payload: bytes(payload), version, protocol })
  const transport = version === 4 ? 34 : 54
  const header = transport + (protocol === 6 ? 20 : 8)
  const checksum = transport + (protocol === 6 ? 16 : 6)
  const view = new DataView(frame.buffer)
  view.setUint16(checksum, pseudoHeader(frame, 0))
  if (version === 4) view.setUint16(24, 0)
  const kind = (protocol === 6 ? 1 << 24 : 0) | (version === 4 ? 2 << 24 : 0)
  const context = [
    14 | (24 << 8) | ((transport - 1) << 16),
    transport | (checksum << 8),
    payload | TSE | DEXT | kind,
    (header << 8) | (mss << 16),
  ]
  return { frame, context, header, transport, checksum, popts: (version === 4 ? 3 : 2) << 8 }
}

/** What is wrong with a frame's checksums and lengths; empty where nothing is. */
function faults(frame: Uint8Array): string[] {
  const view = new DataView(frame.buffer, frame.byteOffset)
  const found: string[] = []
  const isFour = frame[14] >> 4 === 4
  const transport = isFour ? 34 : 54
  if (isFour && sum(frame.subarray(14, 34)) !== 0xffff) found.push('IP checksum')
  if (isFour ? view.getUint16(16) !== frame.length - 14 : view.getUint16(18) !== frame.length - 54)
    found.push('IP length')
  if (sum(frame.subarray(transport), pseudoHeader(frame, frame.length - transport)) !== 0xffff)
    found.push('transport checksum')
  return found
}

describe('identity', () => {
  test('the EEPROM has the address and a right sum, by EERD and bit by bit', () => {
    const bench = new Bench()
    const word = (at: number) => {
      bench.write(R.EERD, (at << 8) | 1)
      const value = bench.read(R.EERD)
      expect(value & 0x10).toBe(0x10)
      return value >>> 16
    }
    const words = Array.from({ length: 64 }, (_, at) => word(at))
    expect(words.slice(0, 3)).toEqual([0x5452, 0x1200, 0x5634])
    expect(words.reduce((total, one) => (total + one) & 0xffff)).toBe(0xbaba)
    bench.write(R.EECD, 0x40)
    expect(bench.read(R.EECD) & 0x1c0).toBe(0x1c0)
    const clock = (bit: number) => {
      bench.write(R.EECD, 0x42 | (bit << 2))
      bench.write(R.EECD, 0x43 | (bit << 2))
      return (bench.read(R.EECD) >> 3) & 1
    }
    bench.write(R.EECD, 0x42)
    for (const bit of [1, 1, 0, 0, 0, 0, 0, 0]) clock(bit)
    expect(clock(1)).toBe(0) // address 1, and the dummy bit
    let value = 0
    for (let i = 0; i < 16; i++) value = (value << 1) | clock(0)
    expect(value).toBe(0x1200)
  })

  test('the PHY by MDIC: its identification, its link, and an error where no PHY is', () => {
    const bench = new Bench()
    const read = (register: number, phy = 1) => {
      bench.write(R.MDIC, (2 << 26) | (phy << 21) | (register << 16))
      return bench.read(R.MDIC)
    }
    expect([read(2), read(3)].map((value) => value & 0xffff)).toEqual([0x0141, 0x0c20])
    read(1)
    expect(read(1) & 0x24).toBe(0x24)
    expect(read(1, 2) & R.MDIC_ERROR).toBe(R.MDIC_ERROR)
    expect(bench.read(R.STATUS) & R.STATUS_LU).toBe(R.STATUS_LU)
    bench.port.link = false
    expect([bench.read(R.STATUS) & R.STATUS_LU, bench.read(R.ICR) & R.ICR_LSC]).toEqual([0, R.ICR_LSC])
    bench.port.link = true
    bench.clock.advance(5e6)
    expect(read(1) & 4).toBe(0) // latched
    expect([read(1) & 4, bench.read(R.ICR) & R.ICR_LSC]).toEqual([4, R.ICR_LSC])
  })

  test('the software semaphore that is asked for is had at once', () => {
    const bench = new Bench()
    bench.write(R.SWSM, 2)
    expect([bench.read(R.SWSM), bench.read(R.SWSM)]).toEqual([2, 2])
  })

  test('registers by the I/O ports, and CTRL.RST puts them back but leaves the link', () => {
    const bench = new Bench().start()
    const { ioWindow } = bench.card
    ioWindow.write(0, R.RDLEN, 4)
    expect(ioWindow.read(4, 4)).toBe(256)
    ioWindow.write(4, 512, 4)
    expect(bench.read(R.RDLEN)).toBe(512)
    bench.write(R.CTRL, R.CTRL_RST)
    expect([R.RDLEN, R.TDT, R.IMS, R.RCTL].map((register) => bench.read(register))).toEqual([0, 0, 0, 0])
    expect([bench.read(R.RAL), bench.read(R.RAH)]).toEqual([0x1200_5452, 0x8000_5634])
    expect(bench.read(R.STATUS) & R.STATUS_LU).toBe(R.STATUS_LU)
  })
})

describe('transmission', () => {
  test('a legacy descriptor, whose frame leaves when its last bit has', () => {
    const bench = new Bench().start()
    const sent = plain(200)
    bench.ram.set(sent, DATA)
    const began = bench.clock.now()
    bench.transmit([DATA, 0, 200 | EOP | IFCS | RS, 0])
    expect(bench.port.sent).toEqual([{ frame: sent, time: began + 1000 + 224 * 8 }])
    expect(bench.ram[TX_RING + 12] & DD).toBe(DD)
    expect(bench.read(R.ICR)).toBe(R.ICR_TXDW | R.ICR_TXQE)
    expect([bench.read(R.GPTC), bench.read(R.GPTC), bench.read(R.GOTCL)]).toEqual([1, 0, 204])
  })

  test('short frames are padded, and what several descriptors hold is one frame', () => {
    const bench = new Bench().start()
    bench.ram.set(plain(40), DATA)
    bench.transmit([DATA, 0, 14 | IFCS, 0], [DATA + 14, 0, 26 | EOP | IFCS | RS, 0])
    expect(bench.port.sent[0].frame).toEqual(Uint8Array.of(...plain(40), ...new Uint8Array(20)))
  })

  test('a checksum by a legacy descriptor, and a tag', () => {
    const bench = new Bench().start()
    const right = internetFrame()
    const frame = right.slice()
    new DataView(frame.buffer).setUint16(50, pseudoHeader(frame, frame.length - 34))
    bench.ram.set(frame, DATA)
    bench.write(R.CTRL, R.CTRL_DEFAULT | R.CTRL_VME)
    bench.transmit([DATA, 0, frame.length | (50 << 16) | EOP | IFCS | IC | VLE, (34 << 8) | (0x2007 << 16)])
    const tagged = bench.port.sent[0].frame
    expect([...tagged.slice(12, 16)]).toEqual([0x81, 0x00, 0x20, 0x07])
    expect(Uint8Array.of(...tagged.slice(0, 12), ...tagged.slice(16))).toEqual(right)
  })

  test.each([
    [4, 6],
    [6, 6],
    [4, 17],
  ])('segments over IPv%i of protocol %i: lengths, sequence, flags, sums', (version, protocol) => {
    const bench = new Bench().start()
    const { frame, context, header, transport, popts } = segments(2500, { version, protocol })
    bench.ram.set(frame, DATA)
    const command = TSE | DEXT | IFCS | DATA_TYPE
    bench.transmit(
      context,
      [DATA, 0, header | command, popts],
      [DATA + header, 0, (frame.length - header) | command | EOP | RS, popts],
    )
    const sent = bench.port.sent.map((one) => one.frame)
    expect(sent.map((one) => one.length)).toEqual([header + 1000, header + 1000, header + 500])
    expect(sent.flatMap((one) => [...one.slice(header)])).toEqual([...bytes(2500)])
    expect(sent.map(faults)).toEqual([[], [], []])
    const words = (at: number) => sent.map((one) => new DataView(one.buffer).getUint16(at))
    if (version === 4) expect(words(18)).toEqual([0x1234, 0x1235, 0x1236])
    if (protocol === 6) {
      expect(sent.map((one) => new DataView(one.buffer).getUint32(transport + 4))).toEqual(
        [0, 1000, 2000].map((offset) => 0x1000_fff0 + offset),
      )
      expect(sent.map((one) => one[transport + 13])).toEqual([0x10, 0x10, 0x19])
    } else expect(words(transport + 4)).toEqual([1008, 1008, 508])
    expect(bench.read(R.TSCTC)).toBe(1)
  })

  test('a payload that fills its last segment ends with it', () => {
    const bench = new Bench().start()
    const { frame, context, header, popts } = segments(2000)
    bench.ram.set(frame, DATA)
    bench.transmit(context, [DATA, 0, frame.length | TSE | DEXT | IFCS | DATA_TYPE | EOP, popts])
    expect(bench.port.sent.map((one) => one.frame.length)).toEqual([header + 1000, header + 1000])
    expect(bench.port.sent.map((one) => one.frame[47])).toEqual([0x10, 0x19])
  })

  test('a check sequence of the guest’s own is cut off, a frame that is none is not sent', () => {
    const bench = new Bench().start()
    const sent = plain(60)
    bench.ram.set([...sent, ...checkSequence(sent)], DATA)
    bench.transmit([DATA, 0, 64 | EOP, 0])
    expect(bench.port.sent.map((one) => one.frame)).toEqual([sent])
    bench.transmit([DATA, 0, 5 | EOP | IFCS, 0], [DATA, 0, 0xffff | EOP | IFCS, 0])
    expect([bench.port.sent.length, bench.warnings.length]).toEqual([1, 2])
  })

  test('is fetched ahead of the wire by the packet buffer alone, and ends', () => {
    const bench = new Bench().start({ count: 64 })
    for (let i = 0; i < 63; i++) bench.view.setUint32(TX_RING + 16 * i + 8, 1500 | EOP | IFCS, true)
    bench.write(R.TDT, 63)
    bench.clock.advance(2000)
    const fetched = bench.read(R.TDH)
    expect(fetched).toBeGreaterThan(5)
    expect(fetched).toBeLessThan(16)
    bench.clock.advance(1e6)
    expect([bench.read(R.TDH), bench.port.sent.length]).toEqual([63, 63])
  })
})

describe('reception', () => {
  test('a frame with its check sequence, or without it', () => {
    const bench = new Bench().start({ rctl: R.RCTL_EN })
    const frame = plain(99)
    bench.arrive(frame)
    expect(bench.received(0)).toMatchObject({ length: 103, status: 0x07, errors: 0 })
    expect(bench.received(0).bytes).toEqual(Uint8Array.of(...frame, ...checkSequence(frame)))
    expect([bench.read(R.RDH), bench.level, bench.read(R.ICR)]).toEqual([1, true, R.ICR_RXT0])
    bench.write(R.RCTL, R.RCTL_EN | R.RCTL_SECRC)
    bench.arrive(frame)
    expect(bench.received(1).bytes).toEqual(frame)
    expect([bench.read(R.GPRC), bench.read(R.TPR)]).toEqual([2, 2])
  })

  test('goes on in the next descriptor where a buffer is full, and waits for descriptors', () => {
    const bench = new Bench().start({ rctl: R.RCTL_EN | R.RCTL_SECRC | (3 << 16) })
    bench.write(R.RDT, 2)
    bench.arrive(plain(600))
    expect([bench.read(R.RDH), bench.level]).toEqual([2, false])
    expect([bench.received(0), bench.received(1)].map(({ length, status }) => [length, status])).toEqual([
      [256, DD],
      [256, DD],
    ])
    bench.write(R.RDT, 5)
    bench.clock.advance(1e4)
    expect(bench.received(2)).toMatchObject({ length: 88, status: 0x07 })
    const stored = [0, 1, 2].flatMap((index) => [...bench.received(index).bytes])
    expect(stored).toEqual([...plain(600)])
    expect(bench.read(R.ICR) & R.ICR_RXT0).toBe(R.ICR_RXT0)
  })

  test('filters: own address, others’, broadcast, groups by hash, VLANs', () => {
    const bench = new Bench().start({ rctl: R.RCTL_EN | R.RCTL_SECRC })
    const accepts = (frame: Uint8Array) => {
      const before = bench.read(R.RDH)
      bench.arrive(frame)
      bench.write(R.RDT, (bench.read(R.RDH) + 15) % 16)
      return bench.read(R.RDH) !== before
    }
    const other = [2, 0, 0, 0, 0, 7]
    const all = [255, 255, 255, 255, 255, 255]
    const group = [0x33, 0x33, 0, 0, 0x12, 0x34]
    expect([MAC, other, all, group].map((to) => accepts(plain(60, to)))).toEqual([true, false, false, false])
    bench.write(R.RCTL, R.RCTL_EN | R.RCTL_SECRC | R.RCTL_BAM | R.RCTL_UPE)
    expect([other, all, group].map((to) => accepts(plain(60, to)))).toEqual([true, true, false])
    const hash = (0x3412 >> 4) & 0xfff
    bench.write(R.MTA + 4 * (hash >> 5), 1 << (hash & 31))
    expect([group, [0x33, 0x33, 0, 0, 0x12, 0x35]].map((to) => accepts(plain(60, to)))).toEqual([true, false])
    bench.write(R.RCTL, R.RCTL_EN | R.RCTL_SECRC | R.RCTL_MPE | R.RCTL_VFE)
    expect(accepts(plain(60, group))).toBe(true)
    const tagged = Uint8Array.of(...plain(12), 0x81, 0, 0x20, 0x2a, ...new Uint8Array(50))
    expect(accepts(tagged)).toBe(false)
    bench.write(R.VFTA + 4, 1 << 10)
    expect(accepts(tagged)).toBe(true)
  })

  test('takes a tag off and tells it', () => {
    const bench = new Bench().start()
    bench.write(R.CTRL, R.CTRL_DEFAULT | R.CTRL_VME)
    const tagged = Uint8Array.of(...plain(12), 0x81, 0, 0x20, 0x2a, ...new Uint8Array(50).fill(3))
    bench.arrive(tagged)
    expect(bench.received(0)).toMatchObject({ length: 62, status: 0x0f, special: 0x202a })
    expect([...bench.received(0).bytes.slice(10, 14)]).toEqual([...tagged.slice(10, 12), 3, 3])
  })

  test.each([
    ['TCP', { protocol: 6 }, 0x63],
    ['UDP', { protocol: 17 }, 0x63],
    ['TCP over IPv6', { version: 6 }, 0x23],
  ] as const)('checksums of %s, right and wrong', (_, kind, right) => {
    const bench = new Bench().start()
    bench.write(R.RXCSUM, R.RXCSUM_IPOFL | R.RXCSUM_TUOFL)
    const frame = internetFrame(kind)
    bench.arrive(frame)
    expect(bench.received(0)).toMatchObject({ status: right, errors: 0 })
    frame[frame.length - 1] ^= 1
    bench.arrive(frame)
    expect(bench.received(1)).toMatchObject({ status: right, errors: 0x20 })
    const four = internetFrame()
    four[22] ^= 1
    bench.arrive(four)
    expect(bench.received(2)).toMatchObject({ status: 0x63, errors: 0x40 })
    bench.arrive(four.subarray(0, 60)) // a datagram that is cut off
    expect(bench.received(3)).toMatchObject({ status: 0x07, errors: 0 })
  })

  test('long frames need LPE, and no descriptors at all fill the packet buffer, not the host', () => {
    const bench = new Bench().start()
    bench.arrive(plain(1519))
    expect([bench.read(R.RDH), bench.read(R.ROC)]).toEqual([0, 1])
    bench.write(R.RCTL, R.RCTL_EN | R.RCTL_LPE | R.RCTL_SECRC)
    bench.arrive(plain(9000))
    expect(bench.read(R.RDH)).toBe(5)
    bench.write(R.RDT, bench.read(R.RDH))
    for (let i = 0; i < 100; i++) bench.arrive(plain(1500))
    expect(bench.read(R.MPC)).toBeGreaterThan(60)
    expect(bench.read(R.ICR) & R.ICR_RXO).toBe(R.ICR_RXO)
  })

  test('in loop-back what is sent comes in, and nothing else does', () => {
    const bench = new Bench().start({ rctl: R.RCTL_EN | R.RCTL_SECRC | R.RCTL_LBM })
    bench.ram.set(plain(100), DATA)
    bench.transmit([DATA, 0, 100 | EOP | IFCS, 0])
    expect([bench.port.sent.length, bench.received(0).length]).toEqual([0, 100])
    bench.arrive(plain(100))
    expect(bench.read(R.RDH)).toBe(1)
  })
})

describe('interrupts', () => {
  test('by mask, cause and acknowledgement', () => {
    const bench = new Bench()
    bench.write(R.ICS, R.ICR_RXT0)
    expect(bench.level).toBe(false)
    bench.write(R.IMS, R.ICR_RXT0)
    expect([bench.level, bench.read(R.IMS)]).toEqual([true, R.ICR_RXT0])
    bench.write(R.IMC, R.ICR_RXT0)
    expect(bench.level).toBe(false)
    bench.write(R.IMS, R.ICR_RXT0)
    expect([bench.read(R.ICR), bench.level, bench.read(R.ICR)]).toEqual([R.ICR_RXT0, false, 0])
  })

  test('RDTR waits for silence, RADV no longer than it says, 0 not at all, FPD at once', () => {
    const bench = new Bench().start()
    bench.write(R.RDTR, 100)
    bench.write(R.RADV, 250)
    bench.arrive(plain(60))
    bench.clock.advance(100 * 1024 - 1)
    expect(bench.level).toBe(false)
    bench.clock.advance(1)
    expect(bench.level).toBe(true)
    bench.read(R.ICR)
    for (let i = 0; i < 3; i++) {
      bench.arrive(plain(60))
      bench.clock.advance(80 * 1024)
    }
    expect(bench.level).toBe(false)
    bench.arrive(plain(60))
    bench.clock.advance(10 * 1024)
    expect(bench.level).toBe(true)
    bench.read(R.ICR)
    bench.arrive(plain(60))
    bench.write(R.RDTR, 0x8000_0064)
    expect(bench.level).toBe(true)
    bench.read(R.ICR)
    bench.write(R.RDTR, 0)
    bench.arrive(plain(60))
    expect(bench.level).toBe(true)
  })

  test('TIDV delays what asks for it', () => {
    const bench = new Bench().start()
    bench.write(R.TIDV, 2000)
    bench.write(R.IMC, R.ICR_TXQE)
    bench.transmit([DATA, 0, 60 | EOP | IFCS | RS | IDE, 0])
    expect(bench.level).toBe(false)
    bench.clock.advance(1.1e6)
    expect(bench.read(R.ICR) & R.ICR_TXDW).toBe(R.ICR_TXDW)
    bench.transmit([DATA, 0, 60 | EOP | IFCS | RS, 0])
    expect(bench.level).toBe(true)
  })

  test('ITR keeps interrupts apart, and 0 does not', () => {
    const bench = new Bench().start()
    bench.write(R.ITR, 1000)
    const burst = () => {
      const before = bench.edges
      for (let i = 0; i < 100; i++) {
        bench.arrive(plain(60))
        bench.write(R.RDT, (bench.read(R.RDH) + 15) % 16)
        bench.clock.advance(10_000)
        if (bench.level) bench.read(R.ICR)
      }
      return bench.edges - before
    }
    expect(burst()).toBe(4)
    bench.write(R.ITR, 0)
    bench.clock.advance(1e6)
    bench.read(R.ICR)
    expect(burst()).toBe(100)
  })
})

describe('what nobody should do to it', () => {
  test('descriptors and rings that lie in its own registers', () => {
    const bench = new Bench().start()
    bench.transmit([SELF + R.TDT, 0, 60 | EOP | IFCS | RS, 0])
    bench.write(R.TDBAL, SELF + R.TDBAL)
    bench.write(R.TDT, 5)
    bench.clock.advance(1e7)
    bench.view.setUint32(RX_RING, SELF + R.CTRL, true)
    bench.arrive(plain(60))
    expect(bench.read(R.STATUS) & R.STATUS_LU).toBe(R.STATUS_LU)
    expect(bench.read(R.RDLEN)).toBe(256)
    bench.write(R.RDBAL, SELF + R.RDT)
    bench.arrive(plain(60))
    expect(bench.warnings.some((one) => one.includes('its own registers'))).toBe(true)
  })

  test.each([
    ['a ring of no length', R.TDLEN, 0, R.RDLEN, 0],
    ['a head behind the end', R.TDH, 16, R.RDH, 0xffff],
    ['a tail behind the end', R.TDT, 0x8000, R.RDT, 16],
  ])('%s moves nothing', (_, transmit, value, receive, other) => {
    const bench = new Bench().start()
    bench.write(R.TDT, 1)
    bench.write(transmit, value)
    bench.write(receive, other)
    bench.write(R.TCTL, R.TCTL_EN)
    bench.arrive(plain(60))
    bench.clock.advance(1e7)
    expect(bench.port.sent).toEqual([])
    expect(bench.ram.subarray(RX_RING, RX_RING + 16 * 16).filter((byte) => byte === 0x07)).toHaveLength(0)
  })

  test('contexts that fit nothing: offsets past the frame, no MSS, headers longer than the packet', () => {
    const bench = new Bench().start()
    const { frame, context, popts } = segments(1500)
    bench.ram.set(frame, DATA)
    const data = (length: number) => [DATA, 0, length | TSE | DEXT | IFCS | DATA_TYPE | EOP | RS, popts]
    for (const change of [
      [0, 0xffff_ffff],
      [1, 0xffff_ffff],
      [3, 0],
      [3, 0xff << 8],
      [3, 0xffff_ff00],
      [3, 1 << 16],
      [2, 0xffff_ffff],
    ]) {
      const broken = context.slice()
      broken[change[0]] = change[0] === 2 ? context[2] | 0xf_ffff : change[1]
      bench.transmit(broken, data(frame.length), data(20), data(0))
      // In mid-packet.
      bench.transmit(context, [DATA, 0, 1000 | TSE | DEXT | IFCS | DATA_TYPE, popts], broken, data(0xf_ffff))
    }
    bench.clock.advance(1e9)
    expect(bench.read(R.TDH)).toBe(bench.read(R.TDT))
    bench.transmit(context, data(frame.length))
    expect(faults(bench.port.sent.at(-1)?.frame as Uint8Array)).toEqual([])
  })

  test('a megabyte in segments of a byte is fetched as the wire takes it, and all of it goes out in order', () => {
    const bench = new Bench().start()
    const { frame, context, header, popts } = segments(2000, { mss: 1 })
    bench.ram.set(frame, DATA)
    const sequences = () =>
      bench.port.sent.map(({ frame: { buffer, byteOffset } }) => new DataView(buffer, byteOffset).getUint32(38))
    // Each takes the shortest frame's time, 672 ns.
    bench.transmit(context, [DATA, 0, frame.length | TSE | DEXT | IFCS | DATA_TYPE | EOP | RS, popts])
    expect(bench.port.sent.length).toBeLessThan(1700)
    bench.clock.advance(1e6)
    const [first] = sequences()
    expect(sequences()).toEqual(Array.from({ length: 2000 }, (_, i) => first + i))
    expect(bench.port.sent.every((one) => one.frame.length === 60)).toBe(true)
    expect(bench.read(R.TDH)).toBe(bench.read(R.TDT))
    // Segments that are too short to be frames take that time as well.
    bench.port.sent.length = 0
    bench.transmit(
      [context[0], context[1], context[2], (1 << 8) | (1 << 16)],
      [DATA, 0, 0xf_ffff | TSE | DEXT | IFCS | DATA_TYPE | EOP | RS, popts],
    )
    expect(bench.read(R.TDH)).not.toBe(bench.read(R.TDT))
    expect(header).toBe(54)
    expect(bench.port.sent).toEqual([])
  })

  test('a ring of the largest size whose descriptors hold nothing comes to its end in guest time', () => {
    const bench = new Bench().start({ count: 8 })
    bench.write(R.TDLEN, R.RING_LENGTH)
    bench.write(R.TDT, 0xfff0)
    bench.clock.advance(20e6)
    expect(bench.read(R.TDH)).toBe(0xfff0)
  })
})

describe('a copy goes on alike', () => {
  test.each([
    ['in the middle of a packet in segments', 1],
    ['with a frame half stored, an interrupt held back, and frames on the wire', 2],
  ])('%s', (_, which) => {
    const run = (isCopied: boolean) => {
      let bench = new Bench(new LoopbackPort(() => undefined)).start({ rctl: R.RCTL_EN | (3 << 16) })
      bench.write(R.ITR, 4000)
      const { frame, context, popts } = segments(2500)
      bench.ram.set(frame, DATA)
      const command = TSE | DEXT | IFCS | DATA_TYPE
      bench.arrive(plain(60))
      bench.read(R.ICR)
      if (which === 1) bench.transmit(context, [DATA, 0, 1500 | command, popts])
      else {
        bench.write(R.RDT, 3)
        bench.arrive(plain(1000))
        bench.port.receive?.(plain(500), bench.clock.now() + 5e6)
      }
      if (isCopied) {
        const saved = saveState(bench.card)
        const copy = new Bench()
        copy.clock.advance(bench.clock.now() - copy.clock.now())
        copy.ram.set(bench.ram)
        loadState(copy.card, structuredClone(saved))
        copy.clock.load(bench.clock.save())
        copy.level = bench.level
        copy.port.sent.push(...bench.port.sent)
        expect(saveState(copy.card)).toEqual(saved)
        bench = copy
      }
      if (which === 1) bench.transmit([DATA + 1500, 0, (frame.length - 1500) | command | EOP | RS, popts])
      else bench.write(R.RDT, 12)
      bench.clock.advance(20e6)
      const ram = createHash('sha256').update(bench.ram).digest('hex')
      return { sent: bench.port.sent, ram, level: bench.level, icr: bench.read(R.ICR) }
    }
    const original = run(false)
    expect(which === 1 ? original.sent.length : original.icr & R.ICR_RXT0).toBeGreaterThan(2)
    expect(run(true)).toEqual(original)
  })
})
