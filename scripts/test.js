// `npm test`: makes the host ready, then formatter and linter, types, unused code, import fences and tests. Goes on after a failure,
// so that one run tells all. `--long` adds the long tests; other arguments go to vitest.
import { build, checkNode, installPackages, installTools, runBin, say, setup, since } from './host.js'

const TOOLS = { nasm: 'nasm' }

const started = Date.now()
const args = process.argv.slice(2)
const long = args.includes('--long')
const filters = args.filter((arg) => arg !== '--long')

checkNode()
installPackages()
installTools(TOOLS)
await build()
setup()

const checks = [
  ['format and lint', () => runBin('biome', ['check', '--error-on-warnings', '.'])],
  ['types', () => runBin('tsc', ['-p', 'tsconfig.json', '--noEmit'])],
  ['unused code', () => runBin('knip', ['--no-progress'])],
  ['tests and import fences', () => runBin('vitest', ['run', ...filters], long ? { BOOTWRIGHT_LONG: '1' } : {})],
]
const failed = []
for (const [name, check] of checks) {
  say(`\n— ${name}`)
  if (!check()) failed.push(name)
}
say(failed.length === 0 ? `\nAll green in ${since(started)}.` : `\nFAILED: ${failed.join(', ')} (${since(started)}).`)
process.exit(failed.length === 0 ? 0 : 1)
