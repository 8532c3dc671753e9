// `npm run bench`: builds dist/ where it is older than its sources, then runs test/bench/bench.ts. What is measured is
// dist/, as users run it. With --no-build as its first argument it takes dist/ as it is.
import { spawn, spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { isStale } from './build.js'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const args = process.argv.slice(2)
if (args[0] === '--no-build') args.shift()
else if (isStale()) {
  // Its messages go to standard error: standard output is for --json.
  const { status } = spawnSync(process.execPath, [join(root, 'scripts/build.js')], { stdio: ['ignore', 2, 2] })
  if (status !== 0) process.exit(3)
}

const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href
const child = spawn(process.execPath, ['--import', tsx, join(root, 'test/bench/bench.ts'), ...args], {
  stdio: 'inherit',
})
// An interrupt from the keyboard reaches the child too, which then ends itself and its guests.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
child.on('close', (code) => process.exit(code ?? 3))
