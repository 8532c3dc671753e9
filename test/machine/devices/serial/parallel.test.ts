import { beforeEach, expect, test } from 'vitest'
import { ParallelPort } from '../../../../machine/devices/serial/parallel.js'
import { loadState, saveState } from '../../../../machine/state/state-table.js'

let irq: boolean
let printed: number[]
let port: ParallelPort

function make(): ParallelPort {
  return new ParallelPort({
    irq: (level) => {
      irq = level
    },
    output: (byte) => printed.push(byte),
  })
}

const inb = (offset: number) => port.ports[0].read(offset, 1)
const outb = (offset: number, value: number) => port.ports[0].write(offset, value, 1)

/** As a BIOS prints: data, strobe on, strobe off. */
function print(byte: number, control = 0x0c): void {
  outb(0, byte)
  outb(2, control | 1)
  outb(2, control)
}

beforeEach(() => {
  irq = false
  printed = []
  port = make()
})

test('is found: data and control read back, the status says ready', () => {
  for (const value of [0x55, 0xaa]) {
    outb(0, value)
    expect(inb(0)).toBe(value)
  }
  expect(inb(1)).toBe(0xd8)
  outb(2, 0x0e)
  expect(inb(2) & 0x0f).toBe(0x0e)
})

test('prints one byte a strobe', () => {
  print(0x41)
  outb(0, 0x42)
  outb(2, 0x0d)
  outb(2, 0x0d)
  expect(printed).toEqual([0x41, 0x42])
})

test('is busy, acknowledges, and is ready again', () => {
  print(0x41)
  expect(inb(1) & 0xc0).toBe(0x40)
  expect(inb(1) & 0xc0).toBe(0x00)
  expect(inb(1) & 0xc0).toBe(0xc0)
})

test('interrupts when enabled, until the status is read', () => {
  print(0x41)
  expect(irq).toBe(false)
  inb(1)
  inb(1)
  print(0x42, 0x1c)
  expect(irq).toBe(true)
  inb(1)
  expect(irq).toBe(false)
})

test('INIT makes it ready, and a printer not selected prints nothing', () => {
  print(0x41)
  outb(2, 0x08)
  expect(inb(1)).toBe(0xd8)
  print(0x42, 0x04)
  expect(printed).toEqual([0x41])
})

test('as input the data lines float high', () => {
  outb(0, 0x12)
  outb(2, 0x2c)
  expect(inb(0)).toBe(0xff)
})

test('a write to the status register changes nothing', () => {
  outb(1, 0)
  expect(inb(1)).toBe(0xd8)
})

test('a restore between strobe and acknowledge continues the same', () => {
  print(0x41, 0x1c)
  const state = structuredClone(saveState(port))
  port = make()
  irq = false
  loadState(port, state)
  expect(irq).toBe(true)
  expect([inb(1) & 0xc0, inb(1) & 0xc0, inb(1) & 0xc0]).toEqual([0x40, 0x00, 0xc0])
  port.reset()
  expect([inb(0), inb(1), inb(2), irq]).toEqual([0xff, 0xd8, 0xcc, false])
})
