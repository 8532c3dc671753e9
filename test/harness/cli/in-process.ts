/** The command without a process of its own: what it says and its exit code, for the many cases that end before a machine is made. */
import { format } from 'node:util'
import { vi } from 'vitest'
import type { Ended } from './command.js'

/** What was built before the tests, as a process of its own would run it. */
const MAIN = new URL('../../../dist/bundle/main.js', import.meta.url).href

/** One at a time: standard output and standard error are this process's. */
export async function inProcess(args: readonly string[]): Promise<Ended> {
  const ended = { code: null as number | null, stdout: '', stderr: '' }
  const hear = (stream: 'stdout' | 'stderr') =>
    vi.spyOn(process[stream], 'write').mockImplementation(((text: string | Uint8Array, ...more: unknown[]) => {
      ended[stream] += typeof text === 'string' ? text : Buffer.from(text).toString()
      const done = more.find((one) => typeof one === 'function') as (() => void) | undefined
      done?.()
      return true
    }) as typeof process.stdout.write)
  // Vitest has its own console.
  const print = vi.spyOn(console, 'log').mockImplementation((...words) => {
    ended.stdout += `${format(...words)}\n`
  })
  const spies = [hear('stdout'), hear('stderr'), print]
  const before = process.exitCode
  const { main } = (await import(MAIN)) as { main(args: readonly string[]): Promise<number> }
  try {
    ended.code = await main(args)
  } finally {
    for (const spy of spies) spy.mockRestore()
    process.exitCode = before
  }
  return ended
}
