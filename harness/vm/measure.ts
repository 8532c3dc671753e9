/** `vm.measure()`: what a part of a test costs the guest, in instructions, the same on every host. */
import type { Counts } from '../protocol/messages.js'
import type { VmDriver } from './driver.js'
import { LaunchError } from './errors.js'

/** What happened between two moments of a machine. */
export class Measured {
  constructor(
    /** Instructions that all CPUs have retired. */
    readonly instructions: number,
    /** Guest time that passed, ns; what the CPUs waited is in it. */
    readonly guestTimeNs: number,
    /** Instructions by CPU, the first one's first. */
    readonly cpus: readonly number[],
  ) {}

  static between(before: Counts, after: Counts): Measured {
    return new Measured(
      after.instructions - before.instructions,
      after.guestTimeNs - before.guestTimeNs,
      after.cpus.map((count, cpu) => count - before.cpus[cpu]),
    )
  }
}

/** Rejects with a LaunchError where nothing is counted, and with what the action rejects with. */
export async function measure(driver: VmDriver, action: () => unknown): Promise<Measured> {
  if (driver.thread.engine !== 'soft')
    throw new LaunchError("instructions are counted on the soft engine alone; launch with engine: 'soft'")
  const before = await countsOf(driver)
  await action()
  const after = await countsOf(driver)
  if (after.instructions < before.instructions)
    throw new LaunchError(
      'the machine was brought back to an earlier moment while it was measured; measure what follows',
    )
  return Measured.between(before, after)
}

function countsOf(driver: VmDriver): Promise<Counts> {
  return driver.ask((thread) => thread.askDebug({ what: 'counts', cpu: 0 })) as Promise<Counts>
}
