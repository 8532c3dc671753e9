// Before the tests: machines' threads run compiled code, so dist/ is built when it is older than the sources.
import { build, isStale } from './build.js'

export default function setup() {
  if (isStale() && !build()) console.error('The build failed: tests that start machines run what was built before.')
}
