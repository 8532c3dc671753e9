/** `npm run conformance -- SUITE ...`: dispatches to the suites. */
import { fex } from './fex/run.js'
import { kvmUnitTests } from './kvm-unit-tests/run.js'
import { needles } from './needles/run.js'
import { screens } from './screens/run.js'
import { singlestep } from './singlestep/run.js'
import { test386 } from './test386/run.js'
import { v86Nasm } from './v86-nasm/run.js'
import { v86Qemu } from './v86-qemu/run.js'

/** Each takes its arguments and returns how many of its cases failed, or whether any did. */
const suites: { [name: string]: (args: string[]) => number | boolean | Promise<number | boolean> } = {
  fex,
  'kvm-unit-tests': kvmUnitTests,
  needles,
  screens,
  singlestep,
  test386,
  'v86-nasm': v86Nasm,
  'v86-qemu': v86Qemu,
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
    `usage: npm run conformance -- ${Object.keys(suites).join('|')} [arguments] (see test/conformance/README.md)`,
  )
  process.exitCode = 2
}
