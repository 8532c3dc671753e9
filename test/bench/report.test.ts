import { describe, expect, test } from 'vitest'
import { MarkWatch } from './marks.js'
import { type BenchResult, geometricMean, ratiosTo, renderComparison, renderResult } from './report.js'

function result(kernels: { [kernel: string]: { [target: string]: number } }): BenchResult {
  const rates = Object.entries(kernels).map(([kernel, byTarget]) => [
    kernel,
    Object.fromEntries(Object.entries(byTarget).map(([target, best]) => [target, { runs: [best] }])),
  ])
  const targets = Object.fromEntries(Object.values(kernels).flatMap((rate) => Object.keys(rate).map((t) => [t, '1'])))
  return {
    format: 2,
    date: '2026-01-01T00:00:00.000Z',
    commit: 'x',
    host: { cpu: 'x', cpus: 1, node: '20', load: 0 },
    targets,
    skipped: {},
    rounds: 1,
    clock: 'host',
    kernels: Object.fromEntries(rates),
    boots: {},
    failures: [],
  }
}

describe('the report', () => {
  test('means ratios geometrically, over the kernels that both targets ran', () => {
    const one = result({ a: { soft: 10, 'tcg-icount': 20 }, b: { soft: 10, 'tcg-icount': 80 }, c: { soft: 1 } })
    expect(ratiosTo(one, 'tcg-icount')).toEqual({ a: 0.5, b: 0.125 })
    expect(geometricMean([0.5, 0.125])).toBeCloseTo(0.25, 10)
    expect(renderResult(one)).toContain('over 2 32-bit kernels: 0.250; the bar is 1: not reached')
  })

  test('holds each width of code against a bar of its own, and names what is far below', () => {
    const text = renderResult(
      result({
        a: { soft: 20, 'tcg-icount': 20 },
        'a-64': { soft: 9, 'tcg-icount': 90 },
        'a-16': { soft: 30, 'tcg-icount': 20 },
      }),
    )
    expect(text).toContain('over 1 32-bit kernels: 1.000; the bar is 1: reached')
    expect(text).toContain('over 1 64-bit kernels: 0.100; the bar is 1: not reached')
    expect(text).toContain('over 1 16-bit kernels: 1.500; the bar is 1: reached')
    expect(text).toContain('under 0.5 of tcg-icount: a-64 0.100')
  })

  test('takes the median of the rounds, and tells how far they lie apart', () => {
    const one = result({ a: { soft: 1, 'tcg-icount': 10 } })
    one.kernels.a = { soft: { runs: [9, 10, 50] }, 'tcg-icount': { runs: [10, 20] } }
    expect(ratiosTo(one, 'tcg-icount').a).toBeCloseTo(10 / 15, 10)
    expect(renderResult(one)).toMatch(/a +10\.0 +15\.0 +410 %/)
  })

  test('compares two runs by their ratios to a peer, so that a slower host is not a slower engine', () => {
    const before = result({ a: { soft: 10, v86: 20, tcg: 100 } })
    const after = result({ a: { soft: 10, v86: 10, tcg: 100 } })
    expect(renderComparison(before, after)).toMatch(/soft\/v86 .*\na +0\.500 +1\.000 +× 2\.00/)
  })

  test('falls back on a peer that ran both times, and says nothing where there is none', () => {
    const before = result({ a: { soft: 10, tcg: 100 } })
    expect(renderComparison(before, result({ a: { soft: 20, tcg: 100, 'tcg-icount': 50 } }))).toMatch(
      /soft\/tcg .*× 2/s,
    )
    expect(renderComparison(before, result({ a: { soft: 20, v86: 100 } }))).toBeUndefined()
  })

  test('counts less time as more speed in boots', () => {
    const boots = { b: { soft: { runs: [2] }, v86: { runs: [4] } } }
    expect(ratiosTo({ kernels: {}, boots }, 'v86', 'boots')).toEqual({ b: 2 })
  })
})

describe('the stopwatch', () => {
  test('leaves out firmware, the warm-up and the passes that came with the first mark that counts', () => {
    const watch = new MarkWatch({ warmUp: 100, measure: 1000 })
    expect(watch.add(Buffer.from('SeaBIOS\n'), 5000)).toBe(false)
    expect(watch.add([0x81], 6000)).toBe(false)
    expect(watch.add([0x82, 0x83, 0x84], 6150)).toBe(false)
    expect(watch.add([0x85], 6650)).toBe(false)
    expect(watch.add([0x86, 0x87], 7150)).toBe(true)
    expect(watch.result()).toEqual({ passes: 3, seconds: 1, firstMarks: [0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87] })
  })

  test('takes the seconds from another clock where it is given one', () => {
    let cpu = 0
    const watch = new MarkWatch({ warmUp: 0, measure: 1000 }, () => cpu)
    watch.add([0x80], 0)
    cpu = 250
    expect(watch.add([0x80], 1000)).toBe(true)
    expect(watch.result()).toMatchObject({ passes: 1, seconds: 0.25 })
  })
})
