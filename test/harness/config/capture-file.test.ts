import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { CaptureFile } from '../../../harness/config/capture-file.js'
import { HostError } from '../../../machine/errors.js'

const folder = mkdtempSync(join(tmpdir(), 'bootwright-capture-'))
const made = (first: number) => Uint8Array.from({ length: 60 }, (_, i) => (i === 0 ? first : 0))

test('frames are in the order of their times, which are the guest’s', () => {
  const path = join(folder, 'a.pcap')
  const capture = CaptureFile.open(path, 1000.5)
  capture.add(made(2), 3_000_000_000, 1_000)
  capture.add(made(1), 1_600_000_007, 1_600_000_007)
  capture.close()
  const file = readFileSync(path)
  expect(capture.failure).toBeUndefined()
  expect(file.readUInt32LE(0)).toBe(0xa1b23c4d)
  expect(file.readUInt32LE(20)).toBe(1)
  const record = (at: number) => [
    file.readUInt32LE(at),
    file.readUInt32LE(at + 4),
    file.readUInt32LE(at + 8),
    file[at + 16],
  ]
  expect(record(24)).toEqual([1002, 100_000_007, 60, 1])
  expect(record(24 + 76)).toEqual([1003, 500_000_000, 60, 2])
  expect(file.length).toBe(24 + 2 * 76)
})

test('a path that cannot be written is said in a sentence', () => {
  expect(() => CaptureFile.open(folder, 0)).toThrow(
    `the capture ${JSON.stringify(folder)} is a directory; name a file in it`,
  )
  expect(() => CaptureFile.open('/dev/full', 0)).toThrow(/^the capture "\/dev\/full" cannot be written \(.*ENOSPC/)
  // Of the host, and so another exit code than that of a path that is wrong.
  expect(() => CaptureFile.open('/dev/full', 0)).toThrow(HostError)
})
