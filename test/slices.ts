/** A machine run in one go or cut into slices: which, must not matter. */
import type { Machine, MachineExit } from '../machine/machine.js'
import type { Random } from './random.js'

/** Guest time of one instruction, ns. */
const INSTRUCTION = 10

/** What a slice is, in instructions. */
export type Slice = () => number

export const slicesOf =
  (instructions: number): Slice =>
  () =>
    instructions

/** Mostly a few instructions, now and then many. */
export const randomSlices =
  (random: Random): Slice =>
  () =>
    random.below(50) === 0 ? 1 + random.below(50_000) : 1 + random.below(40)

/** Runs until guest time `until`, past resets; gives the reasons of the exits on the way, of which the last may be final. */
export function runTo(machine: Machine, until: number, slice?: Slice): MachineExit['reason'][] {
  const exits: MachineExit['reason'][] = []
  while (machine.now() < until) {
    const end = slice ? Math.min(until, machine.now() + slice() * INSTRUCTION) : until
    const exit = machine.run(end)
    if (!exit) continue
    exits.push(exit.reason)
    if (!['reset', 'triple-fault'].includes(exit.reason)) break
  }
  return exits
}
