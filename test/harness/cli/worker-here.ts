/** `bootwright worker` as a process of its own. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const LAUNCHER = fileURLToPath(new URL('../../../bin/bootwright.js', import.meta.url))

export interface WorkerHere {
  readonly pid: number
  /** What it has said so far. */
  output(): string
  /** Returns its exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>
}

/** Resolves when it takes tasks. */
export async function workerHere(
  queue: string,
  args: readonly string[] = [],
  { cwd, env }: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<WorkerHere> {
  const child = spawn(process.execPath, [LAUNCHER, 'worker', '--queue', queue, ...args], {
    cwd,
    env: { ...process.env, BOOTWRIGHT_NO_BUILD: '1', VITEST: undefined, ...env },
  })
  let text = ''
  const ended = new Promise<number | null>((done) => child.once('close', done))
  await new Promise<void>((ready, fail) => {
    const hear = (bytes: Buffer) => {
      text += bytes
      if (/^Ready: /m.test(text)) ready()
    }
    child.stdout.on('data', hear)
    child.stderr.on('data', hear)
    child.once('close', (code) => fail(new Error(`the worker ended with ${code}: ${text}`)))
  })
  return {
    pid: child.pid as number,
    output: () => text,
    stop(signal = 'SIGTERM') {
      child.kill(signal)
      return ended
    },
  }
}
