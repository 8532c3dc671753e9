/** `toReach`: the CPU comes to an instruction, by its address or the name of a function. */
import type { MatcherState } from 'vitest'
import type { Where } from '../vm/debug.js'
import type { TimeoutOptions } from '../vm/driver.js'
import { Vm } from '../vm/vm.js'
import { assertionTimeout, type MatcherResult, outcome } from './matcher-result.js'

export async function toReach(
  this: MatcherState,
  received: unknown,
  where: Where,
  options: TimeoutOptions = {},
): Promise<MatcherResult> {
  if (!(received instanceof Vm)) throw new TypeError("toReach is for a machine, as in expect(vm).toReach('panic')")
  const timeouts = assertionTimeout(options, received.settings.givenTimeout)
  const what = `the CPU to reach ${typeof where === 'string' ? where : `0x${where.toString(16)}`}`
  return outcome({ ...this, isNot: false }, what, () => received.breakAt(where, timeouts))
}
