/** How long a user waits for the first sign of life. */
import { spawn } from 'node:child_process'
import { endAfter, endWithBench, TargetError } from './guest-job.js'

export const START = { name: 'start', title: "from the start of the process to SeaBIOS's first character" }

/**
 * A package looks for no sources that are newer. And where NODE_EXTRA_CA_CERTS is set, Node 20 reads certificates at each
 * start, for about as long as QEMU takes for all of it; most hosts have none.
 */
function asInstalled(): NodeJS.ProcessEnv {
  const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env
  return { ...env, BOOTWRIGHT_NO_BUILD: '1' }
}

/** Host seconds until a process of this command writes anything to its standard output; it is ended then. */
export function firstCharacter(command: string, args: readonly string[], timeout: number): Promise<number> {
  const begin = performance.now()
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: asInstalled() })
    endWithBench(child)
    const timer = endAfter(child, timeout, reject)
    let complaint = ''
    child.stderr.on('data', (chunk) => {
      complaint = (complaint + chunk).slice(-2000)
    })
    child.stdout.on('data', () => {
      resolve((performance.now() - begin) / 1000)
      child.kill('SIGKILL')
    })
    child.on('error', reject)
    child.on('close', () => {
      clearTimeout(timer)
      reject(new TargetError(`it ended without a character: ${complaint.trim().split('\n').at(-1) ?? ''}`))
    })
  })
}
