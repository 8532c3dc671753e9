/** What the RTL8029 adds to the NE2000 that `ne2k-isa.test.ts` looks at. */
import { describe, expect, test } from 'vitest'
import { BROADCAST, frame, MAC } from '../card.js'
import { deaf, PciCard } from '../pci-bench.js'

/** As drivers start it: words, ring from 46h to 80h, all interrupts. */
function start(card: PciCard): PciCard {
  card.out(0, 0x21)
  for (const [register, value] of [
    ...[
      [14, 0x49],
      [10, 0],
      [11, 0],
      [12, 0x04],
      [13, 0],
      [1, 0x46],
      [2, 0x80],
      [3, 0x46],
      [7, 0xff],
      [15, 0x7f],
    ],
  ])
    card.out(register, value)
  card.out(0, 0x61)
  for (const [i, byte] of MAC.entries()) card.out(1 + i, byte)
  card.out(7, 0x47)
  card.out(0, 0x22)
  return card
}

function remote(card: PciCard, command: number, address: number, count: number): void {
  card.out(8, address & 0xff)
  card.out(9, address >> 8)
  card.out(10, count & 0xff)
  card.out(11, count >> 8)
  card.out(0, command)
}

describe('the RTL8029', () => {
  test('is there by its PCI numbers, with 32 ports', () => {
    const card = new PciCard('ne2k_pci')
    expect([card.config(0), card.config(8) >>> 8]).toEqual([0x8029_10ec, 0x020000])
    expect(card.config(0x10, 0xffff_ffff)).toBe(0xffff_ffe1)
  })

  test('says what it is, and has the medium in page 3, which is closed until 9346CR opens it', () => {
    const card = new PciCard('ne2k_pci')
    expect([card.in(10), card.in(11)]).toEqual([0x50, 0x43])
    card.out(0, 0xe1)
    expect([card.in(3), card.in(5), card.in(6), card.in(14), card.in(15)]).toEqual([0, 0x40, 0x40, 0x29, 0x80])
    card.out(6, 0)
    expect(card.in(6)).toBe(0x40)
    card.out(1, 0xc0)
    card.out(6, 0)
    expect(card.in(6)).toBe(0)
  })

  test('its data port takes doublewords', () => {
    const card = start(new PciCard('ne2k_pci'))
    remote(card, 0x12, 0x4000, 8)
    card.out(0x10, 0x44332211, 4)
    card.out(0x10, 0x88776655, 4)
    expect(card.in(7) & 0x40).toBe(0x40)
    remote(card, 0x0a, 0x4000, 8)
    expect([card.in(0x10, 4), card.in(0x10, 2), card.in(0x10, 2)]).toEqual([0x44332211, 0x6655, 0x8877])
  })

  test('a wide access to registers is one of each', () => {
    const card = start(new PciCard('ne2k_pci'))
    card.out(1, 0x6048, 2)
    card.out(0, 0xa2)
    expect(card.in(1, 2)).toBe(0x6048)
  })

  test('sends, receives, interrupts; and goes on alike after a load in mid-frame', () => {
    const one = start(new PciCard('ne2k_pci', deaf()))
    const sent = frame(BROADCAST, 100)
    remote(one, 0x12, 0x4000, 100)
    for (let i = 0; i < 100; i += 2) one.out(0x10, sent[i] | (sent[i + 1] << 8), 2)
    one.out(7, 0x40)
    one.out(4, 0x40)
    one.out(5, 100)
    one.out(6, 0)
    one.out(0, 0x26)
    one.port.receive?.(frame(MAC), 10_000)
    one.clock.advance(20_000)
    const two = new PciCard('ne2k_pci', deaf())
    two.clock.advance(20_000)
    two.load(one.save(), one)
    for (const card of [one, two]) {
      expect([card.level, card.in(7)]).toEqual([true, 1])
      card.clock.advance(1e6)
      expect([card.in(7), card.port.sent]).toEqual([3, [{ frame: sent, time: 124 * 800 }]])
      card.out(7, 3)
      expect(card.level).toBe(false)
    }
    expect(two.save()).toEqual(one.save())
  })
})
