/** `toHaveRequested`: what the guest asked of its LAN, up to now or soon. */
import type { MatcherState } from 'vitest'
import { toPattern } from '../keys/patterns.js'
import { compilePattern, requestText } from '../protocol/condition.js'
import type { TimeoutOptions } from '../vm/driver.js'
import { Network } from '../vm/network/network.js'
import { Vm } from '../vm/vm.js'
import { assertionTimeout, type MatcherResult, outcome } from './matcher-result.js'

/** Negated, it looks at what was asked so far, and does not wait. */
export async function toHaveRequested(
  this: MatcherState,
  received: unknown,
  expected: RegExp | string,
  options: TimeoutOptions = {},
): Promise<MatcherResult> {
  const network = received instanceof Vm ? received.network : received
  if (!(network instanceof Network))
    throw new TypeError(
      "toHaveRequested is for a machine's network, as in expect(vm.network).toHaveRequested(/preseed/)",
    )
  if (!(expected instanceof RegExp) && (typeof expected !== 'string' || expected === ''))
    throw new TypeError('toHaveRequested takes a regular expression, or a string that is not empty')
  const what = `the guest to have asked for ${expected instanceof RegExp ? expected : `'${expected}'`}`
  if (this.isNot) {
    const regex = compilePattern(toPattern(expected))
    const found = (await network.requests()).find((one) => regex.test(requestText(one)))
    return {
      pass: found !== undefined,
      message: () => `expected not ${what}; it asked for ${found && requestText(found)}`,
    }
  }
  const { driver } = network
  return outcome(this, what, () =>
    driver.until(network.hasRequested(expected), assertionTimeout(options, driver.settings.givenTimeout)),
  )
}
