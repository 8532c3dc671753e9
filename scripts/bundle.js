// What loads at a start, in few files: each of the hundreds in dist/ costs Node as long as all that is in it. The command
// and the library share their parts in dist/bundle/, so that a guest that imports 'bootwright' gets the command's own
// classes; the machine's thread is one file with V8's compiled code, for `harness/runtime/bundled-worker.ts`.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { MessageChannel, Worker } from 'node:worker_threads'
import { build } from 'esbuild'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const dist = join(root, 'dist')
const runtime = join(dist, 'harness/runtime')
const shared = join(dist, 'bundle')
const THREAD = join(runtime, 'worker.bundle.cjs')
const COMPILED = `${THREAD}.v8`

/** What package.json exports, and the command. */
const ENTRIES = {
  begin: 'harness/cli/begin.js',
  main: 'harness/cli/main.js',
  index: 'harness/index.js',
  fixtures: 'fixtures/index.js',
  vitest: 'harness/vitest/index.js',
  reporter: 'harness/vitest/reporter.js',
}

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

async function bundleShared() {
  rmSync(shared, { recursive: true, force: true })
  const { metafile } = await build({
    ...common,
    entryPoints: Object.fromEntries(Object.entries(ENTRIES).map(([name, path]) => [name, join(dist, path)])),
    outdir: shared,
    splitting: true,
    format: 'esm',
    plugins: [ownPlaces(shared), onlyEnglish],
    // With native parts, a user's own, large and seldom needed, without a file of its licence, or what the queue's library
    // uses where it is there.
    external: [
      ...['koffi', 'sharp', 'tsx', 'vitest', 'ssh2', 'tesseract.js', '@xterm/headless', 'xz-decompress', 'undici'],
      ...['msgpackr-extract', 'pg', 'redis', 'bullmq-otel', '@valkey/valkey-glide'],
    ],
    banner: {
      js: `import { createRequire as requireOf } from 'node:module';const bundlePlace = import.meta.url, require = requireOf(bundlePlace);`,
    },
  })
  writeLicences(join(shared, 'LICENSES.txt'), metafile)
}

async function bundleThread() {
  const { metafile } = await build({
    ...common,
    entryPoints: [join(runtime, 'worker.js')],
    outfile: THREAD,
    format: 'cjs',
    plugins: [ownPlaces(runtime), onlyEnglish],
    external: ['koffi', 'sharp'],
    banner: { js: `const bundlePlace = require('node:url').pathToFileURL(__filename).href;` },
  })
  writeLicences(`${THREAD}.LICENSES.txt`, metafile)
}

/** What V8 compiled until a machine was made; without firmware here, until that was missed. */
async function keepCompiled() {
  rmSync(COMPILED, { force: true })
  const { port1: control, port2 } = new MessageChannel()
  const { port1: asked, port2: asking } = new MessageChannel()
  const begin = `
    const { once } = require('node:events')
    const { workerData: { url, asking } } = require('node:worker_threads')
    import(url).then(async ({ script }) => {
      await once(asking, 'message')
      asking.postMessage(script.createCachedData())
      asking.close()
    })`
  const workerData = { url: pathToFileURL(join(runtime, 'bundled-worker.js')).href, asking }
  const worker = new Worker(begin, { eval: true, workerData, transferList: [asking] })
  worker.postMessage({ config: { engine: 'soft' }, control: port2 }, [port2])
  const compiled = await new Promise((resolve, reject) => {
    worker.on('error', reject)
    worker.on('exit', () => reject(new Error('the thread ended before it had made a machine')))
    // It is ready, or says what is missing.
    worker.once('message', () => asked.postMessage('now'))
    asked.on('message', resolve)
  })
  writeFileSync(COMPILED, compiled)
  control.close()
  await worker.terminate()
}

await Promise.all([bundleShared(), bundleThread()])
// Threads begin without it, later.
await keepCompiled().catch((error) => console.error(`The machine's thread is not compiled ahead: ${error.message}`))
process.exit(0)
