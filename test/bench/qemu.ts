/** QEMU's TCG as a target: marks come through the ISA debug console, screens through QMP. */
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import type { Frame } from '../../machine/devices/display/display.js'
import { cpuClock } from './cpu-clock.js'
import {
  type BootJob,
  type BootTime,
  endAfter,
  endWithBench,
  type GuestJob,
  type KernelJob,
  ScreenSteps,
  SerialText,
  screenText,
  shows,
  TargetError,
} from './guest-job.js'
import { MarkWatch, type Measurement } from './marks.js'

export const QEMU = 'qemu-system-i386'
/** Of the same package. */
const QEMU_LONG = 'qemu-system-x86_64'
/** Host ms between looks at the screen. */
const SCREEN_INTERVAL = 50
const TEXT_BUFFER = 0xb8000
/** The whole of it: what is shown need not begin at its start. */
const TEXT_BYTES = 0x8000

function start(job: GuestJob, icount: boolean, extra: string[]): ChildProcess {
  const child = spawn(job.long ? QEMU_LONG : QEMU, [...machineArguments(job, icount), ...extra], {
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  endWithBench(child)
  return child
}

function machineArguments(job: GuestJob, icount: boolean): string[] {
  return [
    ...['-M', 'pc', '-accel', 'tcg', '-m', String(job.memory), '-display', 'none', '-nodefaults', '-vga', 'std'],
    ...(icount ? ['-icount', 'shift=auto'] : []),
    ...(job.avx ? ['-cpu', 'max'] : []),
    ...(job.floppy ? ['-drive', `if=floppy,format=raw,snapshot=on,file=${job.floppy.replaceAll(',', ',,')}`] : []),
    ...(job.kernel ? ['-kernel', job.kernel, '-append', job.append ?? ''] : []),
    ...(job.initrd ? ['-initrd', job.initrd] : []),
  ]
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

/** QEMU's arguments for a machine that SeaBIOS describes on standard output. */
export function qemuFirmware(icount: boolean, floppy: string): string[] {
  const job: GuestJob = { memory: 128, floppy }
  return [...machineArguments(job, icount), ...debugConsole(0x402)]
}

function debugConsole(port: number): string[] {
  return ['-chardev', 'stdio,id=marks,signal=off', '-device', `isa-debugcon,iobase=${port},chardev=marks`]
}

export function qemuKernel(job: KernelJob, icount: boolean, timeout: number): Promise<Measurement> {
  // A fault in the kernel is a triple fault: without a reboot QEMU ends, and says so.
  const child = start(job, icount, ['-no-reboot', ...debugConsole(0xe9)])
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
    const text = new SerialText(new RegExp(job.serial))
    const child = start(job, icount, ['-serial', 'stdio'])
    return withQemu(child, timeout, (resolve) => {
      child.stdout?.on('data', (bytes: Buffer) => {
        if (text.add(bytes.toString('latin1'))) resolve(seconds())
      })
    })
  }
  const child = start(job, icount, ['-qmp', 'stdio'])
  return withQemu(child, timeout, async (resolve) => {
    const ask = commands(child)
    await ask('qmp_capabilities')
    const steps = new ScreenSteps(job, () => ask('send-key', { keys: [{ type: 'qcode', data: 'ret' }] }))
    for (;;) {
      await setTimeout(SCREEN_INTERVAL)
      await ask('pmemsave', { val: TEXT_BUFFER, size: TEXT_BYTES, filename: scratch })
      const codes = readFileSync(scratch).filter((_, i) => i % 2 === 0)
      if (!steps.look(screenText(codes, 80))) continue
      if (job.picture) {
        await ask('screendump', { filename: scratch })
        if (!shows(readPpm(readFileSync(scratch)), job.picture)) continue
      }
      return resolve(seconds())
    }
  })
}

/** Asks one thing after the other through QMP, whose every answer but events is a line with `return` or `error`. */
function commands(child: ChildProcess): (execute: string, args?: object) => Promise<void> {
  const waiting: (() => void)[] = []
  const greeting = new Promise<void>((resolve) => {
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      const message = JSON.parse(line) as { QMP?: object; return?: object; error?: object }
      if (message.QMP) resolve()
      else if (message.return || message.error) waiting.shift()?.()
    })
  })
  child.stdin?.on('error', () => {})
  return async (execute, args) => {
    await greeting
    await new Promise<void>((resolve) => {
      waiting.push(resolve)
      child.stdin?.write(`${JSON.stringify({ execute, arguments: args })}\n`)
    })
  }
}

/** A picture as QEMU's `screendump` writes it: "P6", width, height, 255, then RGB. */
function readPpm(bytes: Buffer): Frame {
  const [head, width, height] = /^P6\n(\d+) (\d+)\n255\n/.exec(bytes.toString('latin1', 0, 40)) ?? ['', 0, 0]
  const frame = {
    width: Number(width),
    height: Number(height),
    data: new Uint8Array(Number(width) * Number(height) * 4),
  }
  for (let from = head.length, to = 0; to < frame.data.length; from += 3, to += 4) {
    frame.data.set(bytes.subarray(from, from + 3), to)
    frame.data[to + 3] = 255
  }
  return frame
}
