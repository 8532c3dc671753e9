// Before the tests: machines' threads run compiled code, so dist/ is brought up to date. The soft engine's core takes
// minutes to compile: here that is done only where it is missing, and by `npm run build` and `npm test`. What tests and
// what they test leave in the folder for temporary files is in one folder of the run, and gone with it.
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { build, CORE, compile, isCoreStale, isStale } from './build.js'

const PREFIX = 'bootwright-tests-'

/** Called for the run, and for each of its projects. */
export default function setup(project) {
  const outer = tmpdir()
  if (basename(outer).startsWith(`${PREFIX}${process.pid}-`)) return undefined
  forgetEnded(outer)
  const folder = mkdtempSync(join(outer, `${PREFIX}${process.pid}-`))
  process.env.TMPDIR = folder
  bringUpToDate()
  // In watch mode the sources have changed since.
  project.onTestsRerun(bringUpToDate)
  return () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
}

function bringUpToDate() {
  if (!isStale()) return
  const ok = existsSync(CORE) ? compile() : build()
  if (!ok) console.error('The build failed: tests that start machines run what was built before.')
  if (isCoreStale()) console.error("The soft engine's core is older than its sources: 'npm run build' compiles it.")
}

/** What a run left that was killed. */
function forgetEnded(outer) {
  for (const name of readdirSync(outer)) {
    const pid = name.startsWith(PREFIX) ? Number.parseInt(name.slice(PREFIX.length), 10) : Number.NaN
    if (Number.isNaN(pid) || isRunning(pid)) continue
    try {
      rmSync(join(outer, name), { recursive: true, force: true })
    } catch {
      // Another user's, or a test's file system is mounted there still.
    }
  }
}

function isRunning(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}
