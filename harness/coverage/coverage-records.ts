/**
 * What machines have executed of programs, a file a machine, below `bootwright-coverage/`. Stretches of code are kept as the
 * programs were linked, so that those of machines which had a program in different places can be put together.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import * as z from 'zod'
import type { ExecutedPart } from '../../machine/debug/symbols/symbols.js'
import { UsageError } from '../../machine/errors.js'
import { writeOutputFile } from '../../machine/host/output-file.js'

/** A record cannot be used: one sentence. */
export class CoverageError extends UsageError {
  override readonly name = 'CoverageError'
}

const FORMAT = 'bootwright-coverage'
const Hex = z.string().regex(/^[\da-f]{1,16}$/)
const CoverageFile = z.object({
  format: z.literal(FORMAT),
  version: z.literal(1),
  parts: z.array(z.object({ path: z.string(), build: z.string(), stretches: z.array(z.tuple([Hex, Hex])) })).max(1000),
})

const ENDING = '.coverage.json'
let written = 0

/** Where records are, and are looked for. */
export function coverageFolder(env: NodeJS.ProcessEnv = process.env): string {
  return resolve(env.BOOTWRIGHT_COVERAGE || 'bootwright-coverage')
}

/** Throws the host's error where it cannot be written. */
export function writeRecord(parts: readonly ExecutedPart[], folder = coverageFolder()): void {
  const hex = (address: bigint) => address.toString(16)
  const record: z.infer<typeof CoverageFile> = {
    ...{ format: FORMAT, version: 1 },
    parts: parts.map(({ stretches, ...part }) => ({
      ...part,
      stretches: stretches.map(([low, high]): [string, string] => [hex(low), hex(high)]),
    })),
  }
  mkdirSync(folder, { recursive: true })
  writeOutputFile(join(folder, `${process.pid}-${++written}${ENDING}`), `${JSON.stringify(record)}\n`)
}

/** The records in files and folders. Throws a CoverageError that names what is none. */
export function readRecords(paths: readonly string[]): ExecutedPart[] {
  return paths.flatMap(recordFiles).flatMap((path) => {
    const parsed = CoverageFile.safeParse(read(path))
    if (!parsed.success) throw new CoverageError(`'${path}' is no record of coverage; name what --coverage wrote`)
    return parsed.data.parts.map(({ stretches, ...part }) => ({
      ...part,
      stretches: stretches.map(([low, high]): [bigint, bigint] => [BigInt(`0x${low}`), BigInt(`0x${high}`)]),
    }))
  })
}

/** Removes the records in a folder, and nothing else. */
export function clearRecords(folder = coverageFolder()): void {
  if (existsSync(folder)) for (const path of recordFiles(folder)) rmSync(path, { force: true })
}

function recordFiles(path: string): string[] {
  if (!existsSync(path)) throw new CoverageError(`there is no '${path}'; machines with --coverage write records`)
  if (!statSync(path).isDirectory()) return [path]
  const names = readdirSync(path).filter((name) => name.endsWith(ENDING))
  return names.sort().map((name) => join(path, name))
}

function read(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return undefined
  }
}
