/** What the bench asks of a target's process, and how such a process answers. */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { areaHash } from '../../harness/picture/screen-areas.js'
import type { Frame } from '../../machine/devices/display/display.js'
import type { MarkOptions, Measurement } from './marks.js'

export interface GuestJob {
  /** MiB. */
  memory: number
  /** Path of an image. */
  floppy?: string
  /** Path of a bzImage, of its initial RAM disk, and its command line. */
  kernel?: string
  initrd?: string
  append?: string
  /** 64-bit code is in it. */
  long?: boolean
  /** AVX2 is in it: QEMU shows it with its CPU `max` only. */
  avx?: boolean
}

/** Run a kernel's floppy and watch its marks. */
export interface KernelJob extends GuestJob, MarkOptions {
  kind: 'kernel'
  /** Take the time that the guest's thread had a CPU, not the time that passed. */
  cpuTime: boolean
}

/** Boot a guest until a line on COM1, the text on the screen or some of its pixels are as they should. */
export interface BootJob extends GuestJob {
  kind: 'boot'
  /** Source of a regular expression for the last 4,000 characters from COM1. Else it is the screen that is looked at. */
  serial?: string
  /** Sources of regular expressions for the text screen's rows, one after the other; Enter answers all that something follows. */
  screens?: readonly string[]
  /** Then, in a graphics mode: areas of the picture with the hash of their pixels, as a condition has them. */
  picture?: PictureWanted
  /** Then so many more seconds of guest time pass, and only their time counts. Only the soft engine can tell. */
  idle?: number
  /** With an execution breakpoint in DR0, where nothing is executed. */
  breakpoint?: boolean
}

export interface PictureWanted {
  width: number
  height: number
  areas: readonly { x: number; y: number; width: number; height: number; sha256: string }[]
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

/** The rows of a text screen, without blanks at their ends and blank rows at the screen's. */
export function screenText(codes: ArrayLike<number>, columns: number): string {
  const rows: string[] = []
  for (let at = 0; at + columns <= codes.length; at += columns) {
    let row = ''
    for (let column = 0; column < columns; column++) row += String.fromCharCode(codes[at + column] || 32)
    rows.push(row.trimEnd())
  }
  return rows.join('\n').trimEnd()
}

/** Whether a picture is the one that is wanted. */
export function shows(frame: Frame, { width, height, areas }: PictureWanted): boolean {
  if (frame.width !== width || frame.height !== height) return false
  return areas.every((area) => areaHash(frame, area) === area.sha256)
}

/** What has come from COM1 lately. */
export class SerialText {
  private text = ''

  constructor(private readonly pattern: RegExp) {}

  /** Whether the pattern is in it. */
  add(characters: string): boolean {
    this.text = (this.text + characters).slice(-4000)
    return this.pattern.test(this.text)
  }
}

/** Goes from one text screen to the next. */
export class ScreenSteps {
  private at = 0

  private readonly patterns: readonly RegExp[]

  /** @param enter Presses the key. */
  constructor(
    private readonly job: BootJob,
    private readonly enter: () => void,
  ) {
    this.patterns = (job.screens ?? []).map((source) => new RegExp(source, 'm'))
  }

  /** Whether the last one is there. */
  look(text: string): boolean {
    if (this.at < this.patterns.length && this.patterns[this.at].test(text)) {
      this.at++
      if (this.at < this.patterns.length || this.job.picture) this.enter()
    }
    return this.at === this.patterns.length
  }
}
