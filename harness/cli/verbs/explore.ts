/** `bootwright explore`: tests by many seeds. `bootwright bisect-time`: from when on a failure that was found was certain. */
import { resolve } from 'node:path'
import { Command } from 'commander'
import { parseSeeds, readSeed, SeedError } from '../../explore/seed-file.js'
import { type Asked, EXPLORE_VARIABLE } from '../../vitest/explore.js'
import { complain, UsageError } from '../errors.js'
import { paragraphs } from '../help.js'
import { runVitest } from '../vitest-run.js'

interface ExploreFlags {
  seeds?: string
  jobs?: string
  seed?: string
  testNamePattern?: string
}

const DEFAULT_TRIES = '10'
const MOST_TRIES = 10_000
const MOST_JOBS = 1024

export function exploreCommand(): Command {
  return new Command('explore')
    .description('run tests with the turns of CPUs and the moments of interrupts moved by seeds, and find races')
    .argument('<test...>', 'files with tests, as vitest finds them')
    .option('-t, --testNamePattern <name>', 'those whose name matches')
    .option('--seeds <range>', "as in 1..1000 (default: the test's own, or 1..100)")
    .option('--jobs <n>', 'machines that run at a time (default: one for each CPU of the host)')
    .option('--seed <file>', 'run a failure that was kept again, to the same instruction')
    .addHelpText('after', () => paragraphs(HELP))
    .action(async (files: string[], flags: ExploreFlags) => {
      process.exitCode = await run(files, flags, () => ({
        ...(flags.seeds !== undefined && { seeds: checked(flags.seeds, parseSeeds) }),
        ...(flags.jobs !== undefined && { jobs: parseCount('--jobs', flags.jobs, MOST_JOBS) }),
        ...(flags.seed !== undefined && { replay: resolve(checked(flags.seed, readSeed)) }),
      }))
    })
}

export function bisectTimeCommand(): Command {
  return new Command('bisect-time')
    .description('say from which moment on a failure that explore found was certain')
    .argument('<test...>', 'files with tests, as vitest finds them')
    .option('-t, --testNamePattern <name>', 'the test whose name matches')
    .requiredOption('--seed <file>', 'the failure, as explore kept it')
    .option('--tries <n>', 'runs that go on otherwise from each moment', DEFAULT_TRIES)
    .addHelpText('after', () => paragraphs(BISECT_HELP))
    .action(async (files: string[], flags: ExploreFlags & { seed: string; tries: string }) => {
      process.exitCode = await run(files, flags, () => ({
        replay: resolve(checked(flags.seed, readSeed)),
        bisect: parseCount('--tries', flags.tries, MOST_TRIES),
      }))
    })
}

const HELP = `
The tests of test.explore, or where a file has none each test that takes a machine, are run once as they are, and then by each
seed, on forks of the machine that they begin with; -t explores any test. A failure is shrunk to the fewest departures from the plain run and kept in __seeds__/ beside the test, where test.explore
tries it first from then on.

Exit codes: 0 no seed failed, 1 one did, or the plain run, 2 wrong options, 3 the host lacks something, 4 there were no
tests, 130 interrupted.`

const BISECT_HELP = `
The failing run is left at a moment, and goes on from there as the plain run and by other seeds; where all of them fail, the
failure was certain by then. The moment is looked for by halves, down to an instruction.`

async function run(files: readonly string[], flags: ExploreFlags, asked: () => Asked): Promise<number> {
  try {
    const name = flags.testNamePattern ?? (flags.seed === undefined ? undefined : escaped(readSeed(flags.seed).test))
    const args = [...files, '--testTimeout=0', ...(name === undefined ? [] : ['-t', name])]
    return await runVitest(args, { [EXPLORE_VARIABLE]: JSON.stringify({ ...asked(), named: name !== undefined }) })
  } catch (error) {
    return complain(error)
  }
}

/** vitest joins the names of suites and tests by blanks. */
const escaped = (test: string) => test.replaceAll(' > ', ' ').replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')

/** The text, where it can be read. Throws a UsageError. */
function checked(text: string, read: (text: string) => unknown): string {
  try {
    read(text)
    return text
  } catch (error) {
    if (error instanceof SeedError) throw new UsageError(error.message)
    throw error
  }
}

function parseCount(option: string, text: string, most: number): number {
  const count = Number(text)
  if (Number.isInteger(count) && count >= 1 && count <= most) return count
  throw new UsageError(`${option} '${text}' is no number from 1 to ${most}`)
}
