import { beforeEach, describe, expect, test } from 'vitest'
import { AtaDisk } from '../../../../machine/devices/storage/ata-disk.js'
import { AtapiCd } from '../../../../machine/devices/storage/atapi-cd.js'
import { MemoryMedium } from '../../../../machine/media/memory.js'
import { PciCard } from '../net/pci-bench.js'

const [CI, CMD, IS, TFD] = [0x38, 0x18, 0x10, 0x20]
const START = 0x11
const [READ_DMA_EXT, PACKET] = [0x25, 0xa0]
const [DISK, CD] = [0, 1]
const list = (port: number) => 0x1_0000 + 0x400 * port
const table = (slot: number) => 0x2_0000 + 0x100 * slot
const DATA = 0x4_0000

let disk: MemoryMedium
let card: PciCard

function make(): PciCard {
  const drives = [new AtaDisk({ medium: disk }), new AtapiCd({ medium: new MemoryMedium(1 << 20) })]
  return new PciCard('ahci', undefined, 5, {}, () => undefined, { sata: { drives } })
}

const at = (port: number, register: number) => 0x100 + 0x80 * port + register
const read = (port: number, register: number, from = card) => from.readMmio(at(port, register), 4)
const write = (port: number, register: number, value: number) => card.writeMmio(at(port, register), value >>> 0, 4)

beforeEach(() => {
  disk = new MemoryMedium(1 << 20)
  for (let i = 0; i < disk.size; i++) disk.data[i] = (i * 7 + (i >> 9)) & 0xff
  card = make()
  for (const port of [DISK, CD]) {
    write(port, 0, list(port))
    write(port, 8, 0x1_8000 + 0x100 * port)
    write(port, CMD, START)
  }
})

/** A command of so many sectors into DATA, in a slot of the port's list. */
function put(port: number, slot: number, command: number, { features = 0, sector = 0, sectors = 1 } = {}): void {
  card.poke32(list(port) + 32 * slot, 5 | (1 << 16), 0, table(slot), 0)
  card.poke(table(slot), [0x27, 0x80, command, features, sector, 0, 0, 0xe0, 0, 0, 0, 0, sectors, 0])
  card.poke32(table(slot) + 0x80, DATA + 512 * slot, 0, 0, 512 * sectors - 1)
}

test('the disk’s sectors come to where the table says', () => {
  put(DISK, 0, READ_DMA_EXT, { sector: 3 })
  write(DISK, CI, 1)
  card.clock.advance(1e6)
  expect(read(DISK, CI)).toBe(0)
  expect(card.peek(DATA, 512)).toEqual([...disk.data.subarray(1536, 2048)])
})

describe('a command that ends in an error', () => {
  beforeEach(() => {
    // An overlapped packet, which the drive refuses at once.
    put(CD, 4, PACKET, { features: 2 })
    put(CD, 5, 0xa1)
    write(CD, CI, 0x30)
  })

  test('holds the ones behind it until the driver stops the port', () => {
    expect(read(CD, CI)).toBe(0x30)
    expect(read(CD, IS) >>> 30).toBe(1)
    expect(read(CD, TFD) & 1).toBe(1)
    card.clock.advance(1e6)
    write(CD, CI, 0x40)
    expect(read(CD, CI)).toBe(0x70)
    write(CD, CMD, 0x10)
    expect(read(CD, CI)).toBe(0)
    write(CD, CMD, START)
    write(CD, CI, 0x20)
    card.clock.advance(1e6)
    expect([read(CD, CI), read(CD, TFD) & 1]).toEqual([0, 0])
    expect(card.peek32(DATA + 512 * 5)).not.toBe(0)
  })

  test('holds them in a copy, too', () => {
    const copy = make()
    copy.load(card.save(), card)
    write(CD, CI, 0x40)
    copy.writeMmio(at(CD, CI), 0x40, 4)
    for (const one of [card, copy]) one.clock.advance(1e6)
    expect(read(CD, CI, copy)).toBe(0x70)
    expect(copy.save()).toEqual(card.save())
  })
})

test('the last slot is saved while its command is under way', () => {
  put(DISK, 31, READ_DMA_EXT, { sectors: 2 })
  write(DISK, CI, 0x8000_0000)
  expect(read(DISK, CI)).toBe(0x8000_0000)
  const copy = make()
  copy.load(card.save(), card)
  copy.clock.advance(1e6)
  expect(read(DISK, CI, copy)).toBe(0)
  expect(copy.peek(DATA + 512 * 31, 1024)).toEqual([...disk.data.subarray(0, 1024)])
})
