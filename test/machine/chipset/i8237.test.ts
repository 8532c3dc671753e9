import { describe, expect, test, vi } from 'vitest'
import { I8237Pair } from '../../../machine/chipset/i8237.js'
import type { PhysicalMemory } from '../../../machine/device.js'
import { loadState, saveState } from '../../../machine/state/state-table.js'

function setup() {
  const ram = new Uint8Array(0x400000)
  const memory = {
    read: (address: number, into: Uint8Array) => into.set(ram.subarray(address, address + into.length)),
    write: (address: number, from: Uint8Array) => ram.set(from, address),
  } as PhysicalMemory
  const warn = vi.fn()
  const postCode = vi.fn()
  const dma = new I8237Pair({ memory, warn, postCode })
  const range = (port: number) => dma.ports.find((r) => port >= r.base && port < r.base + r.count)
  const out = (port: number, value: number) => {
    const r = range(port)
    r?.write(port - r.base, value, 1)
  }
  const inp = (port: number) => {
    const r = range(port)
    return r ? r.read(port - r.base, 1) : -1
  }
  /** Programs channel 2 as a floppy driver does. */
  const floppy = (mode: number, address: number, bytes: number) => {
    out(0x0a, 0x06)
    out(0x0c, 0)
    out(0x0b, mode)
    out(0x04, address & 0xff)
    out(0x04, (address >> 8) & 0xff)
    out(0x81, address >> 16)
    out(0x05, (bytes - 1) & 0xff)
    out(0x05, (bytes - 1) >> 8)
    out(0x0a, 0x02)
  }
  const bytes = (...values: number[]) => Uint8Array.from(values)
  return { ram, dma, out, inp, floppy, bytes, warn, postCode }
}

describe('byte channels', () => {
  test('a floppy read ends with terminal count and masks the channel', () => {
    const { ram, dma, inp, floppy } = setup()
    floppy(0x46, 0x21000, 512)
    const sector = new Uint8Array(600).map((_, i) => i)
    expect(dma.channel(2).write(sector)).toEqual({ transferred: 512, terminalCount: true })
    expect(ram.subarray(0x21000, 0x21200)).toEqual(sector.subarray(0, 512))
    expect(ram[0x21200]).toBe(0)
    expect(inp(0x08)).toBe(0x04)
    expect(inp(0x08)).toBe(0)
    expect([inp(0x05), inp(0x05)]).toEqual([0xff, 0xff])
    expect(dma.channel(2).write(sector)).toEqual({ transferred: 0, terminalCount: false })
  })

  test('bursts add up, and address and count can be watched', () => {
    const { dma, inp, floppy, bytes } = setup()
    floppy(0x46, 0x10ffe, 16)
    expect(dma.channel(2).write(bytes(1, 2, 3)).terminalCount).toBe(false)
    expect([inp(0x04), inp(0x04), inp(0x05), inp(0x05)]).toEqual([0x01, 0x10, 12, 0])
    expect(dma.channel(2).remaining).toBe(13)
  })

  test('the address wraps in its 64 KiB page', () => {
    const { ram, dma, floppy, bytes } = setup()
    floppy(0x46, 0x2fffe, 4)
    dma.channel(2).write(bytes(1, 2, 3, 4))
    expect([ram[0x2fffe], ram[0x2ffff], ram[0x20000], ram[0x20001]]).toEqual([1, 2, 3, 4])
    expect(ram[0x30000]).toBe(0)
  })

  test('memory to device', () => {
    const { ram, dma, floppy } = setup()
    ram.set([5, 6, 7], 0x5000)
    floppy(0x4a, 0x5000, 3)
    const into = new Uint8Array(3)
    expect(dma.channel(2).read(into)).toEqual({ transferred: 3, terminalCount: true })
    expect(Array.from(into)).toEqual([5, 6, 7])
  })

  test('verify counts without touching memory', () => {
    const { ram, dma, floppy, bytes, warn } = setup()
    floppy(0x42, 0x5000, 4)
    expect(dma.channel(2).write(bytes(1, 2, 3, 4))).toEqual({ transferred: 4, terminalCount: true })
    expect(ram[0x5000]).toBe(0)
    expect(warn).not.toHaveBeenCalled()
  })

  test('a transfer against the mode’s direction is reported and leaves memory alone', () => {
    const { ram, dma, floppy, bytes, warn } = setup()
    floppy(0x4a, 0x5000, 4)
    dma.channel(2).write(bytes(1, 2, 3, 4))
    expect(ram[0x5000]).toBe(0)
    expect(warn).toHaveBeenCalledOnce()
  })

  test('auto-initialize starts over and stays unmasked', () => {
    const { ram, dma, floppy, bytes } = setup()
    floppy(0x56, 0x5000, 2)
    expect(dma.channel(2).write(bytes(1, 2, 3))).toEqual({ transferred: 2, terminalCount: true })
    expect(dma.channel(2).write(bytes(9))).toEqual({ transferred: 1, terminalCount: false })
    expect([ram[0x5000], ram[0x5001]]).toEqual([9, 2])
  })

  test('decrementing address', () => {
    const { ram, dma, floppy, bytes } = setup()
    floppy(0x66, 0x5001, 3)
    dma.channel(2).write(bytes(1, 2, 3))
    expect([ram[0x4fff], ram[0x5000], ram[0x5001]]).toEqual([3, 2, 1])
  })
})

describe('word channels', () => {
  test('count and address are words, and bit 0 of the page does not count', () => {
    const { ram, dma, out } = setup()
    out(0xd4, 0x05)
    out(0xd8, 0)
    out(0xd6, 0x45)
    out(0xc4, 0x00)
    out(0xc4, 0x80) // word 8000h: byte 10000h of the 128 KiB page
    out(0x8b, 0x03)
    out(0xc6, 1)
    out(0xc6, 0)
    out(0xd4, 0x01)
    const data = Uint8Array.from([1, 2, 3, 4, 5])
    expect(dma.channel(5).write(data)).toEqual({ transferred: 4, terminalCount: true })
    expect(Array.from(ram.subarray(0x30000, 0x30005))).toEqual([1, 2, 3, 4, 0])
  })
})

describe('controller', () => {
  test('master clear masks everything; unmasking wakes a waiting device', () => {
    const { dma, out, inp, floppy, bytes } = setup()
    floppy(0x46, 0x5000, 4)
    out(0x0d, 0)
    expect(inp(0x0f)).toBe(0x0f)
    expect(dma.channel(2).write(bytes(1)).transferred).toBe(0)
    const ready = vi.fn()
    dma.channel(2).onReady = ready
    out(0x0a, 0x01)
    expect(ready).not.toHaveBeenCalled()
    out(0x0e, 0)
    expect(ready).toHaveBeenCalledOnce()
    expect(dma.channel(2).ready).toBe(true)
  })

  test('the command register disables the controller', () => {
    const { dma, out, floppy, bytes } = setup()
    floppy(0x46, 0x5000, 4)
    out(0x08, 0x04)
    expect(dma.channel(2).write(bytes(1)).transferred).toBe(0)
    out(0x08, 0x00)
    expect(dma.channel(2).write(bytes(1)).transferred).toBe(1)
  })

  test('status shows DREQ', () => {
    const { dma, inp } = setup()
    dma.channel(2).setRequest(true)
    expect(inp(0x08)).toBe(0x40)
  })

  test('page registers read back, port 80h shows POST codes', () => {
    const { out, inp, postCode } = setup()
    out(0x87, 0x12)
    out(0x80, 0xaa)
    out(0x481, 0x34)
    expect([inp(0x87), inp(0x80), inp(0x481)]).toEqual([0x12, 0xaa, 0x34])
    expect(postCode).toHaveBeenCalledWith(0xaa)
  })
})

test('a restore in mid-transfer and mid-register continues', () => {
  const a = setup()
  a.floppy(0x46, 0x5000, 4)
  a.dma.channel(2).write(a.bytes(1, 2))
  a.inp(0x04)
  const b = setup()
  loadState(b.dma, structuredClone(saveState(a.dma)))
  expect(b.inp(0x04)).toBe(0x50)
  expect(b.dma.channel(2).write(b.bytes(3, 4, 5))).toEqual({ transferred: 2, terminalCount: true })
  expect([b.ram[0x5002], b.ram[0x5003]]).toEqual([3, 4])
})
