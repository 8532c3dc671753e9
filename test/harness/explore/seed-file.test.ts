/** What is read back of seeds. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { parseSeeds, readSeed, writeSeed } from '../../../harness/explore/seed-file.js'

const folder = mkdtempSync(join(tmpdir(), 'bootwright-seeds-'))
afterAll(() => rmSync(folder, { recursive: true }))

describe('a seed that is kept', () => {
  const kept = {
    ...{ test: 'a test', seed: 17, failure: 'it fails', instructions: 123, guestTimeNs: 4560, found: 9 },
    departures: [
      { at: 10, cpu: 1 },
      { at: 20, timer: 'COM1 transmit', delay: 300 },
    ],
  }

  test('is read as it was written, and has a line a departure', () => {
    const path = join(folder, 'below', 'kept.json')
    writeSeed(path, kept)
    expect(readSeed(path)).toEqual(kept)
    writeSeed(path, { ...kept, departures: [] })
    expect(readSeed(path).departures).toEqual([])
  })

  test.each([
    ['{', 'is no seed'],
    ['{"format":"bootwright-seed","version":2}', 'or of another version'],
    [
      JSON.stringify({ format: 'bootwright-seed', version: 1, ...kept, departures: [{ at: -1, cpu: 0 }] }),
      'is no seed',
    ],
  ])('%s is refused by its name', (text, sentence) => {
    const path = join(folder, 'wrong.json')
    writeFileSync(path, text)
    expect(() => readSeed(path)).toThrow(sentence)
    expect(() => readSeed(path)).toThrow(`'${path}'`)
  })

  test('seeds are a range', () => {
    expect(parseSeeds('1..1000')).toEqual({ first: 1, last: 1000 })
    expect(parseSeeds('7')).toEqual({ first: 7, last: 7 })
    for (const text of ['9..1', 'many', '-1..4', '1-4']) expect(() => parseSeeds(text)).toThrow(`seeds '${text}'`)
    expect(() => readSeed(join(folder, 'none.json'))).toThrow("there is no seed's file")
  })
})
