/** The matchers, added to vitest's `expect`; in negated (`.not`) and soft (`expect.soft`) forms as all are there. */

import { expect } from 'vitest'
import type { Where } from '../vm/debug.js'
import type { TimeoutOptions } from '../vm/driver.js'
import { awaited } from './forgotten.js'
import { type ExpectedExit, toExit } from './to-exit.js'
import { toHaveRequested } from './to-have-requested.js'
import { type ScreenshotOptions, toHaveScreenshot } from './to-have-screenshot.js'
import { toHaveText } from './to-have-text.js'
import { toMatchNeedle } from './to-match-needle.js'
import { toReach } from './to-reach.js'
import { type BaselineExpectation, toRetireAtMost } from './to-retire-at-most.js'

/** All wait in guest time, 30 seconds by default, and end at the very frame or byte at which they are met. */
interface BootwrightMatchers {
  /** Text on a screen, a region, a located text or a serial line. A string is looked for as it stands. */
  toHaveText(expected: RegExp | string, options?: TimeoutOptions): Promise<void>
  /** The screen, or a region, looks as `__screenshots__/<test file>/<name>` does. */
  toHaveScreenshot(name?: string, options?: ScreenshotOptions): Promise<void>
  toHaveScreenshot(options?: ScreenshotOptions): Promise<void>
  /** The screen shows the needle of this name, or one with this tag. */
  toMatchNeedle(nameOrTag: string, options?: TimeoutOptions): Promise<void>
  /** The guest asked its LAN for this, as in `http GET /preseed.cfg`; with `.not` until now. */
  toHaveRequested(expected: RegExp | string, options?: TimeoutOptions): Promise<void>
  /** A CPU comes to the instruction, by its address or a function's name (soft engine). */
  toReach(where: Where, options?: TimeoutOptions): Promise<void>
  /** What `vm.measure()` gave is no more than so many instructions, or than the baseline beside the test says. */
  toRetireAtMost(expected: number | BaselineExpectation): Promise<void>
  /** The guest stops; by default cleanly. */
  toExit(expected?: ExpectedExit, options?: TimeoutOptions): Promise<void>
}

declare module 'vitest' {
  // biome-ignore lint/suspicious/noExplicitAny: as vitest declares it
  interface Matchers<T = any> extends BootwrightMatchers {}
}

const matchers = { toHaveText, toHaveScreenshot, toMatchNeedle, toHaveRequested, toReach, toRetireAtMost, toExit }
expect.extend(
  Object.fromEntries(Object.entries(matchers).map(([name, run]) => [name, awaited(name, run as never)])) as never,
)

export { expect }
