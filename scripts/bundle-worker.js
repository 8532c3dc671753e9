// The machine's thread in one file and in V8's compiled code, for `harness/runtime/bundled-worker.ts`.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { MessageChannel, Worker } from 'node:worker_threads'
import { build } from 'esbuild'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const runtime = join(root, 'dist/harness/runtime')
const BUNDLE = join(runtime, 'worker.bundle.cjs')
const COMPILED = `${BUNDLE}.v8`

/** Files find others beside themselves, wherever they are bundled. */
const ownPlace = {
  name: 'own place',
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]dist[\\/].*\.js$/ }, ({ path }) => {
      const place = `require('node:path').join(__dirname, ${JSON.stringify(relative(runtime, path))})`
      const url = `require('node:url').pathToFileURL(${place}).href`
      return { contents: readFileSync(path, 'utf8').replaceAll('import.meta.url', url) }
    })
  },
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

async function bundle() {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: [join(runtime, 'worker.js')],
    outfile: BUNDLE,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    sourcemap: true,
    minifyWhitespace: true,
    minifySyntax: true,
    metafile: true,
    plugins: [ownPlace],
    external: ['koffi', 'sharp'],
    logLevel: 'warning',
  })
  writeFileSync(`${BUNDLE}.LICENSES.txt`, licences(metafile.inputs).join('\n\n'))
}

/** What V8 compiled until a machine was made; without firmware here, until that was missed. */
async function keepCompiled() {
  rmSync(COMPILED, { force: true })
  const { port1: control, port2 } = new MessageChannel()
  const begin = `
    const { once } = require('node:events')
    const { parentPort, workerData } = require('node:worker_threads')
    import(workerData.url).then(async ({ script }) => {
      await once(workerData.asked, 'message')
      workerData.asked.postMessage(script.createCachedData())
      workerData.asked.close()
    })`
  const { port1: asked, port2: asking } = new MessageChannel()
  const workerData = {
    url: pathToFileURL(join(runtime, 'bundled-worker.js')).href,
    config: { engine: 'soft' },
    control: port2,
    asked: asking,
  }
  const worker = new Worker(begin, { eval: true, workerData, transferList: [port2, asking] })
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

await bundle()
// Threads begin without it, later.
await keepCompiled().catch((error) => console.error(`The machine's thread is not compiled ahead: ${error.message}`))
process.exit(0)
