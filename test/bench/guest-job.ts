/** What the bench asks of a target's process, and how such a process answers. */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { MarkOptions, Measurement } from './marks.js'

export interface GuestJob {
  /** MiB. */
  memory: number
  /** Path of an image. */
  floppy?: string
  /** Path of a bzImage, and its command line. */
  kernel?: string
  append?: string
  /** 64-bit code is in it. */
  long?: boolean
}

/** Run a kernel's floppy and watch its marks. */
export interface KernelJob extends GuestJob, MarkOptions {
  kind: 'kernel'
  /** Take the time that the guest's thread had a CPU, not the time that passed. */
  cpuTime: boolean
}

/** Boot a guest until a line on COM1, or the last line on the screen, matches. */
export interface BootJob extends GuestJob {
  kind: 'boot'
  /** Sources of regular expressions; one of the two is there. */
  serial?: string
  screen?: string
}

export interface BootTime {
  /** Host seconds from power-on. */
  seconds: number
  /** Retired instructions, where the target counts them. */
  instructions?: number
}

/** The job cannot be finished on this target; the message says why. */
export class TargetError extends Error {
  override readonly name = 'TargetError'
}

export interface JobHandlers {
  kernel(job: KernelJob): Promise<Measurement>
  boot(job: BootJob): Promise<BootTime>
}

type Answer = { result: Measurement | BootTime } | { error: string }

/** In the target's process: takes one job, answers it, ends. */
export function startGuestProcess(handlers: JobHandlers): void {
  // For a bench that was killed; reaches only a target that gives its event loop a turn.
  process.on('disconnect', () => process.exit(1))
  process.once('message', async (job: KernelJob | BootJob) => {
    const answer: Answer = await (job.kind === 'kernel' ? handlers.kernel(job) : handlers.boot(job)).then(
      (result: Measurement | BootTime) => ({ result }),
      (error: Error) => ({ error: error.message }),
    )
    process.send?.(answer, () => process.exit(0))
  })
}

/** In the bench: has a process made of the module `name` beside this one do a job. Times are in ms. */
export function runInProcess<Result>(name: string, job: KernelJob | BootJob, timeout: number): Promise<Result> {
  // As the bench itself: from its source, through the loader that execArgv hands on.
  const file = fileURLToPath(new URL(`./${name}.ts`, import.meta.url))
  return new Promise((resolve, reject) => {
    const child = fork(file, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
    endWithBench(child)
    const timer = endAfter(child, timeout, reject)
    let complaint = ''
    child.stderr?.on('data', (chunk) => {
      complaint = (complaint + chunk).slice(-2000)
    })
    child.on('message', (answer: Answer) => {
      if ('error' in answer) reject(new TargetError(answer.error.trim().split('\n')[0]))
      else resolve(answer.result as Result)
    })
    child.on('error', reject)
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      reject(new TargetError(`its process ended with ${signal ?? code}: ${errorLine(complaint)}`))
    })
    child.send(job)
  })
}

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** No target outlives the bench, whether that ends by itself or is interrupted. */
export function endWithBench(child: ChildProcess): void {
  running.add(child)
  child.on('close', () => running.delete(child))
}

/** Kills a process that takes too long; with a synchronous engine nothing softer reaches it. */
export function endAfter(child: ChildProcess, timeout: number, reject: (error: Error) => void): NodeJS.Timeout {
  return setTimeout(() => {
    reject(new TargetError(`it did not finish in ${Math.round(timeout / 1000)} s`))
    child.kill('SIGKILL')
  }, timeout)
}

/** The line that says most in what a process wrote when it died. */
export function errorLine(text: string): string {
  const lines = text.trim().split('\n')
  return (lines.find((line) => /\w*Error\b/.test(line)) ?? lines.at(-1) ?? '').trim()
}

/** The last line of a text screen that is not blank. */
export function lastScreenLine(codes: ArrayLike<number>, columns: number): string {
  for (let row = Math.floor(codes.length / columns) - 1; row >= 0; row--) {
    let line = ''
    for (let column = 0; column < columns; column++) line += String.fromCharCode(codes[row * columns + column] || 32)
    if (line.trim()) return line.trimEnd()
  }
  return ''
}
