/**
 * `test.explore`: a test that is run by many seeds. A failure that is found is kept in `__seeds__/<test file>/` beside the test,
 * and tried before all others from then on. `bootwright explore` explores all tests of a file so.
 */
import { existsSync, readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { basename, dirname, join } from 'node:path'
import * as z from 'zod'
import { type Explorer, type Found, firstLine } from '../explore/explorer.js'
import { parseSeeds, readSeed, type SeedRange, writeSeed } from '../explore/seed-file.js'
import { slug } from './baselines.js'

export interface ExploreOptions {
  /** As in `'1..1000'`; default `'1..100'`. */
  seeds?: string
  /** Machines that run at a time; default one for each of the host's CPUs. */
  jobs?: number
}

/** What `bootwright explore` asks of the tests, in the environment. */
export const EXPLORE_VARIABLE = 'BOOTWRIGHT_EXPLORE'

const Asked = z.object({
  /** Tests were asked for by their names. */
  named: z.boolean().optional(),
  seeds: z.string().optional(),
  jobs: z.number().optional(),
  /** A seed's file, to be run again. */
  replay: z.string().optional(),
  /** How often each moment is tried. */
  bisect: z.number().optional(),
})
export type Asked = z.infer<typeof Asked>

const DEFAULT_SEEDS = '1..100'

/** undefined: tests run as they are. */
export function askedToExplore(env: NodeJS.ProcessEnv = process.env): Asked | undefined {
  const text = env[EXPLORE_VARIABLE]
  return text ? Asked.parse(JSON.parse(text)) : undefined
}

const say = (sentence: string) => {
  console.info(`bootwright: ${sentence}`)
}

/** Rejects with the failure that was found, where it is kept, and what it needs. */
export async function exploreTest(
  explorer: Explorer,
  { file, name }: { file: string; name: string },
  options: ExploreOptions = {},
): Promise<void> {
  const asked = askedToExplore()
  if (asked?.replay !== undefined) {
    await (asked.bisect === undefined
      ? replay(explorer, asked.replay, true)
      : bisect(explorer, asked.replay, asked.bisect))
    return
  }
  const seeds = parseSeeds(asked?.seeds ?? options.seeds ?? DEFAULT_SEEDS)
  const jobs = asked?.jobs ?? options.jobs ?? availableParallelism()
  if (!Number.isInteger(jobs) || jobs < 1) throw new TypeError(`jobs: ${jobs} is no number of machines; give 1 or more`)
  const folder = join(dirname(file), '__seeds__', basename(file))
  for (const path of keptSeeds(folder, name)) await replay(explorer, path, false)
  const onProgress = asked ? say : undefined
  const found = await explorer.explore({ seeds, jobs, onProgress })
  if (found) throw tell(found, name, join(folder, `${slug(name)}-${found.seed}.json`), seeds)
}

function keptSeeds(folder: string, name: string): string[] {
  if (!existsSync(folder)) return []
  const own = new RegExp(`^${slug(name).replace(/[.*+?^$(){}|[\]\\]/g, '\\$&')}-\\d+\\.json$`)
  return readdirSync(folder)
    .filter((one) => own.test(one))
    .sort()
    .map((one) => join(folder, one))
}

/** Runs a kept failure again. It fails as the test does, or where it was to fail and does not. */
async function replay(explorer: Explorer, path: string, isAsked: boolean): Promise<void> {
  const kept = readSeed(path)
  const { error, instructions } = await explorer.attempt({ departures: kept.departures })
  if (!error) {
    if (isAsked)
      say(`the test passes with the ${kept.departures.length} departures of ${path}: what failed there is mended`)
    return
  }
  const where =
    instructions === kept.instructions
      ? `at instruction ${words(instructions)}, as it did before`
      : `at instruction ${words(instructions)}, and not ${words(kept.instructions)}: the guest or the test is another now`
  error.message += `\n\nwith the ${kept.departures.length} departures from the plain run in ${path}, ${where}`
  throw error
}

async function bisect(explorer: Explorer, path: string, tries: number): Promise<void> {
  const { departures } = readSeed(path)
  const { certainNs, openNs, place, instructions } = await explorer.bisectTime(departures, { tries, onProgress: say })
  const seconds = (ns: number) => (ns / 1e9).toFixed(9)
  say(
    certainNs === openNs
      ? `the failure was certain where the test begins, at ${seconds(certainNs)} s: ${tries} of ${tries} runs from there failed`
      : `the failure was certain from ${seconds(certainNs)} s on, at instruction ${words(instructions)}: ${tries} of ${tries} runs ` +
          `from there failed, and one from ${seconds(openNs)} s did not${place === '' ? '' : `; there, ${place}`}`,
  )
}

const words = (count: number) => count.toLocaleString('en-US')

/** Departures that are listed in a failure; the rest is in the file. */
const MOST_LISTED = 12

function tell({ seed, found, failed }: Found, name: string, path: string, { first }: SeedRange): Error {
  const { departures, instructions, guestTimeNs } = failed
  const error = failed.error as Error
  const kept = { test: name, seed, failure: firstLine(error.message), instructions, guestTimeNs, found, departures }
  writeSeed(path, kept)
  const listed = departures.slice(0, MOST_LISTED).map((one) => {
    const at = `at ${(one.at / 1e9).toFixed(9)} s`
    return 'cpu' in one
      ? `  ${at} CPU ${one.cpu} has its turn`
      : `  ${at} the timer '${one.timer}' is ${one.delay} ns late`
  })
  if (departures.length > MOST_LISTED) listed.push(`  … and ${departures.length - MOST_LISTED} more`)
  const fewer = found > departures.length ? ` (of ${words(found)} that it made)` : ''
  error.message += `\n\nfound by seed ${seed} of ${words(seed - first + 1)} that were tried; ${departures.length === 1 ? 'one departure from the plain run is' : `${departures.length} departures from the plain run are`} enough${fewer}:
${listed.join('\n')}
it fails at instruction ${words(instructions)}, each time; kept in ${path}
again: bootwright explore TEST --seed ${path}; from when on it was certain: bootwright bisect-time TEST --seed ${path}`
  return error
}
