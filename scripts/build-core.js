// Builds the soft engine's core: the opcode table's generator, then AssemblyScript to dist/machine/cpu/soft/core.wasm.
import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const out = join(root, 'dist/machine/cpu/soft')
const node = (args) => execFileSync(process.execPath, args, { cwd: root, stdio: 'inherit' })

mkdirSync(out, { recursive: true })
node(['--import', 'tsx', 'machine/cpu/soft/generate.ts'])
const asc = createRequire(import.meta.url).resolve('assemblyscript/bin/asc.js')
node([
  asc,
  'machine/cpu/soft/core/index.ts',
  '--outFile',
  join(out, 'core.wasm'),
  '-O3',
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
  ...process.argv.slice(2),
])
