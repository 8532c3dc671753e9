import { describe, expect, test } from 'vitest'
import { Pointer } from '../../../harness/runtime/pointer.js'
import { Typist } from '../../../harness/runtime/typist.js'
import type { Frame } from '../../../machine/devices/display/display.js'
import type { Machine } from '../../../machine/machine.js'
import { blankFrame, drawBox } from '../picture/pictures.js'

interface Desktop {
  /** Pixels for counts, from when the guest takes them. */
  accelerate?: (counts: number, sinceLastNs: number) => number
  /** Something that moves by itself. */
  clock?: boolean
  hidden?: boolean
  /** Lines of a menu light up below the pointer. */
  menu?: boolean
  /** While a button is down, an outline goes along with the pointer. */
  outline?: boolean
}

/** A guest that shows an arrow of 8×12 pixels on a picture with stripes. */
class DesktopMachine {
  x = 100
  y = 100
  private time = 0
  private last = 0
  private held = false
  readonly clicks: { x: number; y: number; buttons: number }[] = []

  constructor(private readonly desktop: Desktop) {}

  now = () => this.time
  advance = (ns: number) => {
    this.time += ns
  }
  pending = () => 0

  input({ dx, dy, buttons }: { dx: number; dy: number; buttons: number }): void {
    const scale = this.desktop.accelerate ?? ((counts) => counts)
    const since = this.time - this.last
    this.last = this.time
    this.x = Math.max(0, Math.min(319, this.x + scale(dx, since)))
    this.y = Math.max(0, Math.min(199, this.y + scale(dy, since)))
    this.held = buttons !== 0
    if (buttons) this.clicks.push({ x: this.x, y: this.y, buttons })
  }

  display = {
    text: () => undefined,
    mode: () => ({ kind: 'graphics' as const, width: 320, height: 200, columns: 0, rows: 0, depth: 32 }),
    generation: () => 0,
    frame: (): Frame => {
      const frame = blankFrame(320, 200, [30, 60, 90])
      for (let y = 0; y < 200; y += 16) drawBox(frame, 0, y, 320, 4, [90, 60, 30])
      if (this.desktop.clock) drawBox(frame, 290, 180, 4 + (Math.floor(this.time / 150e6) % 20), 10, [255, 255, 0])
      const { x, y } = this
      const inMenu = x >= 120 && x < 280 && y >= 66 && y < 198
      if (this.desktop.menu && inMenu) drawBox(frame, 120, y - (y % 22), 160, 22, [120, 120, 120])
      if (this.desktop.outline && this.held) {
        const [left, top] = [Math.max(0, x - 30), Math.max(0, y - 6)]
        drawBox(frame, left, top, Math.min(90, 320 - left), 1, [0, 0, 0])
        drawBox(frame, left, top, 1, Math.min(70, 200 - top), [0, 0, 0])
      }
      if (!this.desktop.hidden)
        for (let row = 0; row < Math.min(12, 200 - y); row++)
          drawBox(frame, x, y + row, Math.min(1 + Math.floor(row * 0.7), 320 - x), 1, [255, 255, 255])
      return frame
    },
  }
}

function pointerOn(desktop: Desktop) {
  const machine = new DesktopMachine(desktop)
  const typist = new Typist(machine as unknown as Machine, machine.advance)
  return { machine, typist, pointer: new Pointer(machine.display, typist, machine.advance) }
}

describe.each<[string, Desktop]>([
  ['a guest that takes a count for a pixel', {}],
  ['a guest that doubles every count', { accelerate: (counts) => 2 * counts }],
  ['a guest that takes two counts for a pixel', { accelerate: (counts) => Math.trunc(counts / 2) }],
  [
    'a guest that triples what comes fast, as KolibriOS does',
    { accelerate: (counts, since) => (since < 100e6 ? 3 * counts : counts) },
  ],
  ['a screen on which a clock ticks', { clock: true }],
  ['a menu whose lines light up below the pointer', { menu: true }],
])('%s', (_, desktop) => {
  test.each([
    [160, 100],
    [3, 190],
    [310, 4],
    [0, 0],
  ])('the pointer comes to %i,%i', (x, y) => {
    const { machine, pointer } = pointerOn(desktop)
    expect(pointer.moveTo(x, y)).toEqual({ outcome: 'there' })
    expect(Math.abs(machine.x - x)).toBeLessThanOrEqual(2)
    expect(Math.abs(machine.y - y)).toBeLessThanOrEqual(2)
  })
})

describe.each<[string, Desktop]>([
  ['a count for a pixel', {}],
  ['two pixels for a count', { accelerate: (counts) => 2 * counts }],
  ['two counts for a pixel', { accelerate: (counts) => Math.trunc(counts / 2) }],
  [
    'three pixels for a count that comes fast',
    { accelerate: (counts, since) => (since < 100e6 ? 3 * counts : counts) },
  ],
])('a window whose outline goes along, with %s,', (_, desktop) => {
  test.each([
    [160, 100, 40, 150],
    [20, 30, 300, 31],
  ])('is dragged from %i,%i to %i,%i', (fromX, fromY, toX, toY) => {
    const { machine, typist, pointer } = pointerOn({ ...desktop, outline: true })
    expect(pointer.moveTo(fromX, fromY)).toEqual({ outcome: 'there' })
    typist.button('left', true)
    expect(pointer.moveTo(toX, toY)).toEqual({ outcome: 'there' })
    typist.button('left', false)
    const end = machine.clicks.at(-1)
    expect(Math.abs((end?.x ?? 0) - toX)).toBeLessThanOrEqual(2)
    expect(Math.abs((end?.y ?? 0) - toY)).toBeLessThanOrEqual(2)
    expect(pointer.moveTo(fromX, fromY)).toEqual({ outcome: 'there' })
    expect(Math.abs(machine.x - fromX)).toBeLessThanOrEqual(2)
  })
})

test('from place to place without going home', () => {
  const { machine, pointer } = pointerOn({})
  pointer.moveTo(50, 50)
  const before = machine.now()
  expect(pointer.moveTo(60, 55)).toEqual({ outcome: 'there' })
  expect([machine.x, machine.y]).toEqual([60, 55])
  expect(machine.now() - before).toBeLessThan(3e9)
})

test('a guest that shows no pointer is told apart', () => {
  expect(pointerOn({ hidden: true }).pointer.moveTo(50, 50)).toEqual({ outcome: 'unseen' })
})
