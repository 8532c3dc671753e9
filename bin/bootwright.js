#!/usr/bin/env node
// Starts the bootwright command. In a checkout the command is built when it is missing or older than its sources, so
// that `npx bootwright …` always runs what is there; BOOTWRIGHT_NO_BUILD=1 runs what was built last.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, statSync, utimesSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const main = join(root, 'dist/harness/cli/main.js')
const core = join(root, 'dist/machine/cpu/soft/core.wasm')
const build = join(root, 'scripts/build.js')
const INFRASTRUCTURE = 3

function fail(sentence) {
  process.stderr.write(`bootwright: ${sentence}\n`)
  process.exit(INFRASTRUCTURE)
}

/** When the newest source below was changed, in ms; what the build itself generates does not count. */
function newest(folder) {
  let latest = 0
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.name === 'generated' || entry.name === 'node_modules') continue
    const path = join(folder, entry.name)
    if (entry.isDirectory()) latest = Math.max(latest, newest(path))
    else if (entry.name.endsWith('.ts')) latest = Math.max(latest, statSync(path).mtimeMs)
  }
  return latest
}

function isStale() {
  if (!existsSync(main) || !existsSync(core)) return true
  const folders = ['machine', 'reports', 'fixtures', 'harness', 'guests'].map((name) => join(root, name))
  const sources = Math.max(...folders.filter((folder) => existsSync(folder)).map(newest))
  return sources > Math.min(statSync(main).mtimeMs, statSync(core).mtimeMs)
}

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19))
  fail(`Node.js ${process.versions.node} is too old; install 20.19 or newer`)

// A package from the registry has no build script and is built already.
if (existsSync(build) && process.env.BOOTWRIGHT_NO_BUILD !== '1' && isStale()) {
  if (!existsSync(join(root, 'node_modules'))) fail(`the npm packages are missing; run 'npm install' in ${root}`)
  process.stderr.write('bootwright: building what has changed\n')
  const built = spawnSync(process.execPath, [build], { cwd: root, encoding: 'utf8' })
  if (built.status !== 0 || !existsSync(main)) {
    process.stderr.write(`${built.stdout}${built.stderr}`)
    fail(`the build failed; 'npm run build' in ${root} says why`)
  }
  // The build may leave alone what came out the same.
  for (const file of [main, core]) if (existsSync(file)) utimesSync(file, new Date(), new Date())
}
if (!existsSync(main)) fail(`${main} is missing; run 'npm run build' in ${root}`)

let code = INFRASTRUCTURE
try {
  const command = await import(pathToFileURL(main).href)
  code = await command.main(process.argv.slice(2))
} catch (error) {
  process.stderr.write(`bootwright: cannot start: ${String(error?.message ?? error).split('\n')[0]}\n`)
  if (process.env.BOOTWRIGHT_DEBUG === '1') process.stderr.write(`${error?.stack}\n`)
}
process.exit(code)
