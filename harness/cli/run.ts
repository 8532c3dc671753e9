/** `bootwright run`: boots media or a guest, types, waits, and says how it ended. */

import { writeFile } from 'node:fs/promises'
import { Command } from 'commander'
import { type MediumKind, openMedium } from '../../machine/media/open-medium.js'
import { withModules } from '../boot-modules.js'
import { evidence } from '../evidence.js'
import { checkBootFile, type MachineConfig } from '../machine-config.js'
import type { RunResult } from '../script.js'
import { VmThread } from '../vm-thread.js'
import { complain, EXIT } from './errors.js'
import { ensureFirmware } from './firmware.js'
import { applyGuest } from './guest-argument.js'
import { checkOutputs, openSink, type Sink, streamSink, withPath } from './outputs.js'
import { progressLine } from './progress.js'
import { type Act, checkBootOrder, DEFAULT_TIMEOUT, parseRun, type RunFlags, type RunRequest } from './run-options.js'
import { errorJson, exitCodeOf, printJson, type RunJson, runJson, summary } from './run-report.js'

const collect = (value: string, before: string[] | undefined) => [...(before ?? []), value]

export function runCommand(): Command {
  const acts: Act[] = []
  const command = new Command('run')
    .description('boot a guest or images, type, wait, and say how it ended')
    .argument('[guest]', 'a guest by name or path, or an image: a floppy, an ISO or a disk by what is in it')
    .option('--floppy <file>', 'floppy image for A:, the second one for B:', collect)
    .option('--cdrom <file>', 'ISO image')
    .option('--disk <file>', 'hard disk image, up to three times', collect)
    .option('--kernel <file>', 'Linux bzImage or Multiboot image to start directly')
    .option(
      '--initrd <file>',
      'initial RAM disk for the kernel; for a Multiboot kernel its modules: FILE ARGUMENTS,FILE …',
    )
    .option('--append <string>', "the kernel's command line")
    .option(
      '--boot <order>',
      "drives to boot from: letters of a (floppy), c (disk), d (CD), n (network); with the firmware's menu: order=adc,menu=on",
    )
    .option('--engine <engine>', 'auto, kvm or soft', 'auto')
    .option('--cpu <model>', "the soft engine's CPU: a model and changes to it, as in pentium3,+sse2 (default: max)")
    .option('--smp <n>', 'how many CPUs (default: 1; several run on the soft engine)')
    .option('-m, --memory <size>', 'RAM: MiB, or with a unit as in 512M or 1G (default: 128M)')
    .option('--keys <script>', "type, in Packer's boot-command language and with <wait 'regex'>; several act in order")
    .option('--until-text <regex>', "run until the screen's text matches; in order with --keys")
    .option('--until-serial <regex>', "run until COM1's output matches; in order with --keys")
    .option('--until-exit', 'run until the guest powers off, resets, or leaves through debug-exit with code 0')
    .option('--timeout <duration>', 'host time for the run, e.g. 30s or 5m', DEFAULT_TIMEOUT)
    .option('--screenshot <file.png>', 'write the last picture, whatever the outcome')
    .option('--record <file>', "record all input, for 'bootwright replay' (soft engine)")
    .option('--serial <file>', "write COM1's output to a file, or connect COM1 to stdio")
    .option('--debugcon <file>', "write the debug console's output (ports 0x402 and 0xe9) to a file")
    .option('--json', 'print one JSON object on standard output, everything else on standard error')
    .addHelpText('after', HELP)
    .on('option:keys', (value: string) => acts.push({ option: 'keys', value }))
    .on('option:until-text', (value: string) => acts.push({ option: 'until-text', value }))
    .on('option:until-serial', (value: string) => acts.push({ option: 'until-serial', value }))
    .on('option:until-exit', () => acts.push({ option: 'until-exit' }))
    .action(async (guest: string | undefined, flags: RunFlags) => {
      process.exitCode = await run(guest, flags, acts)
    })
  return command
}

const HELP = `
Without any --until-..., the guest runs until it stops by itself or --timeout ends it (${DEFAULT_TIMEOUT}).
Images are never written: what the guest writes is gone when it ends.
^ and $ in a pattern match at the ends of rows and lines; /regex/i gives it flags.

Exit codes: 0 all came as asked, 1 the guest did otherwise, 2 wrong options or media, 3 the host lacks something,
124 time-out, 130 interrupted.`

async function run(guest: string | undefined, flags: RunFlags, acts: readonly Act[]): Promise<number> {
  try {
    const request = parseRun(guest, flags, acts)
    await applyGuest(request)
    const { machine } = request
    machine.kernel &&= withModules(machine.kernel)
    checkBootOrder(request.machine)
    checkMedia(request.machine)
    checkOutputs(request)
    const { bios, vgaBios } = await ensureFirmware()
    request.machine.firmware = { bios: bios.path, vgaBios: vgaBios.path }
    return await runMachine(request)
  } catch (error) {
    if (flags.json) printJson(errorJson(error))
    return complain(error)
  }
}

/** Here rather than in the machine's thread alone, so that a wrong path is told at once and before firmware is sought. */
function checkMedia({ floppies = [], cdrom, disks = [], kernel }: MachineConfig): void {
  const check = (path: string, as: MediumKind) => openMedium(path, { as }).device.close()
  for (const { path } of floppies) check(path, 'floppy')
  if (cdrom) check(cdrom.path, 'cdrom')
  for (const { path } of disks) check(path, 'disk')
  if (kernel) checkBootFile(kernel.path, 'kernel')
  if (kernel?.initrd !== undefined) checkBootFile(kernel.initrd, 'initrd')
  for (const { path } of kernel?.modules ?? []) checkBootFile(path, 'module')
}

async function runMachine(request: RunRequest): Promise<number> {
  const sinks = openSinks(request)
  const progress = progressLine(process.stderr)
  let vm: VmThread | undefined
  let failure: unknown
  const guarded = (work: () => void) => {
    try {
      work()
    } catch (error) {
      failure ??= error
      vm?.stop()
    }
  }
  const ending = endings(() => vm)
  try {
    vm = await VmThread.start(request.machine, {
      onSerial: (port, bytes) => guarded(() => port === 0 && sinks.serial?.write(bytes)),
      onDebug: (bytes) => guarded(() => sinks.debugcon?.write(bytes)),
      onProgress: (now) => request.serial !== 'stdio' && progress.show(now),
    })
    if (ending.asked) return complainInterrupted(request)
    if (request.serial === 'stdio') forwardInput(vm)
    const result = await vm.run({ steps: request.steps, hostTimeoutMs: request.timeoutMs })
    progress.clear()
    if (failure) throw failure
    const { screenshot } = request
    const pictured = screenshot !== undefined && (await takeScreenshot(vm, result, screenshot))
    report(request, vm, result, pictured)
    return exitCodeOf(result)
  } catch (error) {
    progress.clear()
    if (ending.asked) return complainInterrupted(request)
    throw failure ?? error
  } finally {
    ending.forget()
    await vm?.close()
    for (const sink of Object.values(sinks)) sink?.close()
  }
}

function openSinks(request: RunRequest): { serial?: Sink; debugcon?: Sink } {
  // With --json, standard output holds the object and nothing else.
  const stdio = () => streamSink(request.json ? process.stderr : process.stdout)
  const open = (option: string, path: string | undefined) =>
    path === undefined ? undefined : path === 'stdio' ? stdio() : openSink(option, path)
  return { serial: open('--serial', request.serial), debugcon: open('--debugcon', request.debugcon) }
}

/** Ctrl+C and the like end the run in good order, and a second time at once. */
function endings(vm: () => VmThread | undefined): { readonly asked: boolean; forget(): void } {
  const state = { asked: false }
  let timer: NodeJS.Timeout | undefined
  const end = () => {
    if (state.asked) process.exit(EXIT.interrupted)
    state.asked = true
    vm()?.stop()
    // A machine that does not come to the end of its slice.
    timer = setTimeout(() => vm()?.terminate(), 1000)
  }
  const brokenPipe = (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') end()
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const signal of signals) process.on(signal, end)
  process.stdout.on('error', brokenPipe)
  return {
    get asked() {
      return state.asked
    },
    forget() {
      clearTimeout(timer)
      for (const signal of signals) process.off(signal, end)
    },
  }
}

function complainInterrupted(request: RunRequest): number {
  const error = 'the run was interrupted'
  process.stderr.write(`bootwright: ${error}\n`)
  if (request.json) {
    const exit = { reason: 'interrupted' as const }
    printJson({ outcome: 'error', exitCode: EXIT.interrupted, error, exit } satisfies RunJson)
  }
  return EXIT.interrupted
}

/** What is typed goes to COM1; a terminal's Enter is a carriage return there, as on a serial terminal. */
function forwardInput(vm: VmThread): void {
  const { stdin } = process
  stdin.on('data', (bytes: Buffer) => {
    const typed = stdin.isTTY
    vm.serialInput(
      0,
      Uint8Array.from(bytes, (byte) => (typed && byte === 0x0a ? 0x0d : byte)),
    )
  })
  stdin.on('error', () => {})
}

/** False: the screen is off, and there is no picture. */
async function takeScreenshot(vm: VmThread, result: RunResult, path: string): Promise<boolean> {
  const frame = await vm.frame()
  if (frame.width < 1 || frame.height < 1) {
    process.stderr.write(`bootwright: the screen is ${result.mode.kind}, so ${path} was not written\n`)
    return false
  }
  const { encodePng } = await import('../screenshot.js')
  try {
    await writeFile(path, await encodePng(frame))
  } catch (error) {
    throw withPath(error, path)
  }
  return true
}

function report(request: RunRequest, vm: VmThread, result: RunResult, pictured: boolean): void {
  if (result.error !== undefined) process.stderr.write(`bootwright: ${result.error}\n`)
  if (result.outcome !== 'ok' && result.outcome !== 'interrupted') process.stderr.write(evidence(result))
  process.stderr.write(`${summary(result, vm)}\n`)
  if (request.json) printJson(runJson(result, vm, pictured ? request.screenshot : undefined))
}
