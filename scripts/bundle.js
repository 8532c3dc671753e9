// What loads at a start, in few files: each of the hundreds in dist/ costs Node as long as all that is in it. The command
// and the library share their parts in dist/bundle/, so that a guest that imports 'bootwright' gets the command's own
// classes; the machine's thread is one file. Both lie beside what V8 compiled of them.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { MessageChannel, Worker } from 'node:worker_threads'
import { build, transform } from 'esbuild'
import { schemasWhenAsked } from './bundle-schemas.js'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const dist = join(root, 'dist')
const runtime = join(dist, 'harness/runtime')
const shared = join(dist, 'bundle')
const THREAD = join(runtime, 'worker.bundle.cjs')
const THREAD_ENTRY = join(runtime, 'bundled-worker.cjs')

/** What package.json exports, and the command. */
const ENTRIES = {
  begin: 'harness/cli/begin.js',
  main: 'harness/cli/main.js',
  index: 'harness/index.js',
  fixtures: 'fixtures/index.js',
  vitest: 'harness/vitest/index.js',
  reporter: 'harness/vitest/reporter.js',
}

/** What begins a machine's thread, and what else each run needs. */
const FIRST = ['harness/cli/begin.js']
const AT_ONCE = ['main', 'verbs/run', 'qemu-options', 'run-options'].map((name) => `harness/cli/${name}.js`)

/** Files find others beside themselves, wherever they are bundled: each has its own `ownPlace`. */
function ownPlaces(folder) {
  return {
    name: 'own places',
    setup({ onLoad }) {
      onLoad({ filter: /[\\/]dist[\\/].*\.js$/ }, ({ path }) => {
        const text = readFileSync(path, 'utf8')
        if (!text.includes('import.meta.url')) return undefined
        const place = JSON.stringify(relative(folder, path).replaceAll('\\', '/'))
        return { contents: `const ownPlace = new URL(${place}, bundlePlace).href;${text}` }
      })
    },
  }
}

/** zod's sentences in sixty languages are a fifth of what would load; ours are in English. */
const onlyEnglish = {
  name: 'only English',
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]zod[\\/]v4[\\/]locales[\\/]index\.js$/ }, () => ({
      contents: `export { default as en } from './en.js'`,
    }))
  },
}

/** The JIT's table is what the opcodes' rows make, and these are longer in making it than a run's first code takes. */
const madeTable = {
  name: 'made table',
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]cpu[\\/]soft[\\/]opcode-table\.js$/ }, async ({ path }) => {
      const { handlerTable } = await import(pathToFileURL(path).href)
      const table = JSON.stringify(JSON.stringify(handlerTable()))
      return { contents: `let table; export const handlerTable = () => (table ??= JSON.parse(${table}))` }
    })
  },
}

const common = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  target: 'node20',
  // Read as Latin-1, which is quicker than UTF-8.
  charset: 'ascii',
  sourcemap: true,
  minifyWhitespace: true,
  minifySyntax: true,
  metafile: true,
  define: { 'import.meta.url': 'ownPlace' },
  logLevel: 'warning',
}

/** The licences of packages that became a part of the file. */
function licences(inputs) {
  const folders = Object.keys(inputs).flatMap((path) => /^.*node_modules\/(@[^/]+\/)?[^/]+(?=\/)/.exec(path)?.[0] ?? [])
  return [...new Set(folders)].sort().map((path) => {
    const file = readdirSync(join(root, path)).find((name) => /^licen[cs]e/i.test(name))
    if (file === undefined)
      throw new Error(`${path} has no file with its licence; leave it out of the bundle (external)`)
    return `${path.split('node_modules/').pop()}\n\n${readFileSync(join(root, path, file), 'utf8')}`
  })
}

const writeLicences = (file, { inputs }) => writeFileSync(file, licences(inputs).join('\n\n'))

/** Vitest is no CommonJS module: what imports it hands it in. */
const VITEST = `globalThis[Symbol.for('bootwright.vitest')]`
/** Words are as long as those in whose place they are put, so that the maps stay true. */
const PLACES = [
  [/\brequire\("\.\/([^"/]+\.cjs)"\)/g, 'partNamed("$1")'],
  [/\bimport\("\.\/([^"/]+\.cjs)"\)/g, 'partSoon("$1")'],
  [/\brequire\("vitest"\)/g, '(vitestGivenHere)'],
]
const EXTERNAL = [
  // With native parts, a user's own, large and seldom needed, without a file of its licence, or what the queue's library
  // uses where it is there.
  ...['koffi', 'sharp', 'tsx', 'vitest', 'ssh2', 'tesseract.js', '@xterm/headless', 'xz-decompress', 'undici'],
  ...['msgpackr-extract', 'pg', 'redis', 'bullmq-otel', '@valkey/valkey-glide'],
]

/** A part as a CommonJS module that has the others by `partNamed`, or `partSoon` as a promise. */
async function asCommonJs({ path, text }) {
  const name = basename(path)
  const { code, map } = await transform(text, {
    ...{
      format: 'cjs',
      platform: 'node',
      target: 'node20',
      charset: 'ascii',
      sourcemap: true,
      sourcefile: `${name}.mjs`,
    },
    ...{ minifyWhitespace: true, minifySyntax: true },
  })
  const own = PLACES.reduce((before, [word, other]) => before.replace(word, other), code)
  // What is in front of the code is a line.
  return { name, code: own, map: JSON.stringify({ ...JSON.parse(map), mappings: `;${JSON.parse(map).mappings}` }) }
}

/** By itself, and as one of those that lie together: what it is called with is the same. */
const WORDS = {
  bundlePlace: "require('node:url').pathToFileURL(__filename).href",
  partSoon: '(name)=>Promise.resolve().then(()=>partNamed(name))',
  vitestGivenHere: VITEST,
}
const words = (code) =>
  Object.entries(WORDS)
    .filter(([word]) => code.includes(word))
    .map(([word, meaning]) => `const ${word}=${meaning};`)
    .join('')
const alone = ({ name, code }) =>
  `const partNamed=require('./load.cjs');${words(code)}\n${code}//# sourceMappingURL=${name}.map\n`
const inside = ({ name, code }) =>
  `${JSON.stringify(name)}:function(exports,require,module,__filename,__dirname,partNamed){${words(code)}\n${code}}`

/** What users import is an ES module. */
function facade(name, names) {
  const vitest = name === 'vitest' ? `import * as vitest from 'vitest';${VITEST}=vitest;` : ''
  const values = names.map((one) => `export ${one === 'default' ? 'default ' : `const ${one}=`}part.${one};`).join('')
  return `import{createRequire}from'node:module';${vitest}const part=createRequire(import.meta.url)('./load.cjs')('${name}.cjs');${values}\n`
}

/** Those that a part loads before anything else of it is done. */
function closure(outputs, path, found = new Set()) {
  if (found.has(path)) return found
  found.add(path)
  for (const one of outputs[path].imports)
    if (one.kind === 'import-statement' && !one.external) closure(outputs, one.path, found)
  return found
}

/** Its last line says which it is. */
const signed = (text) => `${text}\n// ${createHash('sha256').update(text).digest('hex').slice(0, 32)}\n`

/** What begins a process or a thread, as one file. */
const writeLoader = (script, outfile, before = '') =>
  build({
    ...{ entryPoints: [join(root, 'scripts', script)], outfile, banner: { js: before } },
    ...{ bundle: true, platform: 'node', target: 'node20', format: 'cjs', logLevel: 'warning' },
  })

async function bundleShared() {
  const { metafile, outputFiles } = await build({
    ...common,
    sourcemap: 'inline',
    entryPoints: Object.fromEntries(Object.entries(ENTRIES).map(([name, path]) => [name, join(dist, path)])),
    outdir: shared,
    outExtension: { '.js': '.cjs' },
    write: false,
    splitting: true,
    format: 'esm',
    plugins: [ownPlaces(shared), onlyEnglish, schemasWhenAsked],
    external: EXTERNAL,
  })
  const parts = await Promise.all(outputFiles.map(asCommonJs))
  rmSync(shared, { recursive: true, force: true })
  mkdirSync(shared, { recursive: true })
  for (const part of parts) {
    writeFileSync(join(shared, part.name), alone(part))
    writeFileSync(join(shared, `${part.name}.map`), part.map)
  }
  const { outputs } = metafile
  const ofEntry = (entry) => Object.keys(outputs).find((path) => outputs[path].entryPoint === `dist/${entry}`)
  for (const [name, entry] of Object.entries(ENTRIES))
    writeFileSync(join(shared, `${name}.js`), facade(name, outputs[ofEntry(entry)].exports))
  const names = (entries) =>
    entries.flatMap((entry) => [...closure(outputs, ofEntry(entry))]).map((path) => basename(path))
  const first = names(FIRST)
  const needed = new Set(names(AT_ONCE))
  const together = parts.filter(({ name }) => needed.has(name) && !first.includes(name)).map(inside)
  const firstParts = parts.filter(({ name }) => first.includes(name)).map(inside)
  await writeLoader('bundle-load.cjs', join(shared, 'load.cjs'), `'use strict';const FIRST={${firstParts.join(',\n')}}`)
  writeFileSync(join(shared, 'together.cjs'), signed(`'use strict';({${together.join(',\n')}})`))
  writeLicences(join(shared, 'LICENSES.txt'), metafile)
}

/** What a run needs: a floppy, and firmware, or in place of what a build does not fetch a BIOS that says a byte and halts. */
async function givenForRun(folder) {
  const floppy = join(folder, 'empty.img')
  writeFileSync(floppy, new Uint8Array(1440 << 10))
  try {
    const { findFirmware } = await import(pathToFileURL(join(dist, 'machine/firmware/find-firmware.js')).href)
    const { bios, vgaBios } = findFirmware()
    return { floppy, bios: bios.path, vgaBios: vgaBios.path }
  } catch {
    const bios = join(folder, 'bios.bin')
    const image = new Uint8Array(64 << 10)
    // At FFFFFFF0h: mov dx,402h; out dx,al; cli; hlt.
    image.set([0xba, 0x02, 0x04, 0xee, 0xfa, 0xf4], image.length - 16)
    writeFileSync(bios, image)
    return { floppy, bios, vgaBios: bios }
  }
}

/** A run, so that V8 compiles what a run needs. */
async function keepCommandCompiled({ floppy, bios }, folder) {
  const args = ['run', '--engine', 'soft', '--floppy', floppy, '--debugcon', join(folder, 'log'), '--until-time', '1ms']
  const run = `
    const load = require(${JSON.stringify(join(shared, 'load.cjs'))})
    load('begin.cjs').begin(['run'])
    load('main.cjs').main(${JSON.stringify(args)}).then(() => {
      require('node:fs').writeFileSync(${JSON.stringify(join(shared, 'together.cjs.v8'))}, load.script.createCachedData())
      process.exit(0)
    })`
  const env = { ...process.env, BOOTWRIGHT_DEBUG: '' }
  // Where there is none, it ends early: it is not to be fetched.
  if (dirname(bios) === folder) env.BOOTWRIGHT_FIRMWARE = folder
  spawnSync(process.execPath, ['--eval', run], { stdio: 'ignore', timeout: 60_000, env })
}

async function bundleThread() {
  const { metafile } = await build({
    ...common,
    entryPoints: [join(runtime, 'worker.js')],
    outfile: THREAD,
    format: 'cjs',
    plugins: [ownPlaces(runtime), onlyEnglish, schemasWhenAsked, madeTable],
    external: ['koffi', 'sharp'],
    banner: {
      js: `(function (require, __filename, __dirname) {'use strict';const bundlePlace = require('node:url').pathToFileURL(__filename).href;`,
    },
    footer: { js: '})' },
  })
  writeFileSync(THREAD, signed(readFileSync(THREAD, 'utf8')))
  await writeLoader('bundle-thread.cjs', THREAD_ENTRY)
  writeLicences(`${THREAD}.LICENSES.txt`, metafile)
}

/** And of the machine's thread, until the firmware's first words have come out of it. */
async function keepThreadCompiled({ floppy, bios, vgaBios }) {
  const { port1: control, port2 } = new MessageChannel()
  const { port1: asked, port2: asking } = new MessageChannel()
  const begin = `
    const { once } = require('node:events')
    const { workerData: { file, asking } } = require('node:worker_threads')
    const { script } = require(file)
    once(asking, 'message').then(() => {
      asking.postMessage(script.createCachedData())
      asking.close()
    })`
  const workerData = { file: THREAD_ENTRY, asking }
  const worker = new Worker(begin, { eval: true, workerData, transferList: [asking] })
  const config = {
    engine: 'soft',
    memory: 128 << 20,
    floppies: [{ path: floppy }],
    disks: [],
    firmware: { bios, vgaBios },
  }
  worker.postMessage({ config, control: port2 }, [port2])
  const compiled = await new Promise((resolve, reject) => {
    worker.on('error', reject)
    worker.on('exit', () => reject(new Error('the thread ended before its machine had run')))
    worker.on('message', ({ kind, error }) => {
      if (kind === 'ready')
        worker.postMessage({ id: 1, method: 'run', script: { steps: [{ kind: 'until-time', ns: 1e6 }] } })
      if (kind === 'reply') asked.postMessage('now')
      if (kind === 'error') reject(error)
    })
    asked.on('message', resolve)
  })
  writeFileSync(`${THREAD}.v8`, compiled)
  control.close()
  await worker.terminate()
}

rmSync(`${THREAD}.v8`, { force: true })
await Promise.all([bundleShared(), bundleThread()])
const folder = mkdtempSync(join(tmpdir(), 'bootwright-build-'))
try {
  const given = await givenForRun(folder)
  // Threads begin without it, later.
  await keepThreadCompiled(given).catch((error) =>
    console.error(`The machine's thread is not compiled ahead: ${error.message}`),
  )
  await keepCommandCompiled(given, folder)
} finally {
  rmSync(folder, { recursive: true })
}
process.exit(0)
