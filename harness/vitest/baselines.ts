/** Where a test's pictures are, and when the expected ones are written. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { writeOutputFile } from '../../machine/host/output-file.js'

/**
 * `all` writes every expected picture anew, `changed` those that differ, `missing` those that are not there, `none`
 * no one.
 */
export type UpdateMode = 'all' | 'changed' | 'missing' | 'none'

const MODES: readonly string[] = ['all', 'changed', 'missing', 'none']

/**
 * BOOTWRIGHT_UPDATE, else what vitest's `-u` asks for, else `missing`, and `none` where CI is set.
 * @param snapshotState vitest's, which knows of `-u`.
 * @throws Error with one sentence where BOOTWRIGHT_UPDATE is no mode.
 */
export function updateMode(snapshotState: unknown, env: NodeJS.ProcessEnv = process.env): UpdateMode {
  const asked = env.BOOTWRIGHT_UPDATE
  if (asked) {
    if (MODES.includes(asked)) return asked as UpdateMode
    throw new Error(`BOOTWRIGHT_UPDATE is '${asked}'; it may be ${MODES.join(', ')}`)
  }
  const vitest = (snapshotState as { _updateSnapshot?: string } | undefined)?._updateSnapshot
  if (vitest === 'all') return 'all'
  if (vitest === 'none' || (env.CI && env.CI !== 'false')) return 'none'
  return 'missing'
}

export interface PicturePaths {
  /** In the repository: `__screenshots__/<test file>/<name>.png` beside the test file. */
  baseline: string
  /** Of a run that failed, side by side: `<name>-expected.png`, `-actual.png`, `-diff.png`. */
  expected: string
  actual: string
  diff: string
}

/** @param name With or without `.png`; folders in it are kept. */
export function picturePaths(testPath: string, testName: string, name: string, env = process.env): PicturePaths {
  const base = name.replace(/\.png$/i, '')
  if (base === '' || base.split(/[/\\]/).includes('..'))
    throw new Error(`'${name}' is no name for a picture; give one such as 'login.png'`)
  const output = join(outputFolder(testPath, testName, env), base)
  return {
    baseline: join(dirname(testPath), '__screenshots__', basename(testPath), `${base}.png`),
    expected: `${output}-expected.png`,
    actual: `${output}-actual.png`,
    diff: `${output}-diff.png`,
  }
}

/** Where the files of a test that failed go: below `test-results`, or what BOOTWRIGHT_OUTPUT names. */
export function outputFolder(testPath: string, testName: string, env = process.env): string {
  return resolve(env.BOOTWRIGHT_OUTPUT || 'test-results', basename(testPath), slug(testName))
}

/** A test's name as a file's. */
export function slug(name: string): string {
  return (
    name
      .normalize('NFKD')
      .replace(/[^\p{L}\p{N}.]+/gu, '-')
      .replace(/^[-.]+|[-.]+$/g, '')
      .slice(0, 100) || 'test'
  )
}

/** undefined where there is none. */
export function readBaseline(path: string): Buffer | undefined {
  return existsSync(path) ? readFileSync(path) : undefined
}

export function writePicture(path: string, png: Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true })
  writeOutputFile(path, png)
}

/** What `accept` writes of this actual picture, where that is no picture beside the test: a needle's, say. */
export function writeBaselineName(actual: string, baseline: string): void {
  writeOutputFile(baselineName(actual), baseline)
}

/** undefined where nothing was said. */
export function readBaselineName(actual: string): string | undefined {
  return readBaseline(baselineName(actual))?.toString('utf8')
}

const baselineName = (actual: string) => actual.replace(/(-actual)?\.png$/, '.baseline')

/** Set where the reporter has removed them for all tests. */
const CLEARED = 'BOOTWRIGHT_CLEARED'

/** What former runs left, as Playwright removes it: the folders that are called as test files are. */
export function clearOutput(env = process.env): void {
  const output = resolve(env.BOOTWRIGHT_OUTPUT || 'test-results')
  env[CLEARED] = '1'
  if (!existsSync(output)) return
  for (const entry of readdirSync(output, { withFileTypes: true }))
    if (entry.isDirectory() && /\.[cm]?[jt]sx?$/.test(entry.name))
      rmSync(join(output, entry.name), { recursive: true, force: true })
}

/** Of one test, where no reporter of ours runs. */
export function clearTestOutput(folder: string, env = process.env): void {
  if (env[CLEARED] !== '1') rmSync(folder, { recursive: true, force: true })
}
