import { describe, expect, test } from 'vitest'
import { e1000_82573l } from '../../../../../machine/devices/net/e1000/e1000-models.js'
import * as R from '../../../../../machine/devices/net/e1000/e1000-registers.js'
import { loadState, saveState } from '../../../../../machine/state/state-table.js'
import { Bench, internetFrame, MAC, RX_BUFFERS, RX_RING } from './e1000-bench.js'

const SPLIT_RING = 0x3000
const bench = () => new Bench(undefined, e1000_82573l)

/** A word of the flash memory, by EERD as on PCI Express. */
function word(card: Bench, at: number): number {
  card.write(R.EERD, (at << 2) | 1)
  const value = card.read(R.EERD)
  expect(value & 3).toBe(2)
  return value >>> 16
}

describe('the flash memory', () => {
  test('is there and has been read; its words have the address and a right sum', () => {
    const card = bench()
    expect(card.read(R.EECD) & 0x1_8300).toBe(0x1_8300)
    const words = Array.from({ length: 0x40 }, (_, at) => word(card, at))
    expect(words.slice(0, 3)).toEqual([0, 1, 2].map((i) => MAC[2 * i] | (MAC[2 * i + 1] << 8)))
    expect(words.reduce((sum, one) => sum + one, 0) & 0xffff).toBe(0xbaba)
    expect(words[0x0d]).toBe(0x109a)
    expect(word(card, 0x7ff)).toBe(0xffff)
  })

  test('is written by EEWR, which is always done, and committed at once', () => {
    const card = bench()
    expect(card.read(R.EEWR) & 2).toBe(2)
    card.write(R.EEWR, (0xcafe << 16) | (0x30 << 2) | 1)
    expect(word(card, 0x30)).toBe(0xcafe)
    card.write(R.EEWR, (0xcafe << 16) | (0x3fff << 2) | 1)
    card.write(R.EECD, card.read(R.EECD) | 0x8_0000)
    expect(card.read(R.EECD) & 0x8_0000).toBe(0)
  })
})

test('whoever reads the semaphore first has it, until it is given back', () => {
  const card = bench()
  expect(card.read(R.SWSM) & R.SWSM_SMBI).toBe(0)
  expect(card.read(R.SWSM) & R.SWSM_SMBI).toBe(R.SWSM_SMBI)
  card.write(R.SWSM, 0)
  expect(card.read(R.SWSM) & R.SWSM_SMBI).toBe(0)
})

test('the PHY is an 88E1111, and the bus is left when that is asked for', () => {
  const card = bench()
  card.write(R.MDIC, (2 << 26) | (1 << 21) | (3 << 16))
  expect(card.read(R.MDIC) & 0xfff0).toBe(0x0cc0)
  expect(card.read(R.STATUS) & R.STATUS_GIO_MASTER_ENABLE).toBe(R.STATUS_GIO_MASTER_ENABLE)
  card.write(R.CTRL, card.read(R.CTRL) | R.CTRL_GIO_MASTER_DISABLE)
  expect(card.read(R.STATUS) & R.STATUS_GIO_MASTER_ENABLE).toBe(0)
})

test('the packet buffer has 32 KiB, of which receivers have what PBA says', () => {
  const card = bench()
  expect(card.read(R.PBA)).toBe((12 << 16) | 20)
  card.write(R.PBA, 63)
  expect(card.read(R.PBA)).toBe((8 << 16) | 24)
})

describe('interrupts', () => {
  test('a read of ICR masks what IAM names, and says that something was asserted', () => {
    const card = bench().start()
    card.write(R.CTRL_EXT, R.CTRL_EXT_IAME)
    card.write(R.IAM, 0xffff_ffff)
    card.write(R.ICS, R.ICR_LSC)
    expect(card.level).toBe(true)
    expect(card.read(R.ICR)).toBe((R.ICR_INT_ASSERTED | R.ICR_LSC) >>> 0)
    expect([card.level, card.read(R.IMS)]).toEqual([false, 0])
    card.write(R.ICS, R.ICR_LSC)
    expect(card.level).toBe(false)
    card.write(R.IMS, R.ICR_LSC)
    expect(card.level).toBe(true)
  })

  test('what is masked alone is no interrupt, and stays', () => {
    const card = bench()
    card.write(R.IMS, R.ICR_LSC)
    card.write(R.ICS, R.ICR_RXT0)
    expect([card.read(R.ICR), card.read(R.ICR)]).toEqual([R.ICR_RXT0, R.ICR_RXT0])
    card.write(R.IMC, 0xffff_ffff)
    expect([card.read(R.ICR), card.read(R.ICR)]).toEqual([R.ICR_RXT0, 0])
  })
})

describe('descriptors', () => {
  test('extended: status, errors and length in other places, and the number of the datagram', () => {
    const card = bench().start()
    card.write(R.RFCTL, R.RFCTL_EXTEN)
    card.write(R.RXCSUM, R.RXCSUM_TUOFL | R.RXCSUM_IPOFL)
    const [right, wrong] = [internetFrame(), internetFrame({ protocol: 17 })]
    wrong[60] ^= 1
    card.arrive(right)
    card.arrive(wrong)
    const at = (n: number, offset: number) => RX_RING + 16 * n + offset
    expect(card.view.getUint32(at(0, 8), true)).toBe(0x63)
    expect(card.view.getUint16(at(0, 12), true)).toBe(right.length)
    expect(card.view.getUint16(at(0, 4), true)).toBe(0x1234)
    expect(card.ram.slice(RX_BUFFERS, RX_BUFFERS + right.length)).toEqual(right)
    // UDP says so, and its sum is wrong.
    expect(card.view.getUint32(at(1, 8), true)).toBe(0x2000_0073)
    expect(card.read(R.RDH)).toBe(2)
  })

  test('split: a frame goes on in the next buffer, and a descriptor without any is used up', () => {
    const card = bench().start({
      rctl: R.RCTL_EN | R.RCTL_BAM | R.RCTL_SECRC | R.RCTL_LPE | R.RCTL_DTYP_SPLIT,
    })
    card.write(R.RFCTL, R.RFCTL_EXTEN)
    card.write(R.PSRCTL, 2 | (1 << 8) | (1 << 16) | (1 << 24))
    card.write(R.RDBAL, SPLIT_RING)
    card.write(R.RDLEN, 8 * 32)
    card.write(R.RDT, 6)
    const addresses = [0, 1, 2, 3].map((n) => RX_BUFFERS + 0x1000 * n)
    for (const [n, address] of addresses.entries()) card.view.setUint32(SPLIT_RING + 8 * n, address, true)
    const frame = internetFrame({ payload: Uint8Array.from({ length: 2000 }, (_, i) => i * 7) })
    card.arrive(frame)
    expect(card.view.getUint32(SPLIT_RING + 8, true) & 3).toBe(3)
    const lengths = [12, 18, 20, 22].map((offset) => card.view.getUint16(SPLIT_RING + offset, true))
    expect(lengths).toEqual([256, 1024, frame.length - 1280, 0])
    const stored = addresses.flatMap((address, n) => [...card.ram.subarray(address, address + lengths[n])])
    expect(Uint8Array.from(stored)).toEqual(frame)
    card.write(R.PSRCTL, 0)
    card.arrive(frame)
    expect(card.read(R.RDH)).toBe(card.read(R.RDT))
  })
})

test('a copy has the semaphore, the mask and the flash memory', () => {
  const card = bench().start()
  card.read(R.SWSM)
  card.write(R.EEWR, (0xcafe << 16) | (0x30 << 2) | 1)
  const copy = bench()
  loadState(copy.card, saveState(card.card))
  expect([copy.read(R.SWSM) & 1, word(copy, 0x30), copy.read(R.IMS)]).toEqual([1, 0xcafe, R.ICR_BITS])
})
