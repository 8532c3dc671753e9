/** QEMU's TCG as a target: marks come through the ISA debug console, screens through QMP. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { cpuClock } from './cpu-clock.js'
import {
  type BootJob,
  type BootTime,
  endAfter,
  endWithBench,
  type GuestJob,
  type KernelJob,
  lastScreenLine,
  TargetError,
} from './guest-job.js'
import { MarkWatch, type Measurement } from './marks.js'

export const QEMU = 'qemu-system-i386'
/** Of the same package. */
const QEMU_LONG = 'qemu-system-x86_64'
/** Host ms between looks at the screen. */
const SCREEN_INTERVAL = 50
const TEXT_BUFFER = 0xb8000
const TEXT_BYTES = 80 * 25 * 2

function start(job: GuestJob, icount: boolean, extra: string[]): ChildProcess {
  const child = spawn(
    job.long ? QEMU_LONG : QEMU,
    [
      ...['-M', 'pc', '-accel', 'tcg', '-m', String(job.memory), '-display', 'none', '-nodefaults', '-vga', 'std'],
      ...(icount ? ['-icount', 'shift=auto'] : []),
      ...(job.floppy ? ['-drive', `if=floppy,format=raw,snapshot=on,file=${job.floppy.replaceAll(',', ',,')}`] : []),
      ...(job.kernel ? ['-kernel', job.kernel, '-append', job.append ?? ''] : []),
      ...extra,
    ],
    { stdio: ['pipe', 'pipe', 'pipe'] },
  )
  endWithBench(child)
  return child
}

/** Runs `use` with QEMU's process until it settles; the process is gone afterwards. Times are in ms. */
function withQemu<Result>(
  child: ChildProcess,
  timeout: number,
  use: (resolve: (result: Result) => void) => void,
): Promise<Result> {
  return new Promise((resolve, reject) => {
    const timer = endAfter(child, timeout, reject)
    let complaint = ''
    child.stderr?.on('data', (chunk) => {
      complaint = (complaint + chunk).slice(-2000)
    })
    child.on('error', reject)
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      reject(new TargetError(`QEMU ended with ${signal ?? code}: ${complaint.trim().split('\n').at(-1)}`))
    })
    use((result) => {
      resolve(result)
      child.kill('SIGKILL')
    })
  })
}

export function qemuKernel(job: KernelJob, icount: boolean, timeout: number): Promise<Measurement> {
  // A fault in the kernel is a triple fault: without a reboot QEMU ends, and says so.
  const child = start(job, icount, [
    ...['-no-reboot', '-chardev', 'stdio,id=marks,signal=off', '-device', 'isa-debugcon,iobase=0xe9,chardev=marks'],
  ])
  return withQemu(child, timeout, (resolve) => {
    const watch = new MarkWatch(job, job.cpuTime && child.pid ? cpuClock(child.pid) : undefined)
    let done = false
    child.stdout?.on('data', (bytes: Buffer) => {
      if (done) return
      done = watch.add(bytes, performance.now())
      if (done) resolve(watch.result())
    })
  })
}

/** @param scratch A file that may be written. */
export function qemuBoot(job: BootJob, icount: boolean, timeout: number, scratch: string): Promise<BootTime> {
  const begin = performance.now()
  const seconds = () => ({ seconds: (performance.now() - begin) / 1000 })
  if (job.serial !== undefined) {
    const pattern = new RegExp(job.serial)
    const child = start(job, icount, ['-serial', 'stdio'])
    return withQemu(child, timeout, (resolve) => {
      createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
        if (pattern.test(line)) resolve(seconds())
      })
    })
  }
  const pattern = new RegExp(job.screen ?? '')
  const child = start(job, icount, ['-qmp', 'stdio'])
  return withQemu(child, timeout, (resolve) => {
    const ask = (execute: string, args?: object) =>
      child.stdin?.write(`${JSON.stringify({ execute, arguments: args })}\n`)
    const look = () => ask('pmemsave', { val: TEXT_BUFFER, size: TEXT_BYTES, filename: scratch })
    child.stdin?.on('error', () => {})
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      const message = JSON.parse(line) as { QMP?: object; return?: object; id?: string }
      if (message.QMP) {
        ask('qmp_capabilities')
        setTimeout(look, SCREEN_INTERVAL)
      } else if (message.return) {
        if (!looked()) return
        setTimeout(look, SCREEN_INTERVAL)
      }
    })
    let answers = 0
    /** The first answer is that to qmp_capabilities; each later one says that the screen is in the file. */
    function looked(): boolean {
      if (answers++ === 0) return false
      const codes = readFileSync(scratch).filter((_, i) => i % 2 === 0)
      if (!pattern.test(lastScreenLine(codes, 80))) return true
      resolve(seconds())
      return false
    }
  })
}
