/** What codegen wrote, run as its user would. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect } from 'vitest'

const root = fileURLToPath(new URL('../../..', import.meta.url))

/** A folder for it until the test file ends: within the project, for what is imported as a user's test imports it. */
export function writtenFolder(name: string): string {
  mkdirSync(join(root, 'test-results'), { recursive: true })
  const folder = mkdtempSync(join(root, 'test-results', `${name}-`))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** @param ms The test's time-out. */
export function expectPasses(file: string, ms: number): void {
  expect(existsSync(file)).toBe(true)
  const folder = dirname(file)
  // The project's own configuration looks for tests elsewhere.
  writeFileSync(join(folder, 'vitest.config.mjs'), `export default { test: { testTimeout: ${ms} } }\n`)
  const vitest = join(root, 'node_modules/vitest/vitest.mjs')
  const args = [vitest, 'run', '--root', folder, '--reporter', 'json']
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: ms })
  expect(JSON.parse(stdout.slice(stdout.indexOf('{'))), stderr).toMatchObject({ numPassedTests: 1, success: true })
}
