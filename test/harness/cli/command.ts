/** Runs the command as a person does, on what was built before the tests. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const LAUNCHER = fileURLToPath(new URL('../../../bin/bootwright.js', import.meta.url))

export interface Ended {
  code: number | null
  stdout: string
  stderr: string
}

export interface CommandOptions {
  env?: { [name: string]: string | undefined }
  stdin?: string
  cwd?: string
  /** Called with everything standard output and standard error have said so far. */
  onOutput?: (text: string, signal: (name: NodeJS.Signals) => void) => void
}

export function bootwright(args: readonly string[], options: CommandOptions = {}): Promise<Ended> {
  const env = { ...process.env, BOOTWRIGHT_NO_BUILD: '1', ...options.env }
  const child = spawn(process.execPath, [LAUNCHER, ...args], { env, cwd: options.cwd })
  const ended = { code: null as number | null, stdout: '', stderr: '' }
  const hear = (stream: 'stdout' | 'stderr') => (bytes: Buffer) => {
    ended[stream] += bytes
    options.onOutput?.(ended.stdout + ended.stderr, (name) => child.kill(name))
  }
  child.stdout.on('data', hear('stdout'))
  child.stderr.on('data', hear('stderr'))
  child.stdin.on('error', () => {})
  child.stdin.end(options.stdin)
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve({ ...ended, code }))
  })
}
