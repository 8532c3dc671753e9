/** vitest as this command runs it: with the reporter that leaves `bootwright-report/`, and ended with the command. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { compiledFile } from '../thread/worker-thread.js'
import { COMMAND_VARIABLE } from '../vitest/command-watch.js'
import { EXIT, HostError } from './errors.js'
import { Pauses } from './pauses.js'

const NO_TESTS = /No test files found|No test suite found/
const WRONG_OPTIONS = /CACError|Unknown option|Unexpected value for option/
/** How long vitest may take to end its workers after an interrupt, ms. */
const GRACE = 5000

/**
 * Returns the exit code.
 * @param more Of the environment.
 * @param abort Interrupts it.
 */
export async function runVitest(
  args: readonly string[],
  more: NodeJS.ProcessEnv = {},
  abort?: AbortSignal,
): Promise<number> {
  const vitest = findVitest()
  const watch = args.includes('--watch') || args.includes('-w')
  const reporters = args.some((arg) => /^--reporters?(=|$)/.test(arg)) ? [] : ['--reporter=default']
  const all = [vitest, ...(watch ? [] : ['run']), ...args, ...reporters, `--reporter=${reporterFile()}`]
  // A group of its own, so that an interrupt ends vitest's workers too: they outlive a vitest that is killed. Watching
  // wants the terminal's keys, which only its foreground group may read.
  const group = !watch && process.platform !== 'win32'
  const pauses = watch || !process.stdin.isTTY ? undefined : await Pauses.open(process.stdin)
  const child = spawn(process.execPath, all, {
    stdio: [watch ? 'inherit' : 'ignore', 'inherit', 'pipe'],
    detached: group,
    env: { ...process.env, ...more, ...pauses?.env, [COMMAND_VARIABLE]: String(process.pid) },
  })
  let errors = ''
  child.stderr.on('data', (bytes: Buffer) => {
    process.stderr.write(bytes)
    errors = (errors + bytes).slice(-65_536)
  })
  const send = (signal: NodeJS.Signals | 0) => signalTo(child, group, signal)
  let interrupted: NodeJS.Timeout | undefined
  const pass = (signal: NodeJS.Signals) => {
    interrupted ??= setTimeout(() => send('SIGKILL'), GRACE)
    send(signal)
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const signal of signals) process.on(signal, pass)
  const onAbort = () => pass('SIGINT')
  if (abort?.aborted) onAbort()
  abort?.addEventListener('abort', onAbort)
  const code = await new Promise<number | null>((done, fail) => {
    child.on('error', fail)
    child.on('close', done)
  })
  if (group) {
    for (let waited = 0; waited < GRACE && send(0); waited += 50) await new Promise((done) => setTimeout(done, 50))
    send('SIGKILL')
  }
  for (const signal of signals) process.off(signal, pass)
  abort?.removeEventListener('abort', onAbort)
  clearTimeout(interrupted)
  pauses?.close()
  if (interrupted || code === EXIT.interrupted) return EXIT.interrupted
  if (code === 0) return EXIT.ok
  if (NO_TESTS.test(errors)) return EXIT.noTests
  if (WRONG_OPTIONS.test(errors)) return EXIT.usage
  return code === EXIT.failed ? EXIT.failed : EXIT.infrastructure
}

/** Whether there was someone to send it to; 0 only asks. */
function signalTo(child: ChildProcess, group: boolean, signal: NodeJS.Signals | 0): boolean {
  try {
    return group && child.pid !== undefined ? process.kill(-child.pid, signal) : child.kill(signal)
  } catch {
    return false
  }
}

/** Whether the folder is of a project that can run tests. */
export function hasVitest(): boolean {
  try {
    findVitest()
    return existsSync('package.json')
  } catch {
    return false
  }
}

/** The user's own vitest, or the one beside this package. */
export function findVitest(): string {
  for (const from of [join(process.cwd(), 'package.json'), fileURLToPath(import.meta.url)]) {
    try {
      const manifest = createRequire(from).resolve('vitest/package.json')
      const bin = join(dirname(manifest), 'vitest.mjs')
      if (existsSync(bin)) return bin
    } catch {}
  }
  throw new HostError("vitest is not installed here; run 'npm install --save-dev vitest'")
}

function reporterFile(): string {
  const here = fileURLToPath(compiledFile('bundle/reporter.js'))
  if (!existsSync(here)) throw new HostError(`${here} is missing; run 'npm run build'`)
  return process.platform === 'win32' ? pathToFileURL(here).href : here
}
