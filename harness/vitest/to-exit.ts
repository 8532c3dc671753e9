/** `toExit`: the machine stops by itself, and as expected. */
import type { MatcherState } from 'vitest'
import type { TimeoutOptions } from '../vm/driver.js'
import { type ExitExpectation, Vm } from '../vm/vm.js'
import { codeHint } from '../words/exit-words.js'
import { assertionTimeout, type MatcherResult, outcome } from './matcher-result.js'

export interface ExpectedExit extends ExitExpectation {
  /** Of `debug-exit`: what the guest writes to the port. QEMU's process exits with `(code << 1) | 1`. */
  code?: number
}

/** Without `reason`, a clean stop: power-off, reset, or debug-exit with code 0. A panic shall not pass for a success. */
export async function toExit(
  this: MatcherState,
  received: unknown,
  expected: ExpectedExit = {},
  options: TimeoutOptions = {},
): Promise<MatcherResult> {
  if (!(received instanceof Vm)) throw new TypeError('toExit is for a machine, as in expect(vm).toExit(…)')
  const { code } = expected
  const reason = expected.reason ?? (code === undefined ? undefined : 'debug-exit')
  const what = `the guest to exit${reason ? ` by ${[reason].flat().join(' or ')}` : ''}`
  const timeouts = assertionTimeout(options, received.settings.givenTimeout)
  const result = await outcome({ ...this, isNot: false }, what, () => received.waitForExit({ reason }, timeouts))
  if (!result.pass || code === undefined || received.exit?.code === code) return result
  const seen = received.exit?.code
  const sentence = `expected the guest to leave with code ${code}, and it left with ${seen}${codeHint(code, seen)}`
  return { pass: false, message: () => sentence }
}
