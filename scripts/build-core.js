// Builds the soft engine's core: the opcode table's generator, then AssemblyScript to dist/machine/cpu/soft/core.wasm.
// What was built from the same sources before, by any checkout of this user, is taken from the cache.
//
// --quick optimises less: half the time to build, for work on the core; it is slower, never cached, and the next
// `npm run build` replaces it.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const out = join(root, 'dist/machine/cpu/soft')
export const CORE = join(out, 'core.wasm')
/** The hash of the sources that core.wasm was made from. */
const HASH = join(out, 'core.hash')
const SOURCES = [
  'machine/cpu/soft/core',
  'machine/cpu/soft/opcodes',
  'machine/cpu/soft/generate.ts',
  'machine/cpu/soft/opcode-table.ts',
  'machine/cpu/features.ts',
]

const require = createRequire(import.meta.url)
const node = (args) => execFileSync(process.execPath, args, { cwd: root, stdio: 'inherit' })

const OPTIONS = [
  '--noAssert',
  '--runtime',
  'stub',
  '--importMemory',
  '--memoryBase',
  '65536',
  // Pages at least; the arena that is handed in has many more.
  '--initialMemory',
  '16',
  '--enable',
  'simd',
  // Functions that exchange v128 values are called by the core alone.
  '--disableWarning',
  '112',
]

function filesOf(path) {
  if (!statSync(join(root, path)).isDirectory()) return [path]
  const names = readdirSync(join(root, path)).sort()
  return names.filter((name) => name !== 'generated').flatMap((name) => filesOf(`${path}/${name}`))
}

/** Of all that core.wasm depends on. */
function hashOfSources() {
  const hash = createHash('sha256').update(JSON.stringify([OPTIONS, require('assemblyscript/package.json').version]))
  for (const file of SOURCES.flatMap(filesOf)) hash.update(`\0${file}\0`).update(readFileSync(join(root, file)))
  return hash.digest('hex')
}

export function isCoreStale() {
  return !existsSync(CORE) || !existsSync(HASH) || readFileSync(HASH, 'utf8') !== hashOfSources()
}

function compile(file, optimisation) {
  node(['--import', 'tsx', 'machine/cpu/soft/generate.ts'])
  const asc = require.resolve('assemblyscript/bin/asc.js')
  node([asc, 'machine/cpu/soft/core/index.ts', '--outFile', file, optimisation, ...OPTIONS])
}

/** Throws where it cannot be built; what is wrong has been printed. */
export function buildCore({ quick = false } = {}) {
  mkdirSync(out, { recursive: true })
  const hash = hashOfSources()
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'bootwright', 'core')
  const cached = join(cache, `${hash}.wasm`)
  if (quick) compile(CORE, '-O1')
  else if (existsSync(cached)) copyFileSync(cached, CORE)
  else {
    compile(CORE, '-O3')
    try {
      mkdirSync(cache, { recursive: true })
      // Whole or not at all, whoever else builds.
      copyFileSync(CORE, `${cached}.${process.pid}`)
      renameSync(`${cached}.${process.pid}`, cached)
    } catch (error) {
      console.error(`core.wasm is not kept for other checkouts: ${error.message}`)
    }
  }
  if (quick) rmSync(HASH, { force: true })
  else writeFileSync(HASH, hash)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) buildCore({ quick: process.argv.includes('--quick') })
