// `npm run fuzz -- [NAME...] [--seed N] [--minutes M] [--cases N]`: builds dist/ where it is older than its sources,
// runs test/fuzz/main.ts, and watches over it: a case that hangs or takes the process down is named as well.
import { fork } from 'node:child_process'
import { createRequire } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from './host.js'

/** Longest time for one case, ms; cases take milliseconds, some of them seconds, but hosts are busy. */
const LONGEST = 600_000

await build()
const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href
const main = fileURLToPath(new URL('../test/fuzz/main.ts', import.meta.url))
const child = fork(main, process.argv.slice(2), { execArgv: ['--import', tsx] })
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))

let current
let timer
child.on('message', (message) => {
  current = message
  clearTimeout(timer)
  timer = setTimeout(() => {
    console.log(
      `${current.name}: a case hangs\n  again: npm run fuzz -- ${current.name} --seed ${current.seed} --cases 1`,
    )
    child.kill('SIGKILL')
  }, LONGEST)
})
child.on('disconnect', () => clearTimeout(timer))
child.on('close', (code, signal) => {
  clearTimeout(timer)
  if (signal && current) console.log(`${current.name}: ended by ${signal} in the case of --seed ${current.seed}`)
  process.exit(code ?? 1)
})
