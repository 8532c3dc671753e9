/**
 * `toHaveScreenshot`: the screen, or a region of it, looks as the expected picture does: to the pixel, unless some may
 * differ. The machine draws its own pixels, so a picture that was made on one host is right on all.
 */
import type { MatcherState } from 'vitest'
import type { Area } from '../picture/compare-pictures.js'
import { compareScreen } from '../picture/screen-areas.js'
import { decodePng, encodePng } from '../picture/screenshot.js'
import type { ScreenshotCondition } from '../protocol/condition.js'
import type { TimeoutOptions } from '../vm/driver.js'
import { VmFailure } from '../vm/errors.js'
import type { Region } from '../vm/screen.js'
import { type PicturePaths, picturePaths, readBaseline, slug, updateMode, writePicture } from './baselines.js'
import { assertionTimeout, type MatcherResult, outcome, regionOf } from './matcher-result.js'

export interface ScreenshotOptions extends TimeoutOptions {
  /** Areas of the screen that are left out. */
  mask?: readonly Area[]
  /** How many pixels may differ; default none. */
  maxDiffPixels?: number
  /** Which part of all pixels may differ, from 0 to 1. */
  maxDiffPixelRatio?: number
  /** Colour distance from 0 to 1 up to which two pixels are the same; default 0, exact. */
  threshold?: number
}

/** What is to be written must not be a picture of half a screen. */
const STILL = '500ms'

/** Pictures without a name are numbered by test. */
const numbers = new Map<string, number>()

export async function toHaveScreenshot(
  this: MatcherState & { snapshotState?: unknown },
  received: unknown,
  nameOrOptions: string | ScreenshotOptions = {},
  moreOptions: ScreenshotOptions = {},
): Promise<MatcherResult> {
  const region = regionOf(received, 'toHaveScreenshot')
  const options = typeof nameOrOptions === 'string' ? moreOptions : nameOrOptions
  const { testPath, currentTestName = 'test' } = this
  if (testPath === undefined) throw new Error('toHaveScreenshot needs a test file to keep its pictures beside')
  const name = typeof nameOrOptions === 'string' ? nameOrOptions : nextName(testPath, currentTestName)
  const paths = picturePaths(testPath, currentTestName, name)
  const mode = updateMode(this.snapshotState)
  const timeouts = assertionTimeout(options, region.driver.settings.givenTimeout)
  const baseline = readBaseline(paths.baseline)

  if (baseline === undefined || (mode !== 'missing' && mode !== 'none')) {
    if (this.isNot) {
      if (baseline === undefined)
        return { pass: true, message: () => `there is no ${paths.baseline} that the screen could differ from` }
    } else return write(region, paths, baseline, mode, options, timeouts)
  }
  const expected = await decodePng(baseline as Buffer)
  const maxDiffPixels =
    options.maxDiffPixels ?? Math.floor((options.maxDiffPixelRatio ?? 0) * expected.width * expected.height)
  const { mask, threshold } = options
  const condition: ScreenshotCondition = {
    ...{ kind: 'screenshot', title: name, expected, area: region.area, mask, threshold, maxDiffPixels },
  }
  const result = await outcome(this, `the screen to look like ${name}`, () =>
    region.driver.until(this.isNot ? { kind: 'not', of: condition } : condition, timeouts),
  )
  if (this.isNot || result.pass) return result
  const difference = await keepDifference(region, paths, baseline as Buffer, condition)
  return { pass: false, message: () => `${difference}\n${result.message()}` }
}

function nextName(testPath: string, testName: string): string {
  const key = `${testPath}\n${testName}`
  const number = (numbers.get(key) ?? 0) + 1
  numbers.set(key, number)
  return `${slug(testName)}-${number}.png`
}

/** A test that runs again, as a retry does, begins with the same names. */
export function restartNames(testPath: string, testName: string): void {
  numbers.delete(`${testPath}\n${testName}`)
}

async function write(
  region: Region,
  paths: PicturePaths,
  baseline: Buffer | undefined,
  mode: string,
  options: ScreenshotOptions,
  timeouts: TimeoutOptions,
): Promise<MatcherResult> {
  try {
    await region.waitForStill(STILL, timeouts)
  } catch (error) {
    if (!(error instanceof VmFailure)) throw error
    return { pass: false, message: () => `expected a still screen to keep as a picture: ${error.message}` }
  }
  const png = await region.png()
  if (mode === 'none') {
    writePicture(paths.actual, png)
    const how = `run with -u locally to make it of ${paths.actual}`
    return { pass: false, message: () => `there is no expected picture ${paths.baseline}; ${how}` }
  }
  const keep = baseline !== undefined && mode === 'changed' && (await isEqual(region, baseline, options))
  if (!keep) {
    writePicture(paths.baseline, png)
    console.info(`bootwright: wrote ${paths.baseline}`)
  }
  return { pass: true, message: () => `the screen is as in ${paths.baseline}, which was just written` }
}

async function isEqual(region: Region, baseline: Buffer, options: ScreenshotOptions): Promise<boolean> {
  const { mask, threshold, maxDiffPixels } = options
  const expected = await decodePng(baseline)
  const area = region.area && { ...region.area, x: 0, y: 0 }
  return compareScreen(await region.frame(), { expected, area, mask, threshold, maxDiffPixels }).equal
}

async function keepDifference(
  region: Region,
  paths: PicturePaths,
  baseline: Buffer,
  condition: ScreenshotCondition,
): Promise<string> {
  const whole = await region.driver.ask((thread) => thread.frame())
  const { differentPixels, sameSize, diff, actual } = compareScreen(whole, condition)
  writePicture(paths.expected, baseline)
  writePicture(paths.actual, await encodePng(actual))
  if (diff) writePicture(paths.diff, await encodePng(diff))
  const { expected } = condition
  const how = sameSize
    ? `${differentPixels} of ${expected.width * expected.height} pixels differ`
    : `the picture has ${actual.width}×${actual.height} pixels, not ${expected.width}×${expected.height}`
  const files = [paths.expected, paths.actual, ...(diff ? [paths.diff] : [])]
  return `${how}:\n${files.map((file) => `  ${file}`).join('\n')}`
}
