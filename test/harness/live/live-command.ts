/** A command with a live view, in a process of its own as people have it. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const LAUNCHER = fileURLToPath(new URL('../../../bin/bootwright.js', import.meta.url))
const PATIENCE = 60_000

export interface LiveCommand {
  /** Of the page. */
  url: string
  output(): string
  interrupt(): void
  /** The exit code. */
  ended: Promise<number | null>
}

/** Resolves when the view's address has been printed. */
export async function liveCommand(args: readonly string[]): Promise<LiveCommand> {
  const env = { ...process.env, BOOTWRIGHT_NO_BUILD: '1' }
  const child = spawn(process.execPath, [LAUNCHER, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  const url = await new Promise<string>((resolve, reject) => {
    const fail = (why: string) => {
      child.kill('SIGKILL')
      reject(new Error(`${why}:\n${output}`))
    }
    const timer = setTimeout(() => fail('no address was printed'), PATIENCE)
    const hear = (bytes: Buffer) => {
      output += bytes
      const found = /live view: (\S+)\n/.exec(output)
      if (!found) return
      clearTimeout(timer)
      resolve(found[1])
    }
    child.stdout.on('data', hear)
    child.stderr.on('data', hear)
    ended.then((code) => fail(`ended with code ${code}`))
  })
  return { url, output: () => output, interrupt: () => child.kill('SIGINT'), ended }
}
