/**
 * Explores a test: runs it on forks of one machine that depart from the plain run by a seed, until one fails; then takes away
 * departures that the failure does not need, and makes sure that the rest fails again at the same instruction.
 */
import { type Departure, type ExplorationPlan, random } from '../../machine/exploration.js'
import { VmFailure } from '../vm/errors.js'
import type { Vm } from '../vm/vm.js'
import { whereWords } from '../words/place-words.js'
import { SeedError, type SeedRange } from './seed-file.js'
import { shrink } from './shrink.js'

export interface ExploredTest {
  /** Another machine where the test begins. */
  open(): Promise<Vm>
  /** Brings one of them back there. */
  restart(vm: Vm): Promise<void>
  body(vm: Vm): Promise<unknown>
}

/** How one run of the test went. */
export interface Attempt {
  /** undefined: it passed. */
  error: Error | undefined
  departures: Departure[]
  /** Where it ended. */
  instructions: number
  guestTimeNs: number
  /** Where it began. */
  begunNs: number
  cpus: number
}

export interface Found {
  seed: number
  /** Departures that the seed made. */
  found: number
  /** Those that are left. */
  failed: Attempt
}

interface Failed {
  seed: number
  failed: Attempt
}

export interface ExploreOptions {
  seeds: SeedRange
  /** Machines that run at a time. */
  jobs: number
  /** Told now and then. */
  onProgress?: (sentence: string) => void
}

export interface Certainty {
  /** From then on every run failed, ns; before, at least one went well up to `open`. */
  certainNs: number
  openNs: number
  /** Where the guest was, in words. */
  place: string
  instructions: number
  /** Runs that were tried at each moment. */
  tries: number
}

const PLAIN: ExplorationPlan = { departures: [] }

/** The machines of a test, which are used again and again. */
export class Explorer {
  private readonly idle: Vm[] = []

  constructor(private readonly test: ExploredTest) {}

  async close(): Promise<void> {
    await Promise.all(this.idle.splice(0).map((vm) => vm.close()))
  }

  private async begin(): Promise<Vm> {
    const vm = this.idle.pop()
    if (!vm) return this.test.open()
    await this.test.restart(vm)
    return vm
  }

  /** Runs the test once. Rejects with what no guest can do: an error of the test's own. */
  async attempt(plan: ExplorationPlan): Promise<Attempt> {
    const vm = await this.begin()
    try {
      const { guestTimeNs: begunNs, backtraces } = await vm.look()
      await vm.driver.thread.explore(plan)
      const error = await vmFailure(this.test.body(vm))
      const { instructions, guestTimeNs } = await vm.look()
      const departures = await vm.driver.thread.departures()
      if (!vm.driver.closed) this.idle.push(vm)
      return { error, departures, instructions, guestTimeNs, begunNs, cpus: backtraces.length }
    } catch (error) {
      await vm.close()
      throw error
    }
  }

  /** Undefined where no seed made it fail. Rejects with a SeedError where it fails without one. */
  async explore(options: ExploreOptions): Promise<Found | undefined> {
    const plain = await this.attempt(PLAIN)
    if (plain.error)
      throw new SeedError(
        `the test fails in the plain run, which no seed is needed for: ${firstLine(plain.error.message)}`,
      )
    const first = await this.firstFailure(plain, options)
    if (!first) return undefined
    options.onProgress?.(`seed ${first.seed} fails with ${first.failed.departures.length} departures; fewer are tried`)
    return this.reduce(first, plain, options)
  }

  /** The lowest seed that fails, however many run at a time. */
  private firstFailure(plain: Attempt, { seeds, jobs, onProgress }: ExploreOptions): Promise<Failed | undefined> {
    let told = performance.now()
    return this.firstOf(seeds, jobs, async (seed) => {
      const tried = await this.attempt(planOf(seed, plain))
      if (performance.now() - told > PROGRESS_MS) {
        told = performance.now()
        onProgress?.(`${seed - seeds.first + 1} of ${seeds.last - seeds.first + 1} seeds`)
      }
      return tried.error && tried
    })
  }

  private async firstOf(
    { first, last }: SeedRange,
    jobs: number,
    fails: (seed: number) => Promise<Attempt | undefined>,
  ): Promise<Failed | undefined> {
    let next = first
    let best: Failed | undefined
    const work = async () => {
      while (next <= last && (!best || next < best.seed)) {
        const seed = next++
        const failed = await fails(seed)
        if (failed && (!best || seed < best.seed)) best = { seed, failed }
      }
    }
    await Promise.all(Array.from({ length: jobs }, work))
    return best
  }

  private async reduce({ seed, failed }: Failed, plain: Attempt, { jobs, onProgress }: ExploreOptions): Promise<Found> {
    const wanted = failed.error as Error
    const fails = async (departures: readonly Departure[]) => {
      const { error } = await this.attempt({ departures })
      return error !== undefined && sameFailure(error, wanted)
    }
    // Each try is a run: the longer a list, the more of them.
    let departures = await shrink(failed.departures, fails, MOST_TRIES)
    if (departures.length > MOST_CUTS && failed.cpus > 1) {
      onProgress?.(`${departures.length} departures are left of this seed's; fewer elsewhere are tried`)
      const range = { first: 0, last: MOST_ELSEWHERE }
      const elsewhere = await this.firstOf(range, jobs, async (other) => {
        const tried = await this.attempt(sparsePlan(seed * MOST_ELSEWHERE + other, plain))
        return tried.error && sameFailure(tried.error, wanted) ? tried : undefined
      })
      departures = await shrink(elsewhere?.failed.departures ?? departures, fails, MOST_TRIES)
    }
    const again = await this.attempt({ departures })
    return { seed, found: failed.departures.length, failed: { ...again, error: again.error ?? wanted, departures } }
  }

  /**
   * From which moment on the failure was certain: departures up to there are kept, and what comes after is the plain run's, or
   * a seed's. Looked for by halves, down to an instruction.
   */
  async bisectTime(
    departures: readonly Departure[],
    { tries, onProgress }: { tries: number; onProgress?: (sentence: string) => void },
  ): Promise<Certainty> {
    const whole = await this.attempt({ departures })
    if (!whole.error)
      throw new SeedError('the test passes with these departures; is it the test that they were found in?')
    const isCertain = async (at: number) => {
      const kept = departures.filter((one) => one.at <= at)
      for (let seed = 0; seed < tries; seed++) {
        // The first one is the plain run from there on.
        const plan = seed === 0 ? { departures: kept } : { departures: kept, seed, from: at + 1 }
        if (!(await this.attempt(plan)).error) return false
      }
      return true
    }
    let open = whole.begunNs
    let certain = whole.guestTimeNs
    if (await isCertain(open)) certain = open
    while (certain - open > INSTRUCTION_NS) {
      const middle = Math.floor((open + certain) / 2)
      if (await isCertain(middle)) certain = middle
      else open = middle
      onProgress?.(`between ${open / 1e9} s and ${certain / 1e9} s`)
    }
    const { place, instructions } = await this.placeAt(departures, certain)
    return { certainNs: certain, openNs: open, place, instructions, tries }
  }

  /** Where the guest was at a moment on its way to the failure: the test runs, and is stopped there. */
  private async placeAt(
    departures: readonly Departure[],
    at: number,
  ): Promise<{ place: string; instructions: number }> {
    const vm = await this.begin()
    try {
      await vm.driver.thread.explore({ departures })
      // What the test types is left out: most races need nothing of it, and where it matters the place is near.
      await vm.driver.run([{ kind: 'until-time', ns: at }]).catch(() => {})
      const { backtraces, instructions } = await vm.look()
      const each = backtraces.map((one) => `CPU ${one.cpu} ${whereWords([one])}`)
      return { place: each.join(', '), instructions }
    } finally {
      await vm.close()
    }
  }
}

const PROGRESS_MS = 5000

/**
 * What a seed tries: of two that follow each other one has each turn cut and timers fire late, and the other cuts a few turns
 * anywhere, which finds what needs few departures, and long turns besides.
 */
function planOf(seed: number, plain: Attempt): ExplorationPlan {
  return seed % 2 === 0 || plain.cpus === 1 ? { departures: [], seed } : sparsePlan(seed, plain)
}

function sparsePlan(seed: number, { begunNs, guestTimeNs, cpus }: Attempt): ExplorationPlan {
  const draw = (purpose: string) => random(seed, purpose, 0)
  const length = (guestTimeNs - begunNs) / INSTRUCTION_NS
  const moment = (i: number) => begunNs + Math.ceil(draw(`moment ${i}`) * length) * INSTRUCTION_NS
  const count = 1 + Math.floor(draw('count') * MOST_CUTS)
  const departures = Array.from({ length: count }, (_, i) => ({
    at: moment(i),
    cpu: Math.floor(draw(`cpu ${i}`) * cpus),
  }))
  return { departures: departures.sort((a, b) => a.at - b.at) }
}

const MOST_CUTS = 4
/** Runs that a list is shrunk by. */
const MOST_TRIES = 300
/** So often fewer departures are looked for elsewhere. */
const MOST_ELSEWHERE = 300

/** Guest time of an instruction on the soft engine. */
const INSTRUCTION_NS = 10

/** What the guest or an assertion said; anything else that went wrong is the test's own fault, and no seed's. */
async function vmFailure(run: Promise<unknown>): Promise<Error | undefined> {
  try {
    await run
    return undefined
  } catch (error) {
    // As vitest, chai and Node make them; matchers that are added have no name of their own.
    const isAssertion = error instanceof Error && ('actual' in error || error.name === 'AssertionError')
    if (isAssertion || error instanceof VmFailure) return error as Error
    throw error
  }
}

/** Two failures are the same where they say the same, but for numbers and where the guest was. */
export function sameFailure(one: Error, other: Error): boolean {
  return signature(one) === signature(other)
}

function signature({ name, message }: Error): string {
  const said = firstLine(message).replace(/; (CPU \d+ )?in .*$/, '')
  return `${name}: ${said.replace(/0x[\da-f]+|\d+/gi, '#')}`
}

export function firstLine(message: string): string {
  return message.split('\n')[0]
}
