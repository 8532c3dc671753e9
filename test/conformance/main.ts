/** `npm run conformance -- SUITE ...`: dispatches to the suites. */
import { needles } from './needles/run.js'
import { singlestep } from './singlestep/run.js'

const suites: { [name: string]: (args: string[]) => number | boolean | Promise<boolean> } = {
  needles,
  singlestep,
}

const [name, ...args] = process.argv.slice(2)
const suite = suites[name]
if (suite) {
  try {
    process.exitCode = (await suite(args)) ? 1 : 0
  } catch (error) {
    console.error((error as Error).message)
    process.exitCode = 2
  }
} else {
  console.error(
    `usage: npm run conformance -- ${Object.keys(suites).join('|')} PATH [options] (see test/conformance/README.md)`,
  )
  process.exitCode = 2
}
