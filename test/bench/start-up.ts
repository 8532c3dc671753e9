/** How long a user waits for the first sign of life. */
import { spawn } from 'node:child_process'
import { endAfter, endWithBench, TargetError } from './guest-job.js'

export const START = { name: 'start', title: "from the start of the process to SeaBIOS's first character" }

/** Host seconds until a process of this command writes anything to its standard output; it is ended then. */
export function firstCharacter(command: string, args: readonly string[], timeout: number): Promise<number> {
  const begin = performance.now()
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
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
