// Builds dist/: TypeScript by tsc, the soft engine's core by AssemblyScript where its sources are others than core.wasm
// was made from, and what loads at a start in few files.
// With --if-stale nothing is done when dist/ is newer than every source.
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildCore, CORE, isCoreStale } from './build-core.js'
import { writeLayout } from './generate-layout.js'
import { isStale, STAMP } from './stale.cjs'

export { CORE, isCoreStale, isStale }

const root = dirname(dirname(fileURLToPath(import.meta.url)))
/** What browsers run stands beside the TypeScript as it is. */
const PAGES = ['reports/pages', 'harness/live/page']

/** Guests are found by their folders, and tsc leaves what it made of those that are gone. */
function forgetGoneGuests() {
  const made = join(root, 'dist/guests')
  if (!existsSync(made)) return
  for (const { name } of readdirSync(made, { withFileTypes: true }).filter((entry) => entry.isDirectory()))
    if (!existsSync(join(root, 'guests', name))) rmSync(join(made, name), { recursive: true })
}

const node = (args) => spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' }).status === 0

function compileTypeScript() {
  writeLayout()
  forgetGoneGuests()
  for (const pages of PAGES) {
    rmSync(join(root, 'dist', pages), { recursive: true, force: true })
    cpSync(join(root, pages), join(root, 'dist', pages), { recursive: true })
  }
  const typescript = dirname(createRequire(import.meta.url).resolve('typescript/package.json'))
  return node([join(typescript, 'bin/tsc'), '-p', 'tsconfig.build.json'])
}

const bundle = () => node([join(root, 'scripts/bundle.js')])

/** All but the core, within seconds. Returns whether it went well; what is wrong has been printed. */
export function compile() {
  const started = new Date()
  if (!compileTypeScript() || !bundle()) return false
  // Where the core is old, who builds next has something left to do.
  if (!isCoreStale()) stamp(started)
  return true
}

/** Whatever is older than this is in dist/. */
function stamp(started) {
  mkdirSync(dirname(STAMP), { recursive: true })
  writeFileSync(STAMP, `${started.toISOString()}\n`)
  utimesSync(STAMP, started, started)
}

function builtCore() {
  try {
    buildCore()
    return true
  } catch {
    // asc has said what is wrong.
    return false
  }
}

/** Both. Returns whether it went well. */
export function build() {
  const started = new Date()
  const compiled = compileTypeScript()
  const core = !isCoreStale() || builtCore()
  // It makes a machine.
  if (!compiled || !core || !bundle()) return false
  stamp(started)
  return true
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const skip = process.argv.includes('--if-stale') && !isStale()
  process.exit(skip || build() ? 0 : 1)
}
