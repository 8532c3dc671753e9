import { describe, expect, test } from 'vitest'
import { Bench, out, REGISTER_COUNT, readRegisters, set, writeRegisters } from './bench.js'
import { haveQemu, type Op, runInQemu } from './qemu-oracle.js'

const VRAM = 8 << 20

/** A small generator, so that every run draws the same numbers (mulberry32). */
function random(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % below
  }
}

/** Memory accesses in every state of the sequencer and the graphics controller. */
function memoryStory(seed: number, length: number): Op[] {
  const next = random(seed)
  const ops: Op[] = [{ op: 'touch', port: 0x3da }, set(0x3c4, 4, 6), set(0x3ce, 5, 0), set(0x3ce, 6, 0)]
  ops.push({ op: 'read', offset: 0, size: 1 })
  while (ops.length < length) {
    const size = ([1, 2, 4] as const)[next(3)]
    const offset = [0, 0, 0x10000, 0x18000][next(4)] + next(64)
    const dice = next(20)
    if (dice < 8) ops.push({ op: 'write', offset, size, value: next(0x10000) * 0x10000 + next(0x10000) })
    // QEMU's TCG reads both aligned words around an unaligned one, and the latches show it.
    else if (dice < 14) ops.push({ op: 'read', offset: offset & -size, size })
    else if (dice < 17) ops.push(set(0x3ce, next(9), next(4) ? next(256) : [0x00, 0xff, 0x05, 0x10][next(4)]))
    else if (dice < 18) ops.push(set(0x3c4, 2 + 2 * next(2), next(256)))
    else if (dice < 19) ops.push(set(0x3ce, 8, 0xff), set(0x3ce, 3, 0), set(0x3ce, 1, 0), set(0x3ce, 5, next(2) * 0x10))
    else ops.push(set(0x3ce, 6, next(16)))
  }
  return ops
}

/** Port accesses, VBE included, with a few memory accesses through the bank. */
function portStory(seed: number, length: number): Op[] {
  const next = random(seed)
  const ops: Op[] = []
  const index = (port: number, indices: number): void => {
    ops.push(out(port, next(8) ? next(indices) : next(256)))
    if (next(2)) ops.push(out(port + 1, next(256)))
    ops.push({ op: 'in', port, size: 1 }, { op: 'in', port: port + 1, size: 1 })
  }
  while (ops.length < length) {
    switch (next(9)) {
      case 0:
        index(0x3d4, 0x20)
        break
      case 1:
        index(0x3b4, 0x20)
        break
      case 2:
        index(0x3c4, 8)
        break
      case 3:
        index(0x3ce, 16)
        break
      case 4:
        ops.push({ op: 'touch', port: [0x3da, 0x3ba][next(2)] })
        for (let i = next(4); i >= 0; i--)
          ops.push(out(0x3c0, next(0x40)), { op: 'in', port: 0x3c0 + next(2), size: 1 })
        break
      case 5:
        ops.push(out(0x3c7 + next(2), next(256)), { op: 'in', port: 0x3c7, size: 1 })
        for (let i = next(5); i > 0; i--) ops.push(next(2) ? out(0x3c9, next(64)) : { op: 'in', port: 0x3c9, size: 1 })
        ops.push({ op: 'in', port: 0x3c8, size: 1 })
        break
      case 6:
        ops.push(out(0x3c2, next(256)), { op: 'in', port: 0x3cc, size: 1 }, { op: 'in', port: 0x3c2, size: 1 })
        ops.push(out([0x3ba, 0x3da][next(2)], next(256)), { op: 'in', port: 0x3ca, size: 1 })
        break
      case 7: {
        const register = next(12)
        ops.push(out(0x1ce, register, 2))
        const value =
          register === 3
            ? [8, 15, 16, 24, 32, 7, 0][next(7)]
            : register === 4
              ? [0x00, 0x01, 0x41, 0x81, 0x82, 0x61, 0xc1, 0x43][next(8)]
              : register === 5
                ? next(100)
                : register === 0
                  ? 0xb0bd + next(11)
                  : next(3)
                    ? next(2000)
                    : next(0x10000)
        if (next(3)) ops.push(out(0x1cf + next(2), value, 2))
        for (let i = 0; i < 10; i++) ops.push(out(0x1ce, i, 2), { op: 'in', port: 0x1cf, size: 2 })
        ops.push(out(0x1ce, register, 2), { op: 'in', port: 0x1ce, size: 2 }, { op: 'in', port: 0x1d0, size: 2 })
        break
      }
      default: {
        const size = ([1, 2, 4] as const)[next(3)]
        ops.push({ op: 'write', offset: next(0x8000), size, value: next(0x10000) * 0x10000 + next(0x10000) })
        ops.push({ op: 'read', offset: next(0x8000), size })
      }
    }
  }
  return ops
}

describe.skipIf(!haveQemu)('reads and memory are those of QEMU (needs qemu-system-i386 and nasm)', () => {
  test.each([
    ['memory accesses', memoryStory(1, 5000)],
    ['memory accesses, another story', memoryStory(1234, 7000)],
    ['port accesses', portStory(2, 5000)],
    ['port accesses, another story', portStory(77, 5000)],
  ])(
    '%s',
    async (_, story) => {
      const start: Op[] = [{ op: 'int10', ax: 0x0d, bx: 0 }, ...readRegisters(true), { op: 'shot' }]
      // A blank screen, so that QEMU need not draw what the story left.
      const end: Op[] = [out(0x3c2, 1), { op: 'touch', port: 0x3da }, out(0x3c0, 0), { op: 'shot' }]
      const [before, after] = await runInQemu([...start, ...story, ...end], VRAM)
      const bench = new Bench()
      bench.run(writeRegisters(before.results.slice(0, REGISTER_COUNT)))
      bench.vram.set(before.vram)
      bench.run(readRegisters(true))
      let at = REGISTER_COUNT
      story.forEach((op, i) => {
        for (const value of bench.run([op])) {
          const expected = after.results[at++]
          if (value !== expected) {
            const history = story.slice(Math.max(0, i - 12), i + 1).map((o) => JSON.stringify(o))
            expect.fail(`operation ${i}: ${value.toString(16)}, QEMU ${expected.toString(16)}\n${history.join('\n')}`)
          }
        }
      })
      bench.run(end)
      const differs = after.vram.findIndex((byte, i) => byte !== bench.vram[i])
      expect(differs).toBe(-1)
    },
    60_000,
  )
})
