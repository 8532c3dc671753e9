#!/usr/bin/env node
// Starts the bootwright command. In a checkout the command is built when it is missing or older than its sources, so
// that `npx bootwright …` always runs what is there; BOOTWRIGHT_NO_BUILD=1 runs what was built last.
// A CommonJS module, as package.json beside it says: Node's loader of ES modules takes a third of Node's own start.
'use strict'
const { existsSync } = require('node:fs')
const module_ = require('node:module')
const { dirname, join } = require('node:path')

const root = dirname(__dirname)
const bundle = join(root, 'dist/bundle')
const main = join(bundle, 'main.cjs')
const build = join(root, 'scripts/build.js')
const INFRASTRUCTURE = 3

function fail(sentence) {
  process.stderr.write(`bootwright: ${sentence}\n`)
  process.exit(INFRASTRUCTURE)
}

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19))
  fail(`Node.js ${process.versions.node} is too old; install 20.19 or newer`)
if (existsSync(build) && !existsSync(join(root, 'node_modules')))
  fail(`the npm packages are missing; run 'npm install' in ${root}`)

// From Node 22 on what it has compiled is kept.
module_.enableCompileCache?.()

const parts = () => require(join(bundle, 'load.cjs'))
/** One of the parts of the bundle. */
const partOf = (name) => parts()(name)

const args = process.argv.slice(2)
// The machine's thread loads meanwhile, if there is to be one. Where it cannot, main.js says why.
let begun
try {
  begun = partOf('begin.cjs')
  begun.begin(args)
} catch {}

// A package from the registry has no build script and is built already.
if (existsSync(build) && process.env.BOOTWRIGHT_NO_BUILD !== '1' && require('../scripts/stale.cjs').isStale()) {
  // A build of long ago had nothing to take back.
  begun?.takeBack?.()
  process.stderr.write('bootwright: building what has changed\n')
  // Standard output belongs to the command; what the build says matters only when it fails.
  const { spawnSync } = require('node:child_process')
  const built = spawnSync(process.execPath, [build, '--if-stale'], { cwd: root, encoding: 'utf8' })
  if (built.status !== 0) {
    process.stderr.write(`${built.stdout}${built.stderr}`)
    fail(`the build failed; 'npm run build' in ${root} says why`)
  }
  for (const path of Object.keys(require.cache)) if (path.startsWith(bundle)) delete require.cache[path]
}
if (!existsSync(main)) fail(`${main} is missing; run 'npm run build' in ${root}`)

if (process.env.BOOTWRIGHT_DEBUG === '1') process.setSourceMapsEnabled(true)

async function run() {
  try {
    return await partOf('main.cjs').main(args)
  } catch (error) {
    process.stderr.write(`bootwright: cannot start: ${String(error?.message ?? error).split('\n')[0]}\n`)
    if (process.env.BOOTWRIGHT_DEBUG === '1') process.stderr.write(`${error?.stack}\n`)
    return INFRASTRUCTURE
  }
}

run().then((code) => {
  // Other commands are quick by themselves.
  if (args[0] === 'run') parts().keep?.()
  process.exit(code)
})
