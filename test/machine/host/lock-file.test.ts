import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { withLock } from '../../../machine/host/lock-file.js'

const folder = mkdtempSync(join(tmpdir(), 'bootwright-lock-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** How many of `count` that want the lock and keep it for `ms` had it at once. */
async function mostInside(file: string, count: number, ms: number): Promise<number> {
  let inside = 0
  let most = 0
  const enter = () =>
    withLock(file, async () => {
      most = Math.max(most, ++inside)
      await new Promise((resolve) => setTimeout(resolve, ms))
      inside--
    })
  await Promise.all(Array.from({ length: count }, enter))
  return most
}

describe('the lock', () => {
  test('lets one in at a time', async () => {
    const file = join(folder, 'locked.snapshot')
    expect(await mostInside(file, 3, 20)).toBe(1)
  })

  test('of a process that is gone is broken', async () => {
    const file = join(folder, 'stale.snapshot')
    writeFileSync(`${file}.lock`, '999999999')
    expect(await withLock(file, async () => 'in')).toBe('in')
  })

  test('of a process that ended while it wrote it is broken', async () => {
    const file = join(folder, 'empty.snapshot')
    writeFileSync(`${file}.lock`, '')
    expect(await withLock(file, async () => 'in')).toBe('in')
  })

  test('is taken over by one alone, and leaves nothing behind', async () => {
    for (let round = 0; round < 10; round++) {
      const file = join(folder, `many-${round}.snapshot`)
      writeFileSync(`${file}.lock`, '999999999')
      expect(await mostInside(file, 4, 1)).toBe(1)
      expect(readdirSync(folder).filter((name) => name.startsWith(`many-${round}`))).toEqual([])
    }
  }, 60_000)
})
