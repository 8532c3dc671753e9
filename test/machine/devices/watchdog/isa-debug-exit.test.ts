import { expect, test } from 'vitest'
import { deviceTable } from '../../../../machine/boards/pc-i440fx.js'
import { parseDevice } from '../../../../machine/devices/catalogue.js'
import { IsaDebugExit } from '../../../../machine/devices/watchdog/isa-debug-exit.js'

test('a write of n exits with (n << 1) | 1, whatever its width', () => {
  const codes: number[] = []
  const [port] = new IsaDebugExit({ base: 0xf4, size: 4, onExit: (code) => codes.push(code) }).ports
  expect([port.base, port.count, port.width]).toEqual([0xf4, 4, 4])
  port.write(0, 0, 1)
  port.write(0, 0x10, 4)
  port.write(0, 0xffff_ffff, 4)
  expect(codes).toEqual([1, 33, 0xffff_ffff])
})

test('reading does nothing', () => {
  const codes: number[] = []
  const [port] = new IsaDebugExit({ onExit: (code) => codes.push(code) }).ports
  expect([port.base, port.count, port.read(0, 1), codes.length]).toEqual([0x501, 2, 0, 0])
})

test('the board has one at F4h, and one that is plugged in is at 501h, as in QEMU', () => {
  const exits = deviceTable({ floppies: [], disks: [], devices: [{ type: 'isa-debug-exit' }] })
    .filter(({ type }) => type === 'isa-debug-exit')
    .map((spec) => parseDevice(spec).options)
  expect(exits).toEqual([
    { iobase: 0xf4, iosize: 4 },
    { iobase: 0x501, iosize: 2 },
  ])
})
