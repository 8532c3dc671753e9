import { beforeEach, describe, expect, test } from 'vitest'
import { Ps2Mouse } from '../../../../machine/devices/input/ps2-mouse.js'
import { loadState, saveState } from '../../../../machine/state/state-table.js'

let mouse: Ps2Mouse
let warnings: string[]
beforeEach(() => {
  warnings = []
  mouse = new Ps2Mouse({ warn: (what) => warnings.push(what) })
})

function drain(m = mouse): number[] {
  const bytes: number[] = []
  while (m.pending() > 0 && bytes.length < 2000) bytes.push(m.read())
  return bytes
}

function send(...bytes: number[]): number[] {
  for (const byte of bytes) mouse.write(byte)
  return drain()
}

function move(dx: number, dy: number, dz = 0, buttons = 0): void {
  mouse.move({ dx, dy, dz, buttons })
}

/** Sum of the movement in packets, and the buttons each had. */
function decode(bytes: number[], size: number) {
  let x = 0
  let y = 0
  let z = 0
  const buttons: number[] = []
  for (let i = 0; i < bytes.length; i += size) {
    expect(bytes[i] & 0xc8).toBe(0x08)
    x += bytes[i + 1] - (bytes[i] & 0x10 ? 256 : 0)
    y += bytes[i + 2] - (bytes[i] & 0x20 ? 256 : 0)
    if (size === 4) z += (bytes[i + 3] << 24) >> 24
    buttons.push(bytes[i] & 7)
  }
  return { x, y, z, buttons }
}

describe('commands', () => {
  test('reset, id, defaults', () => {
    expect(send(0xff)).toEqual([0xfa, 0xaa, 0x00])
    expect(send(0xf2)).toEqual([0xfa, 0x00])
    expect(send(0xe9)).toEqual([0xfa, 0x00, 2, 100])
  })

  test('status tells mode, scaling, resolution, rate and buttons', () => {
    send(0xe8, 3)
    send(0xf3, 40)
    send(0xe7)
    send(0xf4)
    move(0, 0, 0, 1)
    drain()
    expect(send(0xe9)).toEqual([0xfa, 0x34, 3, 40])
    send(0xf0)
    expect(send(0xe9)).toEqual([0xfa, 0x74, 3, 40])
    send(0xf6)
    expect(send(0xe9)).toEqual([0xfa, 0x04, 2, 100])
  })

  test('a resolution beyond 3 and an unknown command get FE', () => {
    expect(send(0xe8, 4)).toEqual([0xfa, 0xfe])
    expect(send(0xe1)).toEqual([0xfe])
    expect(warnings).toHaveLength(1)
  })

  test('replies that were not fetched stay in order', () => {
    expect(send(0xe6, 0xf2, 0xe6)).toEqual([0xfa, 0xfa, 0x00, 0xfa])
  })

  test('a reply fits behind a full queue', () => {
    send(0xf4)
    move(1000, 0)
    mouse.write(0xf5)
    const bytes = drain()
    expect([bytes.length, bytes[15]]).toEqual([16, 0xfa])
  })

  test('a reset in place of an argument is obeyed', () => {
    send(0xf3)
    expect(send(0xff)).toEqual([0xfa, 0xaa, 0x00])
  })

  test('200 100 80 makes it an IntelliMouse, 200 200 80 an Explorer, reset takes it back', () => {
    send(0xf3, 200, 0xf3, 100, 0xf3, 80)
    expect(send(0xf2)).toEqual([0xfa, 3])
    send(0xf3, 200, 0xf3, 200, 0xf3, 80)
    expect(send(0xf2)).toEqual([0xfa, 4])
    send(0xff)
    expect(send(0xf2)).toEqual([0xfa, 0])
    send(0xf3, 200, 0xf3, 50, 0xf3, 80)
    expect(send(0xf2)).toEqual([0xfa, 0])
  })

  test('wrap mode echoes all but EC and FF', () => {
    send(0xee)
    expect(send(0xf2)).toEqual([0xf2])
    expect(send(0x42)).toEqual([0x42])
    expect(send(0xec)).toEqual([0xfa])
    expect(send(0xf2)).toEqual([0xfa, 0])
  })
})

describe('packets', () => {
  test('none before F4 nor after F5', () => {
    move(5, 5)
    expect(drain()).toEqual([])
    send(0xf4)
    send(0xf5)
    move(5, 5)
    expect(drain()).toEqual([])
  })

  test('signs and buttons: right and down of the screen is plus x and minus y', () => {
    send(0xf4)
    move(5, 3, 0, 1)
    expect(drain()).toEqual([0x29, 5, 0xfd])
    move(-5, -3, 0, 6)
    expect(drain()).toEqual([0x1e, 0xfb, 3])
  })

  test('nothing changed, nothing sent', () => {
    send(0xf4)
    move(0, 0)
    move(0, 0, 1)
    expect(drain()).toEqual([])
  })

  test('a large move is split and adds up', () => {
    send(0xf4)
    move(1000, -700)
    const bytes = drain()
    expect(bytes).toHaveLength(8 * 3)
    expect(decode(bytes, 3)).toMatchObject({ x: 1000, y: 700 })
  })

  test('movement beyond the queue waits, and no click is lost', () => {
    send(0xf4)
    for (let i = 0; i < 10; i++) {
      move(10, 0, 0, 1)
      move(0, 10, 0, 0)
    }
    expect(mouse.pending()).toBe(60)
    const { x, y, buttons } = decode(drain(), 3)
    expect([x, y]).toEqual([100, -100])
    expect(buttons).toEqual(Array.from({ length: 20 }, (_, i) => 1 - (i & 1)))
  })

  test('movement under the same buttons is merged while it waits', () => {
    send(0xf4)
    for (let i = 0; i < 100; i++) move(1, 0)
    const bytes = drain()
    expect(bytes).toHaveLength(6 * 3)
    expect(decode(bytes, 3).x).toBe(100)
  })

  test('the wheel needs IntelliMouse, Explorer adds two buttons', () => {
    send(0xf3, 200, 0xf3, 100, 0xf3, 80)
    send(0xf4)
    move(0, 0, -1)
    expect(drain()).toEqual([0x08, 0, 0, 0xff])
    move(0, 0, 300)
    expect(decode(drain(), 4).z).toBe(300)
    send(0xf3, 200, 0xf3, 200, 0xf3, 80)
    move(0, 0, -2, 0x18)
    expect(drain()).toEqual([0x08, 0, 0, 0x3e])
  })

  test('scaling 2:1 holds in stream mode but not for a packet asked for', () => {
    send(0xf4)
    send(0xe7)
    const seen = [1, 2, 3, 4, 5, 6, -100].map((dx) => {
      move(dx, 0)
      return decode(drain(), 3).x
    })
    expect(seen).toEqual([1, 1, 3, 6, 9, 12, -200])
    send(0xf0)
    move(5, 0)
    expect(send(0xeb)).toEqual([0xfa, 0x08, 5, 0])
  })

  test('remote mode sends when asked, and an empty packet when nothing moved', () => {
    send(0xf4)
    send(0xf0)
    move(7, 0, 0, 2)
    expect(mouse.pending()).toBe(0)
    expect(send(0xeb)).toEqual([0xfa, 0x0a, 7, 0])
    expect(send(0xeb)).toEqual([0xfa, 0x0a, 0, 0])
    move(1, 0, 0, 2)
    expect(send(0xea)).toEqual([0xfa, 0x0a, 1, 0])
  })

  test('F4 and F5 govern stream mode alone: remote mode counts without them', () => {
    send(0xf0)
    move(7, 0)
    expect(send(0xeb)).toEqual([0xfa, 0x08, 7, 0])
    move(5, 0)
    send(0xf5)
    expect(send(0xeb)).toEqual([0xfa, 0x08, 5, 0])
    move(3, 0)
    expect(send(0xea)).toEqual([0xfa])
    expect(send(0xf4)).toEqual([0xfa])
  })

  test('a packet that was sent before F5 is not lost in half', () => {
    send(0xf4)
    move(1, 0)
    expect(mouse.read()).toBe(0x08)
    expect(send(0xf5)).toEqual([1, 0, 0xfa])
  })

  test('fractions and nonsense do no harm', () => {
    send(0xf4)
    move(1.9, Number.NaN)
    expect(drain()).toEqual([0x08, 1, 0])
  })
})

test('a restore in mid-operation continues the same', () => {
  send(0xf3, 200, 0xf3, 100)
  send(0xf4)
  mouse.write(0xf3)
  move(1000, 1000, 0, 1)
  move(0, 0, 0, 0)
  const copy = new Ps2Mouse()
  loadState(copy, structuredClone(saveState(mouse)))
  for (const m of [mouse, copy]) {
    m.write(80)
    const bytes = drain(m)
    expect(bytes[0]).toBe(0xfa)
    m.write(0xf2)
    expect(drain(m)).toEqual([0xfa, 3])
  }
})
