import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { areaHash } from '../../../../harness/picture/screen-areas.js'
import { describeCondition } from '../../../../harness/protocol/condition.js'
import { StopPoints } from '../../../../harness/runtime/debug/stop-points.js'
import { SerialLog } from '../../../../harness/runtime/serial-log.js'
import type { Scene } from '../../../../harness/runtime/watches/watch.js'
import { createWatch } from '../../../../harness/runtime/watches/watches.js'
import { graphics, picture } from '../../../../harness/vm/conditions.js'
import type { Frame } from '../../../../machine/devices/display/display.js'
import { FakeDisplay } from '../../fake-machine.js'

function sceneOf(display: FakeDisplay): Scene {
  const stops = new StopPoints(undefined)
  return { now: () => 0, display, text: () => undefined, requests: () => [], serial: () => new SerialLog(), stops }
}

const grey = (level: number) =>
  createHash('sha256')
    .update(Uint8Array.of(level, level, level))
    .digest('hex')

describe('a mode', () => {
  test('is waited for with and without a size', () => {
    const display = new FakeDisplay()
    const watches = [graphics(), graphics(2), graphics(2, 1), graphics(640, 480)].map((condition) =>
      createWatch(condition, sceneOf(display)),
    )
    const met = () => watches.map((watch) => watch.atFrame())
    expect(met()).toEqual([false, false, false, false])
    display.show('text')
    expect(met()).toEqual([false, false, false, false])
    display.paint(1)
    expect(met()).toEqual([true, true, true, false])
    display.show('text')
    expect(met()).toEqual([false, false, false, false])
  })
})

describe('a picture', () => {
  const area = { x: 1, y: 0, width: 1, height: 1 }
  const condition = picture({ title: 'a grey dot', width: 2, height: 1, areas: [{ ...area, sha256: grey(7) }] })

  test('is met by exactly these pixels', () => {
    const display = new FakeDisplay()
    const watch = createWatch(condition, sceneOf(display))
    display.paint(6)
    expect(watch.atFrame()).toBe(false)
    display.paint(7)
    expect(watch.atFrame()).toBe(true)
    display.paint(8)
    expect(watch.atFrame()).toBe(false)
  })

  test('is not met on a screen of another size', () => {
    const display = new FakeDisplay()
    display.paint(7)
    const large = picture({ title: 'x', width: 4, height: 1, areas: [{ ...area, x: 3, sha256: grey(7) }] })
    expect(createWatch(large, sceneOf(display)).atFrame()).toBe(false)
  })

  test('counts colours, not alpha, and only within the area', () => {
    const frame = (data: number[]): Frame => ({ width: 2, height: 2, data: Uint8Array.from(data) })
    const a = frame([9, 9, 9, 9, 1, 2, 3, 255, 8, 8, 8, 8, 4, 5, 6, 255])
    const b = frame([0, 0, 0, 0, 1, 2, 3, 0, 7, 7, 7, 7, 4, 5, 6, 0])
    const right = { x: 1, y: 0, width: 1, height: 2 }
    expect(areaHash(a, right)).toBe(areaHash(b, right))
    expect(areaHash(a, right)).toBe(
      createHash('sha256')
        .update(Uint8Array.of(1, 2, 3, 4, 5, 6))
        .digest('hex'),
    )
    expect(areaHash(a, { ...right, x: 0 })).not.toBe(areaHash(b, { ...right, x: 0 }))
  })

  test('is described by its title', () => {
    expect(describeCondition(condition)).toBe('a grey dot on the screen')
    expect(describeCondition(graphics(640, 480))).toBe('a graphics mode of 640×480 pixels')
  })
})
