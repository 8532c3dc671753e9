import { describe, expect, test } from 'vitest'
import { parseDevice } from '../../../../machine/devices/catalogue.js'
import type { NetworkPort } from '../../../../machine/network/port.js'
import { internetFrame, MAC, pseudoHeader, sum } from '../net/e1000/e1000-bench.js'
import { Driver } from './driver.js'

const CSUM = 0
const GUEST_CSUM = 1
const GUEST_TSO4 = 7
const GUEST_TSO6 = 8
const HOST_TSO4 = 11
const MRG_RXBUF = 15
const CTRL_VQ = 17
const CTRL_RX = 18
const CTRL_VLAN = 19
const EVENT_IDX = 29
const INDIRECT = 28

const BOTH = [
  ['legacy', false],
  ['modern', true],
] as const
const header = (isMerged: boolean, bytes: number[] = []) =>
  Uint8Array.from({ length: isMerged ? 12 : 10 }, (_, i) => bytes[i] ?? 0)
const plain = (length: number, to: readonly number[] = MAC) =>
  Uint8Array.from({ length }, (_, i) => to[i] ?? (i === 12 ? 0x12 : (i * 7) & 0xff))

describe.each(BOTH)('the %s interface', (_, isModern) => {
  test('address and link in the configuration, and a change of the link is told', () => {
    const driver = new Driver('virtio-net-pci', isModern)
    const { card } = driver.start([], 2)
    expect(Array.from({ length: 6 }, (_, i) => driver.configuration(i))).toEqual(MAC)
    expect(driver.configuration(6)).toBe(1)
    driver.port.link = false
    expect([driver.configuration(6), card.level, driver.isr(), card.level]).toEqual([0, true, 2, false])
  })

  test('a frame goes out and its buffer comes back', () => {
    const driver = new Driver('virtio-net-pci', isModern).start([], 2)
    const head = driver.add(1, [header(isModern), plain(100)])
    expect(driver.port.sent.map(({ frame }) => frame)).toEqual([plain(100)])
    expect([driver.given(1), driver.card.level, driver.isr()]).toEqual([[{ head, written: 0 }], true, 1])
  })

  test('a frame comes in, or waits until there is a buffer', () => {
    const driver = new Driver('virtio-net-pci', isModern).start([], 2)
    driver.card.arrive(plain(60))
    driver.card.clock.advance(1e5)
    expect(driver.given(0)).toEqual([])
    const head = driver.add(0, [], [12, 1600])
    const [got] = driver.given(0)
    expect(got).toEqual({ head, written: isModern ? 72 : 70 })
    expect(driver.contents(got).slice(isModern ? 12 : 10)).toEqual([...plain(60)])
  })

  test('one frame in several buffers, or none where one is too short', () => {
    const driver = new Driver('virtio-net-pci', isModern).start([MRG_RXBUF], 2)
    for (let i = 0; i < 4; i++) driver.add(0, [], [100])
    driver.card.arrive(plain(250))
    driver.card.clock.advance(1e5)
    const got = driver.given(0)
    expect(got.map(({ written }) => written)).toEqual([100, 100, 62])
    const bytes = got.flatMap((one) => driver.contents(one))
    expect(bytes.slice(10, 12)).toEqual([3, 0])
    expect(bytes.slice(12)).toEqual([...plain(250)])
    driver.start([], 2)
    driver.add(0, [], [100])
    driver.card.arrive(plain(250))
    driver.card.clock.advance(1e5)
    expect(driver.given(0)).toMatchObject([{ written: 0 }])
  })

  test.each([4, 6])(
    'TCP segments of IPv%i in one piece, for a driver that takes those, over several buffers',
    (version) => {
      const driver = new Driver('virtio-net-pci', isModern)
      const port: NetworkPort = driver.port
      driver.start([GUEST_CSUM, MRG_RXBUF], 2)
      const piece = internetFrame({ payload: new Uint8Array(3000).fill(7), version })
      expect(port.longest?.()).toBe(1518)
      driver.add(0, [], [4000])
      driver.card.arrive(piece)
      driver.card.clock.advance(1e5)
      expect(driver.given(0)).toEqual([])
      driver.start([GUEST_CSUM, GUEST_TSO4, GUEST_TSO6, MRG_RXBUF], 2)
      expect(port.longest?.()).toBe(65549)
      for (let i = 0; i < 2; i++) driver.add(0, [], [2000])
      driver.card.arrive(piece)
      driver.card.clock.advance(1e5)
      const bytes = driver.given(0).flatMap((one) => driver.contents(one))
      const transport = version === 4 ? 34 : 54
      const headers = transport + 20
      const word = (value: number) => [value & 0xff, value >>> 8]
      const described = [headers, 1514 - headers, transport, 16, 2].flatMap(word)
      expect(bytes.slice(0, 12)).toEqual([1, version === 4 ? 1 : 4, ...described])
      // With the pseudo-header's sum where the checksum goes, as for a packet that is to be cut up.
      const expected = [...piece]
      const start = pseudoHeader(piece, 3020)
      expected.splice(transport + 16, 2, start >>> 8, start & 0xff)
      expect(bytes.slice(12)).toEqual(expected)
    },
  )

  test('event indices: an interrupt when the driver’s is passed, and not before', () => {
    const driver = new Driver('virtio-net-pci', isModern).start([EVENT_IDX], 2)
    const { card } = driver
    const event = driver.available(1) + 4 + 2 * (isModern ? 8 : 256)
    card.poke(event, [1, 0])
    driver.add(1, [header(isModern), plain(60)])
    expect(card.level).toBe(false)
    driver.add(1, [header(isModern), plain(60)])
    expect(card.level).toBe(true)
  })

  test('a table of descriptors; one in another, or that is no table, makes the device need a reset', () => {
    const driver = new Driver('virtio-net-pci', isModern).start([INDIRECT], 2)
    const { card } = driver
    const [TABLE, HEADER, FRAME] = [0xa0000, 0xa1000, 0xa2000]
    card.poke(FRAME, plain(80))
    card.poke32(TABLE, HEADER, 0, isModern ? 12 : 10, 1 | (1 << 16), FRAME, 0, 80, 0)
    driver.descriptor(1, 7, TABLE, 32, 4)
    driver.offer(1, 7)
    expect(driver.port.sent.map(({ frame }) => frame)).toEqual([plain(80)])
    driver.descriptor(1, 7, TABLE, 33, 4)
    driver.offer(1, 7)
    expect(driver.status() & 0x40).toBe(isModern ? 0x40 : 0)
    driver.descriptor(1, 7, TABLE, 32, 4)
    driver.offer(1, 7)
    expect(driver.port.sent).toHaveLength(1)
    driver.start([], 2)
    driver.add(1, [header(isModern), plain(100)])
    expect(driver.port.sent).toHaveLength(2)
  })

  test.each([
    ['a chain without an end', (driver: Driver) => driver.descriptor(1, 0, 0x50000, 16, 1, 0), 0],
    ['an index that is none', (driver: Driver) => driver.descriptor(1, 0, 0x50000, 16, 1, 999), 0],
    ['a head that is none', () => {}, 9999],
    [
      'a buffer to read behind one to write',
      (driver: Driver) => {
        driver.descriptor(1, 0, 0x50000, 16, 3, 1)
        driver.descriptor(1, 1, 0x50000, 16, 0)
      },
      0,
    ],
  ])('%s ends the device’s work, not the host’s', (_, prepare, head) => {
    const driver = new Driver('virtio-net-pci', isModern).start([], 2)
    prepare(driver)
    driver.offer(1, head)
    expect(driver.card.warnings.some((one) => one.includes('needs a reset'))).toBe(true)
    driver.card.poke(driver.available(1) + 2, [0xff, 0x7f])
    driver.start([], 2)
    driver.card.poke(driver.available(1) + 2, [0xff, 0x7f])
    driver.notify(1)
    expect(driver.card.warnings.some((one) => one.includes('chains are in a ring'))).toBe(true)
    driver.start([], 2)
    driver.add(1, [header(isModern), plain(100)])
    expect(driver.port.sent).toHaveLength(1)
  })

  test('a copy goes on alike: frames that wait, one on the wire, a queue that is not served yet', () => {
    const driver = new Driver('virtio-net-pci', isModern).start([MRG_RXBUF], 2)
    const copy = new Driver('virtio-net-pci', isModern)
    driver.add(0, [], [100])
    driver.card.arrive(plain(250))
    driver.port.receive?.(plain(60), driver.card.clock.now() + 5e4)
    copy.start([], 2)
    copy.card.clock.advance(driver.card.clock.now() - copy.card.clock.now())
    copy.card.load(driver.card.save(), driver.card)
    copy.card.clock.load(driver.card.clock.save())
    for (const { card } of [driver, copy]) {
      card.poke(driver.available(0) + 4, [0, 0, 1, 0, 2, 0, 3, 0])
      for (let i = 0; i < 4; i++)
        driver.descriptor.call({ card } as unknown as Driver, 0, i, 0x60000 + 2048 * i, 200, 2)
      card.poke(driver.available(0) + 2, [4, 0])
      card.clock.advance(1e6)
      if (isModern) card.writeMmio(0x3000, 0, 2)
      else card.out(0x10, 0, 2)
      card.clock.advance(1e6)
    }
    expect(copy.card.save()).toEqual(driver.card.save())
    const used = (one: Driver) => one.card.peek(driver.used(0), 40)
    expect(used(copy)).toEqual(used(driver))
    expect(used(driver)[2]).toBe(3)
  })
})

describe('offloads', () => {
  test('a checksum that the driver leaves to the card', () => {
    const driver = new Driver('virtio-net-pci', true).start([CSUM], 2)
    const right = internetFrame()
    const frame = right.slice()
    new DataView(frame.buffer).setUint16(50, pseudoHeader(frame, frame.length - 34))
    driver.add(1, [header(true, [1, 0, 0, 0, 0, 0, 34, 0, 16, 0]), frame])
    expect(driver.port.sent[0].frame).toEqual(right)
  })

  test('TCP in segments; what is no TCP is not sent', () => {
    const driver = new Driver('virtio-net-pci', true).start([CSUM, HOST_TSO4], 2)
    const payload = Uint8Array.from({ length: 2500 }, (_, i) => i & 0xff)
    const frame = internetFrame({ payload })
    const gso = header(true, [1, 1, 54, 0, 0xe8, 0x03, 34, 0, 16, 0])
    driver.add(1, [gso, frame])
    const sent = driver.port.sent.map((one) => one.frame)
    expect(sent.map((one) => one.length)).toEqual([1054, 1054, 554])
    expect(sent.flatMap((one) => [...one.subarray(54)])).toEqual([...payload])
    for (const one of sent) {
      expect(sum(one.subarray(14, 34))).toBe(0xffff)
      expect(sum(one.subarray(34), pseudoHeader(one, one.length - 34))).toBe(0xffff)
    }
    for (const broken of [
      internetFrame({ payload, protocol: 17 }),
      frame.subarray(0, 40),
      Uint8Array.from(frame, (byte, i) => (i === 46 ? 0xf0 : byte)).subarray(0, 80),
    ]) {
      driver.add(1, [gso, broken])
      expect(driver.given(1)).not.toEqual([])
    }
    driver.add(1, [header(true, [1, 1, 54, 0, 0, 0, 34, 0, 16, 0]), frame])
    expect([driver.port.sent.length, driver.given(1).length]).toEqual([3, 1])
  })

  test('frames whose checksums are right are said to be so', () => {
    const driver = new Driver('virtio-net-pci', true).start([GUEST_CSUM], 2)
    const frame = internetFrame()
    const flags = () => {
      driver.add(0, [], [1600])
      driver.card.arrive(frame)
      driver.card.clock.advance(1e5)
      return driver.contents(driver.given(0)[0])[0]
    }
    expect(flags()).toBe(2)
    frame[60] ^= 1
    expect(flags()).toBe(0)
  })
})

describe('the control queue', () => {
  test('modes, addresses and VLANs say what comes in', () => {
    const driver = new Driver('virtio-net-pci', true).start([CTRL_VQ, CTRL_RX, CTRL_VLAN], 3)
    const command = (...bytes: number[]) => {
      driver.start([CTRL_VQ, CTRL_RX, CTRL_VLAN], 3)
      return run(...bytes)
    }
    const run = (...bytes: number[]) => {
      driver.add(2, [bytes.slice(0, 2), bytes.slice(2)], [1])
      return driver.contents(driver.given(2)[0])[0]
    }
    const takes = (to: number[], frame = plain(60, to)) => {
      driver.add(0, [], [1600])
      driver.card.arrive(frame)
      driver.card.clock.advance(1e5)
      return driver.given(0).length === 1
    }
    const other = [2, 0, 0, 0, 0, 7]
    const group = [0x33, 0x33, 0, 0, 0, 1]
    const tagged = Uint8Array.of(...MAC, ...other, 0x81, 0, 0, 42, ...new Uint8Array(50))
    expect(takes(other)).toBe(true) // promiscuous until it is told
    expect(command(0, 0, 0)).toBe(0)
    expect([takes(MAC), takes(other), takes(group), takes(Array(6).fill(255))]).toEqual([true, false, false, true])
    command(0, 0, 0)
    expect(run(1, 0, 1, 0, 0, 0, ...other, 1, 0, 0, 0, ...group)).toBe(0)
    expect([takes(other), takes(group)]).toEqual([true, true])
    command(0, 0, 0)
    expect(takes(MAC, tagged)).toBe(false)
    expect(run(2, 0, 42, 0)).toBe(0)
    expect(takes(MAC, tagged)).toBe(true)
    expect(command(9, 9, 1)).toBe(1)
    expect(run(1, 0, 255, 255, 255, 255)).toBe(1)
    expect(run(2, 0, 0xff, 0xff)).toBe(1)
  })
})

describe('what nobody should do to it', () => {
  test('queues and buffers in its own registers', () => {
    const driver = new Driver('virtio-net-pci', true).start([], 2)
    driver.descriptor(1, 0, 0xe000_0000, 0x4000, 0)
    driver.offer(1, 0)
    driver.descriptor(0, 0, 0xe000_0000, 0x4000, 2)
    driver.offer(0, 0)
    driver.card.arrive(plain(1000))
    driver.card.clock.advance(1e6)
    expect(driver.status()).toBe(0xf)
    expect(driver.card.warnings.some((one) => one.includes('its own registers'))).toBe(true)
  })

  test('features that were not offered, or none of virtio 1, are not agreed with', () => {
    const { card } = new Driver('virtio-net-pci', true)
    for (const [word, bits] of [
      [0, 1 << 31],
      [1, 0],
    ]) {
      card.writeMmio(0x14, 0, 1)
      card.writeMmio(8, 1, 4)
      card.writeMmio(12, 1, 4)
      card.writeMmio(8, word, 4)
      card.writeMmio(12, bits >>> 0, 4)
      card.writeMmio(0x14, 0xb, 1)
      expect(card.readMmio(0x14, 1)).toBe(3)
    }
  })

  test('its registers by the window in configuration space', () => {
    const { card } = new Driver('virtio-net-pci', true)
    let at = card.config(0x34) & 0xff
    while ((card.config(at) >>> 24) & 0xff ? ((card.config(at) >>> 24) & 0xff) !== 5 : true)
      at = (card.config(at) >> 8) & 0xff
    card.config(at + 4, 4)
    card.config(at + 8, 0x2000)
    card.config(at + 12, 4)
    expect(card.config(at + 16)).toBe(0x1200_5452)
    card.config(at + 8, 0x14)
    card.config(at + 12, 1)
    card.config(at + 16, 3)
    expect(card.readMmio(0x14, 1)).toBe(3)
    card.config(at + 12, 3)
    expect(() => card.config(at + 16)).not.toThrow()
  })

  test('both interfaces left out is an error in a sentence', () => {
    const options = { 'disable-legacy': 'on', 'disable-modern': 'on' }
    expect(() => parseDevice({ type: 'virtio-net-pci', options })).toThrow(/no interface at all/)
  })
})
