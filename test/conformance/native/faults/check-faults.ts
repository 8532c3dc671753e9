/** Runs random instructions that may fault on the host's CPU and on the soft engine, and counts what is unlike. */
import type { Random } from '../../../random.js'
import { encoding, type Mode } from '../encoding.js'
import { asHostVendor } from '../vendors.js'
import { describeCase, faultDifferences } from './compare-faults.js'
import type { FaultCase, HostFaults, Outcome } from './host-faults.js'
import { randomCase, untrapped } from './random-instructions.js'
import type { SoftFaults } from './soft-faults.js'
import { whyKept, whyOpen } from './unlike.js'

export interface FaultTally {
  /** Compared. */
  cases: number
  /** How often each exception came. */
  traps: Map<number, number>
  /** Instructions that were not compared, and differences that do not count, by reason. */
  left: Map<string, number>
  /** What differs, ready to print. */
  failures: string[]
}

const DB = 1
const BATCH = 2048

const count = <K>(map: Map<K, number>, key: K): void => void map.set(key, (map.get(key) ?? 0) + 1)

/** `cases` instructions: each alone with TF, and those that come to their end once more in front of INT3. */
export function checkRandomFaults(
  host: HostFaults,
  soft: SoftFaults,
  { random, mode, cases }: { random: Random; mode: Mode; cases: number },
): FaultTally {
  const tally: FaultTally = { cases: 0, traps: new Map(), left: new Map(), failures: [] }
  while (tally.cases < cases) {
    const batch: FaultCase[] = []
    while (batch.length < Math.min(BATCH, cases - tally.cases)) {
      const c = randomCase(random, mode)
      const why = whyKept(c.code, mode)
      if (why) {
        count(tally.left, why)
        continue
      }
      batch.push(c)
      const stepped = soft.run(c)
      if (stepped.trap !== DB || stepped.rip > c.code.length) continue
      // At its own beginning: a REP that goes on. String instructions end with their opcode.
      const length = stepped.rip || (encoding(c.code, mode)?.length ?? 0)
      if (length > 0) batch.push(untrapped(c, length))
    }
    compareFaults(host, soft, batch, tally)
  }
  return tally
}

/** Adds what comes of each case to the tally. */
export function compareFaults(
  host: HostFaults,
  soft: SoftFaults,
  batch: readonly FaultCase[],
  tally: FaultTally,
): void {
  const outcomes = host.run(batch)
  tally.cases += batch.length
  for (const theirs of outcomes) if (theirs) count(tally.traps, theirs.trap)
  const unlike = batch.filter((c, i) => difference(soft, c, outcomes[i], tally.left) !== undefined)
  if (unlike.length === 0) return
  // A host is a guest, too: what it does not say twice was its hypervisor's.
  const again = host.run(unlike)
  for (const [i, c] of unlike.entries()) {
    const found = difference(soft, c, again[i], tally.left)
    if (found === undefined) count(tally.left, 'that the host did otherwise when it was asked again')
    else tally.failures.push(`${describeCase(c)}\n    ${found}`)
  }
}

/** What differs and counts, in words; what does not count is added to `left`. */
function difference(
  soft: SoftFaults,
  c: FaultCase,
  theirs: Outcome | undefined,
  left: FaultTally['left'],
): string | undefined {
  if (!theirs) return "took the oracle's process with it"
  const ours = soft.run(c)
  asHostVendor(c.code, c.mode, c, ours, theirs)
  const found = faultDifferences(c, theirs, ours)
  if (found.length === 0) return undefined
  const why = whyOpen(c, theirs, ours, found)
  if (!why) return found.join('; ')
  count(left, why)
  return undefined
}
