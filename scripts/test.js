// `npm test`: makes the host ready, then formatter and linter, types, unused code, import fences and tests. Goes on after a failure,
// so that one run tells all. `--long` adds the long tests; other arguments go to vitest.
import { build, checkNode, hearBin, installPackages, installTools, runBin, say, setup, since } from './host.js'

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

const failed = []
const tell = (name, ok) => ok || failed.push(name)

// None of these keeps two cores busy, so they run at once and are told one after the other.
const checks = [
  ['format and lint', hearBin('biome', ['check', '--error-on-warnings', '.'])],
  ['types', hearBin('tsc', ['-p', 'tsconfig.json', '--noEmit'])],
  ['unused code', hearBin('knip', ['--no-progress'])],
]
for (const [name, ended] of checks) {
  const { ok, output } = await ended
  say(`\n— ${name}\n${output}`.trimEnd())
  tell(name, ok)
}
say('\n— tests and import fences')
tell('tests and import fences', runBin('vitest', ['run', ...filters], long ? { BOOTWRIGHT_LONG: '1' } : {}))

say(failed.length === 0 ? `\nAll green in ${since(started)}.` : `\nFAILED: ${failed.join(', ')} (${since(started)}).`)
process.exit(failed.length === 0 ? 0 : 1)
