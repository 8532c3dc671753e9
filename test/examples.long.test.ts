/**
 * The example that installs a whole system, in a project of a user's, whose stages are this checkout's: what other tests
 * have installed from the same media by the same steps is taken as it is.
 */
import { cpSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import debian from '../guests/debian-12-amd64-unattended/guest.js'
import { readRun } from '../reports/write-run.js'
import { withoutMedia } from './guests/media-here.js'
import { Project } from './harness/cli/project.js'

const HOURS = 3_600_000
const root = fileURLToPath(new URL('..', import.meta.url))
const project = new Project()
afterAll(() => project.remove())

test.skipIf(await withoutMedia(debian))('Debian is installed by the example', { timeout: 4 * HOURS }, async () => {
  cpSync(`${root}/examples/install`, project.folder, { recursive: true })
  const env = { BOOTWRIGHT_CACHE: process.env.BOOTWRIGHT_CACHE ?? `${root}/node_modules/.cache/bootwright` }
  const { code, stdout, stderr } = await project.run([], { env })
  expect(code, stdout + stderr).toBe(0)
  const { tests } = readRun(project.report).run
  expect(tests.map(({ status }) => status)).toEqual(['passed', 'passed'])
})
