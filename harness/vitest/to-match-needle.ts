/** `toMatchNeedle`: the screen shows what a needle says, by its name or one of its tags. */
import type { MatcherState } from 'vitest'
import type { TimeoutOptions } from '../vm-driver.js'
import { Screen } from '../vm-screen.js'
import { assertionTimeout, type MatcherResult, outcome, regionOf } from './matcher-result.js'

export async function toMatchNeedle(
  this: MatcherState,
  received: unknown,
  nameOrTag: string,
  options: TimeoutOptions = {},
): Promise<MatcherResult> {
  const screen = regionOf(received, 'toMatchNeedle')
  if (!(screen instanceof Screen))
    throw new TypeError('a needle is for a whole screen: expect(vm.screen).toMatchNeedle(…)')
  const needle = screen.needle(nameOrTag)
  const timeouts = assertionTimeout(options, screen.driver.settings.givenTimeout)
  const result = await outcome(this, `the needle '${nameOrTag}' on the screen`, async () => {
    if (!this.isNot) return needle.waitFor(timeouts)
    const gone = async () => ((await needle.best()).matched ? undefined : true)
    return screen.driver.poll(gone, `the end of the needle '${nameOrTag}'`, timeouts)
  })
  if (result.pass !== this.isNot) return result
  const { name, similarity } = await needle.best()
  const near = `the best was '${name}' with ${(similarity * 100).toFixed(1)} % of its worst area`
  return { ...result, message: () => `${near}; ${result.message()}` }
}
