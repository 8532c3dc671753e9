import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { bestMatch, matchNeedle } from '../../../harness/needles/match.js'
import { loadNeedle, type Needle } from '../../../harness/needles/needle.js'
import { NeedleSet } from '../../../harness/needles/needle-set.js'
import { type Found, PatchSearch } from '../../../harness/needles/search.js'
import { describeCondition } from '../../../harness/protocol/condition.js'
import { StopPoints } from '../../../harness/runtime/debug/stop-points.js'
import { SerialLog } from '../../../harness/runtime/serial-log.js'
import { createWatch } from '../../../harness/runtime/watches/watches.js'
import { needle as needleCondition } from '../../../harness/vm/conditions.js'
import type { Frame } from '../../../machine/devices/display/display.js'
import { FakeDisplay } from '../fake-machine.js'
import { letters, moved, type Painter, screen, writeNeedle } from './screens.js'

const folder = mkdtempSync(join(tmpdir(), 'needles-'))
afterAll(() => rmSync(folder, { recursive: true }))

const WIDTH = 320
const HEIGHT = 240
const paint = letters(1)
const area = { xpos: 100, ypos: 96, width: 80, height: 32, type: 'match' }

let made = 0
async function cut(from: Painter, json: object, width = WIDTH, height = HEIGHT): Promise<Needle> {
  return loadNeedle(await writeNeedle(folder, `needle-${made++}`, screen(width, height, from), json))
}

/** A copy with every channel off by up to `most`. */
function noisy(frame: Frame, most: number): Frame {
  const data = frame.data.slice()
  let state = 1
  for (let i = 0; i < data.length; i++) {
    if (i % 4 === 3) continue
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    data[i] = Math.min(255, Math.max(0, data[i] + ((state >>> 16) % (2 * most + 1)) - most))
  }
  return { ...frame, data }
}

describe('a needle', () => {
  test('is found on its own screen, at its place, wholly alike', async () => {
    const match = matchNeedle(screen(WIDTH, HEIGHT, paint), await cut(paint, { area: [area] }))
    expect(match).toMatchObject({ ok: true, error: 0, ocr: [] })
    expect(match.areas).toEqual([{ ok: true, similarity: 1, wanted: 0.96, x: 100, y: 96, w: 80, h: 32 }])
    expect(match.clickPoints).toEqual([{ x: 140, y: 112 }])
  })

  test('is found with noise on it, and not on another screen', async () => {
    const needle = await cut(paint, { area: [area] })
    const match = matchNeedle(noisy(screen(WIDTH, HEIGHT, paint), 6), needle)
    expect(match.ok).toBe(true)
    expect(match.areas[0].similarity).toBeGreaterThan(0.98)
    expect(matchNeedle(screen(WIDTH, HEIGHT, letters(2)), needle).ok).toBe(false)
    expect(
      matchNeedle(
        screen(WIDTH, HEIGHT, () => 0),
        needle,
      ).ok,
    ).toBe(false)
  })

  test('of two click points without ids the last one counts, as in openQA', async () => {
    const points = [
      { ...area, click_point: { xpos: 1, ypos: 2 } },
      { ...area, click_point: 'center' },
    ]
    const needle = await cut(paint, { area: points })
    const set = new NeedleSet('', [], [])
    const shown = screen(WIDTH, HEIGHT, paint)
    const middle = matchNeedle(shown, await cut(paint, { area: [points[1]] })).clickPoints[0]
    expect(set.match(shown, needle).click).toEqual(middle)
  })

  test('is found elsewhere within its margin, and its click points move with it', async () => {
    const json = (margin: number, click_point: unknown) => ({ area: [{ ...area, margin, click_point }] })
    const shifted = screen(WIDTH, HEIGHT, moved(paint, -13, 21))
    const near = matchNeedle(shifted, await cut(paint, json(21, { xpos: 2.5, ypos: 4, id: 'ok' })))
    expect(near).toMatchObject({ ok: true, areas: [{ x: 87, y: 117, similarity: 1 }] })
    expect(near.clickPoints).toEqual([{ x: 89, y: 121, id: 'ok' }])
    expect(matchNeedle(shifted, await cut(paint, json(20, 'center'))).ok).toBe(false)
    expect(matchNeedle(shifted, await cut(paint, json(50, 'center'))).clickPoints).toEqual([{ x: 127, y: 133 }])
    const wide = await cut(paint, json(1, 'center'))
    expect(matchNeedle(shifted, wide).ok).toBe(false)
    expect(matchNeedle(shifted, wide, { searchRatio: 1 }).areas[0]).toMatchObject({ ok: true, x: 87, y: 117 })
  })

  test('does not care what an excluded area shows', async () => {
    const hole = { xpos: 120, ypos: 100, width: 30, height: 20, type: 'exclude' }
    const other = letters(9)
    const painted = screen(WIDTH, HEIGHT, (x, y) => (x >= 120 && x < 150 && y >= 100 && y < 120 ? other : paint)(x, y))
    expect(matchNeedle(painted, await cut(paint, { area: [area] })).ok).toBe(false)
    expect(matchNeedle(painted, await cut(paint, { area: [area, hole] }))).toMatchObject({ ok: true, error: 0 })
  })

  test('needs all of its areas, and tells which it lacks and where that came nearest', async () => {
    const second = { ...area, ypos: 160 }
    const needle = await cut(paint, { area: [area, second, { ...area, type: 'ocr' }] })
    const half = screen(WIDTH, HEIGHT, (x, y) => (y < 150 ? paint : moved(letters(5), 1, 1))(x, y))
    const match = matchNeedle(half, needle)
    expect(match).toMatchObject({ ok: false, clickPoints: [], ocr: [], areas: [{ ok: true }, { ok: false }] })
    expect(match.areas[1].similarity).toBeLessThan(0.9)
    expect(matchNeedle(half, needle, { quick: true }).ok).toBe(false)
    expect(matchNeedle(screen(WIDTH, HEIGHT, paint), needle).ocr).toEqual([{ x: 100, y: 96, width: 80, height: 32 }])
  })

  test('of a larger screen than the one it is looked for on is not found, and nothing breaks', async () => {
    const needle = await cut(paint, { area: [{ ...area, xpos: 500, ypos: 400 }] }, 640, 480)
    expect(matchNeedle(screen(WIDTH, HEIGHT, paint), needle)).toMatchObject({ ok: false, areas: [{ similarity: 0 }] })
    expect(matchNeedle(screen(1, 1, paint), needle).ok).toBe(false)
  })

  test('that lies at the edge of its screen is found there', async () => {
    const corner = { xpos: WIDTH - 20, ypos: HEIGHT - 9, width: 20, height: 9, type: 'match' }
    const whole = { xpos: 0, ypos: 0, width: WIDTH, height: HEIGHT, type: 'match' }
    expect(matchNeedle(screen(WIDTH, HEIGHT, paint), await cut(paint, { area: [corner, whole] }))).toMatchObject({
      ok: true,
      error: 0,
    })
  })
})

describe('the best of several needles', () => {
  test('is the most similar one that is found; of equals a workaround, then the first by name', async () => {
    const shown = screen(WIDTH, HEIGHT, paint)
    const exact = await cut(paint, { area: [area] })
    const fair = await cut((x, y) => Math.min(255, paint(x, y) + 5), { area: [area] })
    const wrong = await cut(letters(7), { area: [area] })
    const workaround = await cut(paint, { area: [area], properties: [{ name: 'workaround', value: 'x' }] })
    expect(bestMatch(shown, [wrong, fair, exact])).toMatchObject({ ok: true, needle: exact.name })
    expect(bestMatch(shown, [exact, workaround])).toMatchObject({ ok: true, needle: workaround.name })
    expect(bestMatch(shown, [wrong])).toMatchObject({ ok: false, needle: wrong.name })
    expect(bestMatch(shown, [])).toBeUndefined()
  })
})

describe('the search', () => {
  const plane = (width: number, height: number, from: Painter) => {
    const pixels = new Uint8Array(width * height)
    for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) pixels[y * width + x] = from(x, y)
    return { width, height, pixels }
  }

  test.each<[string, Painter, Painter]>([
    ['letters', letters(3), moved(letters(3), 5, -4)],
    ['letters of another text', letters(3), letters(4)],
    ['a flat picture', () => 7, letters(4)],
    ['slopes', (x, y) => (3 * x + 2 * y) & 255, (x, y) => (2 * x + 3 * y) & 255],
  ])('finds the least error that trying every place finds: %s', (_, from, of) => {
    const scene = plane(90, 70, from)
    const patch = plane(37, 21, of)
    const everyPlace: Found[] = []
    for (let y = 0; y <= 49; y++) {
      for (let x = 0; x <= 53; x++) {
        let error = 0
        for (let v = 0; v < 21; v++)
          for (let u = 0; u < 37; u++) error += (scene.pixels[(y + v) * 90 + x + u] - patch.pixels[v * 37 + u]) ** 2
        everyPlace.push({ x, y, error })
      }
    }
    const least = Math.min(...everyPlace.map(({ error }) => error))
    const found = new PatchSearch(scene, patch).from({ x: 20, y: 20 }, Number.POSITIVE_INFINITY)
    expect(found && found.error - least).toBeLessThanOrEqual(10)
    expect(everyPlace).toContainEqual(found)
    expect(new PatchSearch(scene, patch).from({ x: 20, y: 20 }, least - 1)).toBeUndefined()
    expect(new PatchSearch(scene, patch).from({ x: 20, y: 20 }, least)?.error).toBe(least)
  })

  test('takes under 20 ms for 200×50 pixels with a margin of 50 on 1024×768', async () => {
    const text = letters(11)
    const needle = await cut(text, { area: [{ xpos: 400, ypos: 300, width: 200, height: 50 }] }, 1024, 768)
    const scenes: [string, Frame][] = [
      ['there', screen(1024, 768, text)],
      ['moved to a corner of the margin', screen(1024, 768, moved(text, 50, 50))],
      ['with noise', noisy(screen(1024, 768, moved(text, -33, 8)), 6)],
      ['other text', screen(1024, 768, letters(12))],
      ['black', screen(1024, 768, () => 0)],
    ]
    for (const [name, frame] of scenes) {
      // Time of the processor, since other programs run on this machine too.
      const runs = 20
      const options = { quick: name === 'other text' }
      matchNeedle(frame, needle, options)
      const before = process.cpuUsage().user
      for (let i = 0; i < runs; i++) matchNeedle(frame, needle, options)
      const ms = (process.cpuUsage().user - before) / 1000 / runs
      console.log(`a needle of 200×50, margin 50, on 1024×768, ${name}: ${ms.toFixed(1)} ms`)
      expect(ms, name).toBeLessThan(20)
    }
  })
})

describe('a condition on needles', () => {
  test('is met when the screen shows one of them, and survives the way to the machine’s thread', async () => {
    const first = await cut(() => 40, { area: [{ xpos: 0, ypos: 0, width: 2, height: 1 }] }, 2, 1)
    const condition = structuredClone(needleCondition(first))
    expect(describeCondition(condition)).toBe(`the needle ${first.name} on the screen`)
    const display = new FakeDisplay()
    const watch = createWatch(condition, {
      now: () => 0,
      display,
      text: () => undefined,
      requests: () => [],
      stops: new StopPoints(undefined),
      serial: () => new SerialLog(),
    })
    display.paint(200)
    expect(watch.atFrame()).toBe(false)
    display.paint(40)
    expect(watch.atFrame()).toBe(true)
  })
})
