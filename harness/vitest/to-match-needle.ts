/** `toMatchNeedle`: the screen shows what a needle says, by its name or one of its tags. */
import type { MatcherState } from 'vitest'
import type { TimeoutOptions } from '../vm/driver.js'
import { Screen } from '../vm/screen.js'
import { assertionTimeout, type MatcherResult, outcome, regionOf } from './matcher-result.js'
import { keepNeedle } from './needle-pictures.js'

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
  const shown = await needle.condition()
  const result = await outcome(this, `the needle '${nameOrTag}' on the screen`, () =>
    screen.driver.until(this.isNot ? { kind: 'not', of: shown } : shown, timeouts),
  )
  if (this.isNot || result.pass) return result
  const { match, needle: nearest, frame } = await needle.look()
  const { areas } = match
  const percent = (part: number) => `${(part * 100).toFixed(1)} %`
  const near = areas.map(({ similarity, wanted }) => `${percent(similarity)} of ${percent(wanted)}`).join(', ')
  const { outputFolder } = screen.driver.settings
  const kept = outputFolder ? `:${await keepNeedle(outputFolder, this.currentTestName, nearest, frame, areas)}` : ''
  return { pass: false, message: () => `${result.message()}\n\nnearest was '${nearest.name}', with ${near}${kept}` }
}
