/** Real guests on the soft engine, those that boot within seconds; `every.long.test.ts` boots all. */
import { beforeAll, describe, expect, test } from 'vitest'
import { type Guest, guestMachine, loadGuest } from '../../harness/guest/guest.js'
import { runCell } from '../../harness/guest/matrix-run.js'
import type { Cell } from '../../reports/matrix/matrix-result.js'
import { noFirmware } from '../firmware-here.js'

const QUICK = ['freedos', 'elks', 'kolibri', 'memtest86plus-ia32', 'grub-rescue-disk', 'test-kernel', 'test-floppy']
const MINUTES = 60_000

const guests = await Promise.all(QUICK.map(loadGuest))
const here = new Map<string, boolean>()
for (const guest of guests) here.set(guest.name, await hasMedia(guest))

async function hasMedia(guest: Guest): Promise<boolean> {
  try {
    await guestMachine(guest)
    return noFirmware === undefined
  } catch {
    return false
  }
}

describe.each(guests)('$name', (guest) => {
  test.skipIf(!here.get(guest.name))('reaches its top level', { timeout: 5 * MINUTES }, async () => {
    const cell = await runCell(guest, { engine: 'soft' })
    expect(cell.reason).toBeUndefined()
    expect(cell).toMatchObject({ status: 'passed', level: guest.levels.at(-1)?.name })
  })
})

describe.skipIf(!here.get('freedos'))('the same guest twice', () => {
  let runs: Cell[]
  beforeAll(async () => {
    const freedos = await loadGuest('freedos')
    runs = [await runCell(freedos, { engine: 'soft' }), await runCell(freedos, { engine: 'soft' })]
  }, 5 * MINUTES)

  const figures = (pick: (level: Cell['levels'][number]) => unknown) => runs.map((run) => run.levels.map(pick))

  test('retires the same number of instructions', () => {
    const [first, second] = figures((level) => level.instructions)
    expect(first[0]).toBeGreaterThan(1e6)
    expect(second).toEqual(first)
  })

  test('takes the same guest time', () => {
    const [first, second] = figures((level) => level.guestTimeNs)
    expect(second).toEqual(first)
  })

  test('shows the same pictures', () => {
    const [first, second] = figures((level) => level.evidence?.screenshot?.png)
    expect(first.every((png) => png !== undefined)).toBe(true)
    expect(second).toEqual(first)
  })
})
