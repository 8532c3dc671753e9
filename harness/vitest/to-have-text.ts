/** `toHaveText`: text on a screen, in a region, of a located text, or on a serial line, now or soon. */
import type { MatcherState } from 'vitest'
import type { Pattern } from '../keys/boot-command.js'
import { toPattern } from '../keys/patterns.js'
import { type Condition, compilePattern } from '../protocol/condition.js'
import type { TimeoutOptions } from '../vm/driver.js'
import { SerialLine } from '../vm/serial.js'
import { TextLocator } from '../vm/text-locator.js'
import { assertionTimeout, type MatcherResult, outcome, regionOf } from './matcher-result.js'

/** A string is looked for as it stands; `^` and `$` in a pattern are the ends of rows and lines. */
export async function toHaveText(
  this: MatcherState,
  received: unknown,
  expected: RegExp | string,
  options: TimeoutOptions = {},
): Promise<MatcherResult> {
  const pattern = toPattern(expression(expected))
  const what = typeof expected === 'string' ? `'${expected}'` : `${expected}`
  if (received instanceof SerialLine)
    return outcome(this, `${what} on COM${received.port + 1}`, () => onSerial(received, pattern, this.isNot, options))
  if (received instanceof TextLocator)
    return outcome(this, `${what} in the located text`, () => inLocated(received, pattern, this.isNot, options))
  const region = regionOf(received, 'toHaveText')
  const shown = region.shows(pattern)
  const condition: Condition = this.isNot ? { kind: 'not', of: shown } : shown
  return outcome(this, `the screen to have the text ${what}`, () =>
    region.driver.until(condition, assertionTimeout(options, region.driver.settings.givenTimeout)),
  )
}

function expression(expected: unknown): RegExp | string {
  if (typeof expected === 'string' && expected !== '') return expected
  if (expected instanceof RegExp) return expected
  throw new TypeError('toHaveText takes a regular expression, or a string that is not empty')
}

/** What came over the line lately, or what a terminal shows now: cursor movements may put a text together. */
async function onSerial(line: SerialLine, pattern: Pattern, isNot: boolean, options: TimeoutOptions): Promise<void> {
  const regex = compilePattern(pattern)
  const { driver } = line
  const timeouts = assertionTimeout(options, driver.settings.givenTimeout)
  const onTerminal = async () => regex.test(await line.terminal.text())
  if (isNot) {
    await driver.poll(async () => ((await onTerminal()) ? undefined : true), `the end of ${regex} on it`, timeouts)
    return
  }
  if (await onTerminal()) return
  try {
    await driver.until({ kind: 'serial', port: line.port, pattern, peek: true }, timeouts)
  } catch (error) {
    if (!(await onTerminal())) throw error
  }
}

async function inLocated(
  locator: TextLocator,
  pattern: Pattern,
  isNot: boolean,
  options: TimeoutOptions,
): Promise<void> {
  const regex = compilePattern(pattern)
  const { driver } = locator.region
  const check = async () => {
    const found = await locator.text()
    return found !== undefined && regex.test(found) !== isNot ? true : undefined
  }
  await driver.poll(check, `${regex} in what was located`, assertionTimeout(options, driver.settings.givenTimeout))
}
