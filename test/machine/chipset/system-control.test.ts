import { expect, test, vi } from 'vitest'
import { A20Gate, SystemControl } from '../../../machine/chipset/system-control.js'
import { ManualClock } from '../../../machine/clock.js'
import { I8254 } from '../../../machine/devices/timer/i8254.js'
import { loadState, saveState } from '../../../machine/state/state-table.js'

function setup() {
  const clock = new ManualClock()
  const pit = new I8254({ clock, output0: () => {} })
  const lineA20 = vi.fn()
  const a20 = new A20Gate(lineA20)
  const reset = vi.fn()
  const speaker = vi.fn()
  const control = new SystemControl({ pit, clock, setA20: a20.set, reset, speaker })
  const [b, a] = control.ports
  return { clock, pit, a20, lineA20, reset, speaker, control, a, b }
}

test('calibration: port 61h gates counter 2 and shows its output after 10 ms', () => {
  const { clock, pit, b } = setup()
  b.write(0, (b.read(0, 1) & ~2) | 1, 1)
  const count = 11932
  pit.ports[0].write(3, 0xb0, 1)
  pit.ports[0].write(2, count & 0xff, 1)
  pit.ports[0].write(2, count >> 8, 1)
  let loops = 0
  while (!(b.read(0, 1) & 0x20)) {
    clock.advance(1000)
    if (++loops > 20000) break
  }
  expect(clock.now()).toBeGreaterThanOrEqual(10_000_150)
  expect(clock.now()).toBeLessThan(10_002_000)
})

test('Linux quick calibration: the MSB of counter 2 falls every 256 ticks', () => {
  const { clock, pit, b } = setup()
  b.write(0, 1, 1)
  const port = pit.ports[0]
  port.write(3, 0xb0, 1)
  port.write(2, 0xff, 1)
  port.write(2, 0xff, 1)
  const falls: number[] = []
  let last = 0xff
  while (falls.length < 4) {
    clock.advance(500)
    port.read(2, 1)
    const msb = port.read(2, 1)
    if (msb !== last) falls.push(clock.now())
    last = msb
  }
  const gaps = falls.slice(1).map((t, i) => t - falls[i])
  for (const gap of gaps) expect(Math.abs(gap - 214_552)).toBeLessThan(1000)
})

test('the refresh bit toggles every 15.085 µs', () => {
  const { clock, b } = setup()
  let toggles = 0
  let last = b.read(0, 1) & 0x10
  for (let i = 0; i < 10000; i++) {
    clock.advance(100)
    const bit = b.read(0, 1) & 0x10
    if (bit !== last) toggles++
    last = bit
  }
  expect(toggles).toBe(66)
})

test('speaker bits are reported when they change', () => {
  const { b, speaker } = setup()
  b.write(0, 3, 1)
  b.write(0, 3, 1)
  b.write(0, 1, 1)
  expect(speaker.mock.calls).toEqual([
    [true, true],
    [false, true],
  ])
  expect(b.read(0, 1) & 0x0f).toBe(1)
})

test('port 92h: A20 is the last writer’s, fast reset is an edge', () => {
  const { a, a20, lineA20, reset } = setup()
  expect(a20.enabled).toBe(true)
  a.write(0, 0x00, 1)
  expect(a20.enabled).toBe(false)
  a20.set(true) // the keyboard controller
  expect(a.read(0, 1)).toBe(0)
  a.write(0, 0x02, 1)
  expect(lineA20.mock.calls).toEqual([[false], [true]])
  a.write(0, 0x03, 1)
  a.write(0, 0x03, 1)
  expect(reset).toHaveBeenCalledTimes(1)
})

test('save and load', () => {
  const { control, a, b } = setup()
  a.write(0, 0x02, 1)
  b.write(0, 0x0d, 1)
  const other = setup()
  loadState(other.control, saveState(control))
  expect(other.a.read(0, 1)).toBe(0x02)
  expect(other.b.read(0, 1) & 0x0f).toBe(0x0d)
})
