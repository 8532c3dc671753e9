/** The kernel with races, and what a test of it waits for. */
import { join } from 'node:path'
import { Explorer } from '../../../harness/explore/explorer.js'
import { launch } from '../../../harness/vm/launch.js'
import type { Vm } from '../../../harness/vm/vm.js'
import { compiledKernel } from '../../compiled-kernel.js'

export const RACES = ['MISSING_LOCK', 'LOST_WAKEUP', 'ABA'] as const
export type Race = (typeof RACES)[number]

export function racingKernel(race: Race): string {
  return compiledKernel(race, join(import.meta.dirname, 'kernel.c'), '-O1', `-DRACE=${race}`)
}

export async function passes(vm: Vm): Promise<void> {
  await vm.serial.waitFor(/right|wrong/, { timeout: '10ms' })
  await vm.waitForExit({}, { timeout: '10ms' })
}

/** Begins where the first CPU is about to wake the second one. */
export async function racing(race: Race): Promise<{ explorer: Explorer; close(): Promise<void> }> {
  const base = await launch({ kernel: racingKernel(race), smp: 2, engine: 'soft', memory: 16 })
  await base.serial.waitFor('go')
  const from = await base.snapshot()
  const explorer = new Explorer({
    open: () => base.forkFrom(from),
    restart: (vm) => vm.restore(from),
    body: passes,
  })
  const close = async () => {
    await explorer.close()
    from.release()
    await base.close()
  }
  return { explorer, close }
}
