/** A failure that was found, as a file: the departures from the plain run that make a test fail, and how and where it failed. */
import { mkdirSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import * as z from 'zod'
import { UsageError } from '../../machine/errors.js'
import type { Departure } from '../../machine/exploration.js'
import { writeOutputFile } from '../../machine/host/output-file.js'

/** A seed's file, or what is said of seeds, cannot be used: one sentence. */
export class SeedError extends UsageError {
  override readonly name = 'SeedError'
}

const Time = z.number().nonnegative().max(Number.MAX_SAFE_INTEGER)
const SeedFile = z.object({
  format: z.literal('bootwright-seed'),
  version: z.literal(1),
  /** The test's full name. */
  test: z.string(),
  seed: z.int().nonnegative(),
  /** What the test says when it fails; the first line. */
  failure: z.string(),
  /** Where it does. */
  instructions: z.int().nonnegative(),
  guestTimeNs: Time,
  /** As many as the seed made. */
  found: z.int().nonnegative(),
  departures: z
    .array(
      z.union([
        z.strictObject({ at: Time, cpu: z.int().min(0).max(255) }),
        z.strictObject({ at: Time, timer: z.string().max(200), delay: Time }),
      ]),
    )
    .max(10_000_000),
})

export interface KeptSeed {
  test: string
  seed: number
  failure: string
  instructions: number
  guestTimeNs: number
  found: number
  departures: Departure[]
}

/** Throws the host's error where it cannot be written. */
export function writeSeed(path: string, kept: KeptSeed): void {
  mkdirSync(dirname(path), { recursive: true })
  const { departures, ...rest } = kept
  const head = JSON.stringify({ format: 'bootwright-seed', version: 1, ...rest }, undefined, 2)
  const lines = departures.map((one) => `\n    ${JSON.stringify(one)}`)
  writeOutputFile(
    path,
    `${head.slice(0, -2)},\n  "departures": [${lines.join(',')}${lines.length > 0 ? '\n  ' : ''}]\n}\n`,
  )
}

/** Throws a SeedError. */
export function readSeed(path: string): KeptSeed {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    throw new SeedError(`there is no seed's file '${path}'; name one that an exploration wrote`)
  }
  try {
    const { format: _, version: __, ...kept } = SeedFile.parse(JSON.parse(text))
    return kept
  } catch {
    throw new SeedError(`'${path}' is no seed's file, or of another version; explore again`)
  }
}

export interface SeedRange {
  first: number
  last: number
}

/** `1..1000`, or one number. Throws a SeedError. */
export function parseSeeds(text: string): SeedRange {
  const [, first, last = first] = /^\s*(\d{1,9})(?:\s*\.\.\s*(\d{1,9}))?\s*$/.exec(text) ?? []
  if (first === undefined || Number(last) < Number(first))
    throw new SeedError(`seeds '${text}' are no range of numbers; write them as in 1..1000`)
  return { first: Number(first), last: Number(last) }
}
