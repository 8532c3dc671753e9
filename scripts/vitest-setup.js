// Before the tests: machines' threads run compiled code, so dist/ is brought up to date. The soft engine's core takes
// minutes to compile: here that is done only where it is missing, and by `npm run build` and `npm test`.
import { existsSync } from 'node:fs'
import { build, CORE, compile, isCoreStale, isStale } from './build.js'

export default function setup() {
  if (!isStale()) return
  const ok = existsSync(CORE) ? compile() : build()
  if (!ok) console.error('The build failed: tests that start machines run what was built before.')
  if (isCoreStale()) console.error("The soft engine's core is older than its sources: 'npm run build' compiles it.")
}
