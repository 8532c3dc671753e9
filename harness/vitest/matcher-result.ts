/** What matchers have in common: what they may be given, and how what came of it is told to vitest. */
import type { MatcherState } from 'vitest'
import type { TimeoutOptions } from '../vm/driver.js'
import { VmFailure } from '../vm/errors.js'
import { Region } from '../vm/screen.js'
import { Vm } from '../vm/vm.js'

export interface MatcherResult {
  pass: boolean
  message: () => string
}

/** Guest time that an assertion waits, unless it or `launch` says otherwise. */
const ASSERTION_TIMEOUT = '30s'

/** What the user gave to the machine counts more than an assertion's default. */
export function assertionTimeout(options: TimeoutOptions, vmTimeout: TimeoutOptions['timeout']): TimeoutOptions {
  return { ...options, timeout: options.timeout ?? vmTimeout ?? ASSERTION_TIMEOUT }
}

/** The screen of a machine, a part of it, or the machine itself. */
export function regionOf(received: unknown, matcher: string): Region {
  if (received instanceof Region) return received
  if (received instanceof Vm) return received.screen
  throw new TypeError(`${matcher} is for a screen or a region of it, as in expect(vm.screen).${matcher}(…)`)
}

/**
 * Waits, and tells vitest: a wait that fails is a matcher that fails, with the evidence; any other error is thrown on.
 * A negated matcher waits for the opposite, so `pass` is turned round for it.
 */
export async function outcome(state: MatcherState, what: string, wait: () => Promise<unknown>): Promise<MatcherResult> {
  const not = state.isNot ? 'not ' : ''
  try {
    await wait()
    return { pass: !state.isNot, message: () => `expected ${not}${what}` }
  } catch (error) {
    if (!(error instanceof VmFailure)) throw error
    return { pass: state.isNot, message: () => `expected ${not}${what}: ${error.message}` }
  }
}
