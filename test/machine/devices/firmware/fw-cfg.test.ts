import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../../../machine/clock.js'
import { FW_CFG, FwCfg } from '../../../../machine/devices/firmware/fw-cfg.js'
import { loadState, saveState } from '../../../../machine/state/state-table.js'
import { TestRam } from '../../firmware/ram.js'

const READ = 0x02
const SKIP = 0x04
const SELECT = 0x08
const WRITE = 0x10
const DESCRIPTOR = 0x100
const BUFFER = 0x1000

function machine() {
  const ram = new TestRam(0x40000)
  const warnings: string[] = []
  const clock = new ManualClock()
  const fwCfg = new FwCfg({ memory: ram, clock, warn: (what) => warnings.push(what) })
  const [selector, dma] = fwCfg.ports
  const select = (item: number): void => selector.write(0, item, 2)
  const bytes = (count: number): number[] => Array.from({ length: count }, () => selector.read(1, 1))
  const text = (count: number): string => String.fromCharCode(...bytes(count))
  const view = new DataView(ram.bytes.buffer)
  /** Runs a DMA operation and returns what is left in the control field. */
  const transfer = (control: number, length: number, address = BUFFER): number => {
    view.setUint32(DESCRIPTOR, control)
    view.setUint32(DESCRIPTOR + 4, length)
    view.setBigUint64(DESCRIPTOR + 8, BigInt(address))
    dma.write(0, 0, 4)
    dma.write(4, 0x00010000, 4) // 0x100, big-endian
    return view.getUint32(DESCRIPTOR)
  }
  return { ram, clock, warnings, fwCfg, selector, dma, select, bytes, text, transfer, view }
}

describe('fw_cfg selector and data registers', () => {
  test('give the signature and announce DMA', () => {
    const { select, text, bytes } = machine()
    expect(text(4)).toBe('QEMU') // selected after reset
    select(FW_CFG.ID)
    expect(bytes(5)).toEqual([3, 0, 0, 0, 0])
    select(FW_CFG.SIGNATURE)
    expect(text(4)).toBe('QEMU')
  })

  test('list the files big-endian with names and sizes, and give their contents', () => {
    const { fwCfg, select, bytes, text } = machine()
    fwCfg.addFile('etc/one', Uint8Array.of(1, 2, 3))
    fwCfg.addFile('opt/two', [Uint8Array.of(4), new Uint8Array(0), Uint8Array.of(5, 6)])
    select(FW_CFG.FILE_DIR)
    expect(bytes(4)).toEqual([0, 0, 0, 2])
    expect(bytes(8)).toEqual([0, 0, 0, 3, 0, 0x20, 0, 0])
    expect(text(56)).toBe('etc/one'.padEnd(56, '\0'))
    expect(bytes(8)).toEqual([0, 0, 0, 3, 0, 0x21, 0, 0])
    expect(text(56)).toBe('opt/two'.padEnd(56, '\0'))
    select(0x21)
    expect(bytes(4)).toEqual([4, 5, 6, 0])
  })

  test('read zeros beyond the end and from items that do not exist', () => {
    const { fwCfg, select, bytes, warnings } = machine()
    fwCfg.addInteger(FW_CFG.NB_CPUS, 2, 2)
    select(FW_CFG.NB_CPUS)
    expect(bytes(4)).toEqual([2, 0, 0, 0])
    select(0x3abc)
    expect(bytes(2)).toEqual([0, 0])
    expect(warnings).toEqual([])
  })

  test('accesses of a wrong width change nothing and are reported', () => {
    const { selector, dma, bytes, warnings, select } = machine()
    select(FW_CFG.SIGNATURE)
    selector.write(1, 0x19, 1)
    selector.write(0, 0x19, 1)
    expect(selector.read(0, 2)).toBe(0)
    dma.write(4, 0x01, 1)
    expect(bytes(1)).toEqual([0x51])
    expect(warnings).toHaveLength(4)
  })

  test('a file made on selection is made anew each time', () => {
    const { fwCfg, select, bytes } = machine()
    let count = 0
    const key = fwCfg.addFile('etc/count', { select: () => Uint8Array.of(++count) })
    select(key)
    expect(bytes(1)).toEqual([1])
    select(key)
    expect(bytes(1)).toEqual([2])
  })

  test('refuses file names that are taken or too long', () => {
    const { fwCfg } = machine()
    fwCfg.addFile('a', new Uint8Array(1))
    expect(() => fwCfg.addFile('a', new Uint8Array(1))).toThrow(RangeError)
    expect(() => fwCfg.addFile('x'.repeat(56), new Uint8Array(1))).toThrow(RangeError)
    expect(() => fwCfg.addFile('', new Uint8Array(1))).toThrow(RangeError)
  })
})

describe('fw_cfg DMA', () => {
  test('the address register reads "QEMU CFG"', () => {
    const { dma } = machine()
    const text = [0, 4].map((offset) => {
      const value = dma.read(offset, 4)
      return String.fromCharCode(value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, value >>> 24)
    })
    expect(text.join('')).toBe('QEMU CFG')
    expect(dma.read(5, 1)).toBe('C'.charCodeAt(0))
  })

  test('selects and reads in one operation, over several runs of bytes, and goes on where it was', () => {
    const { fwCfg, transfer, ram } = machine()
    const key = fwCfg.addFile('f', [Uint8Array.of(1, 2, 3), Uint8Array.of(4, 5), Uint8Array.of(6, 7, 8)])
    expect(transfer((key << 16) | SELECT | READ, 4)).toBe(0)
    expect([...ram.bytes.subarray(BUFFER, BUFFER + 5)]).toEqual([1, 2, 3, 4, 0])
    expect(transfer(READ, 3, BUFFER + 16)).toBe(0)
    expect([...ram.bytes.subarray(BUFFER + 16, BUFFER + 20)]).toEqual([5, 6, 7, 0])
  })

  test('skips, and mixes with the data register', () => {
    const { fwCfg, transfer, bytes } = machine()
    const key = fwCfg.addFile('f', Uint8Array.of(1, 2, 3, 4))
    expect(transfer((key << 16) | SELECT | SKIP, 2)).toBe(0)
    expect(bytes(1)).toEqual([3])
    expect(transfer(SKIP, 100)).toBe(0)
    expect(bytes(1)).toEqual([0])
  })

  test('fills with zeros what lies beyond the end', () => {
    const { fwCfg, transfer, ram } = machine()
    const key = fwCfg.addFile('f', Uint8Array.of(1, 2))
    ram.bytes.fill(0xee, BUFFER, BUFFER + 0x20000)
    expect(transfer((key << 16) | SELECT | READ, 0x12345)).toBe(0)
    expect([...ram.bytes.subarray(BUFFER, BUFFER + 3)]).toEqual([1, 2, 0])
    expect(ram.bytes[BUFFER + 0x12344]).toBe(0)
    expect(ram.bytes[BUFFER + 0x12345]).toBe(0xee)
  })

  test('writes a writable file and tells its owner; the array given in stays as it was', () => {
    const { fwCfg, transfer, ram, select, bytes } = machine()
    const original = Uint8Array.of(1, 2, 3, 4)
    const seen: number[][] = []
    const write = (offset: number, length: number, data: Uint8Array): void => {
      seen.push([offset, length, ...data])
    }
    const key = fwCfg.addFile('w', { data: original, write })
    ram.bytes.set([9, 8], BUFFER)
    transfer((key << 16) | SELECT | SKIP, 1)
    expect(transfer(WRITE, 2)).toBe(0)
    expect(seen).toEqual([[1, 2, 1, 9, 8, 4]])
    select(key)
    expect(bytes(4)).toEqual([1, 9, 8, 4])
    expect([...original]).toEqual([1, 2, 3, 4])
  })

  test('a write fails on a read-only file, beyond the end, and on no file', () => {
    const { fwCfg, transfer } = machine()
    const readOnly = fwCfg.addFile('r', Uint8Array.of(1, 2))
    const writable = fwCfg.addFile('w', { data: Uint8Array.of(1, 2), write: () => undefined })
    expect(transfer((readOnly << 16) | SELECT | WRITE, 2)).toBe(1)
    expect(transfer((writable << 16) | SELECT | WRITE, 3)).toBe(1)
    expect(transfer((0x3000 << 16) | SELECT | WRITE, 1)).toBe(1)
  })

  test('an operation with no verb, or an address out of this world, does no harm', () => {
    const { transfer, view, dma } = machine()
    expect(transfer(0, 0xffffffff)).toBe(0)
    view.setUint32(DESCRIPTOR, READ)
    view.setUint32(DESCRIPTOR + 4, 16)
    view.setBigUint64(DESCRIPTOR + 8, 0xffff_ffff_ffff_fff0n)
    dma.write(4, 0x00010000, 4)
    expect(view.getUint32(DESCRIPTOR)).toBe(1)
    dma.write(0, 0xffffffff, 4)
    expect(() => dma.write(4, 0, 4)).not.toThrow()
  })
})

describe('fw_cfg state', () => {
  test('a restore goes on in the middle of an item, between the halves of the DMA address', () => {
    const make = () => {
      const m = machine()
      const key = m.fwCfg.addFile('f', Uint8Array.of(1, 2, 3, 4))
      const writable = m.fwCfg.addFile('w', { data: Uint8Array.of(0, 0), write: () => undefined })
      return { ...m, key, writable }
    }
    const first = make()
    first.ram.bytes.set([7, 7], BUFFER)
    first.transfer((first.writable << 16) | SELECT | WRITE, 2)
    first.select(first.key)
    first.bytes(2)
    first.dma.write(0, 0x01000000, 4)
    const state = structuredClone(saveState(first.fwCfg))

    const second = make()
    loadState(second.fwCfg, state)
    expect(second.bytes(3)).toEqual([3, 4, 0])
    expect(saveState(second.fwCfg).dmaHigh).toBe(1)
    expect(second.fwCfg.contents('w')).toEqual(Uint8Array.of(7, 7))
    second.fwCfg.reset()
    expect(second.text(4)).toBe('QEMU')
    expect(saveState(second.fwCfg).dmaHigh).toBe(0)
  })

  test('what was made on selection is restored as the guest saw it', () => {
    let value = 1
    const make = () => {
      const m = machine()
      const key = m.fwCfg.addFile('f', { select: () => Uint8Array.of(value, value) })
      return { ...m, key }
    }
    const first = make()
    first.select(first.key)
    first.bytes(1)
    const state = structuredClone(saveState(first.fwCfg))
    value = 2
    const second = make()
    loadState(second.fwCfg, state)
    expect(second.bytes(1)).toEqual([1])
  })

  test('a restore with an unknown item selected reads zeros', () => {
    const first = machine()
    first.select(0x3000)
    const second = machine()
    loadState(second.fwCfg, structuredClone(saveState(first.fwCfg)))
    expect(second.bytes(2)).toEqual([0, 0])
  })
})
