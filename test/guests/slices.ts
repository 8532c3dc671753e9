/** Windows of real guests, run in one go and cut into slices: the hash of the whole machine must be the same. */
import { expect } from 'vitest'
import { openMachine } from '../../harness/config/machine-config.js'
import { type Guest, guestMachine } from '../../harness/guest/guest.js'
import { createMachine } from '../../machine/create-machine.js'
import type { Machine } from '../../machine/machine.js'
import { closeLayer } from '../../machine/state/memory-image.js'
import { Random } from '../random.js'
import { randomSlices, runTo, type Slice, slicesOf } from '../slices.js'

/** Guest time, ns, that is run at once on the way to a window. */
const STRIDE = 50e6

export interface Windows {
  /** Guest time of the first one, ns; or what COM1 must have said before it. */
  from: number | RegExp
  /** Instructions in each. */
  instructions: number
  count: number
  /** Guest time between two, ns. */
  gap?: number
  slices: { [name: string]: Slice }
}

export const eachSlice = (seed: number): { [name: string]: Slice } => ({
  'one instruction': slicesOf(1),
  '7 instructions': slicesOf(7),
  '1,000 instructions': slicesOf(1000),
  'random ones': randomSlices(new Random(seed)),
})

/** Runs the guest on one CPU up to each window, and there once in one go and once in each kind of slices. */
export async function checkSlices(
  guest: Guest,
  { from, instructions, count, gap = 0, slices }: Windows,
): Promise<void> {
  let serial = ''
  const config = { ...(await guestMachine(guest)), engine: 'soft' as const, cpus: 1 }
  const onSerial = (_port: number, byte: number): void => {
    serial += String.fromCharCode(byte)
  }
  const { machine } = openMachine(config, { onSerial }, createMachine)
  try {
    const there = (): boolean => (typeof from === 'number' ? machine.now() >= from : from.test(serial))
    while (!there()) runTo(machine, typeof from === 'number' ? from : machine.now() + STRIDE)
    for (let window = 0; window < count; window++) {
      if (window > 0) runTo(machine, machine.now() + gap)
      checkWindow(machine, machine.now() + instructions * 10, slices)
    }
  } finally {
    machine.close()
  }
}

function checkWindow(machine: Machine, end: number, slices: { [name: string]: Slice }): void {
  const state = machine.save()
  const begun = machine.instructions()
  const outcome = (slice?: Slice) => {
    const exits = runTo(machine, end, slice)
    return { exits, now: machine.now(), instructions: machine.instructions(), hash: machine.fingerprint() }
  }
  const whole = outcome()
  for (const [name, slice] of Object.entries(slices)) {
    machine.load(state)
    expect({ name, ...outcome(slice) }, `from instruction ${begun}`).toEqual({ name, ...whole })
  }
  // On from where all of them came to. What was saved is not needed any more then.
  const after = machine.save()
  machine.load(after)
  const kept = new Set(after.memory.layers)
  for (const layer of state.memory.layers) if (!kept.has(layer)) closeLayer(layer)
}
