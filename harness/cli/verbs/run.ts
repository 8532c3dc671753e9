/** `bootwright run`: boots media or a guest, types, waits, and says how it ended. */
import { basename } from 'node:path'
import { Command } from 'commander'
import { logHelp } from '../../../machine/debug/machine-log.js'
import { printable } from '../../../reports/printable.js'
import type { GdbServer } from '../../live/gdb-server.js'
import type { SerialSocket } from '../../live/serial-socket.js'
import type { RunResult } from '../../protocol/script.js'
import { type VmEvents, VmThread } from '../../thread/machine-thread.js'
import { partsOf } from '../../thread/snapshot.js'
import { answerBy } from '../../vm/network/network.js'
import { upstreamFunctions } from '../../vm/network/upstream.js'
import { evidence } from '../../words/evidence.js'
import { progressLine } from '../../words/progress-words.js'
import { complain, EXIT, UsageError } from '../errors.js'
import { gdbAddress } from '../gdb-options.js'
import { paragraphs } from '../help.js'
import { machineOptions, prepareMachine } from '../machine-options.js'
import type { Monitors } from '../monitors.js'
import { openSink, type Sink, streamSink } from '../outputs.js'
import { type Act, DEFAULT_TIMEOUT, parseRun, type RunFlags, type RunRequest } from '../run-options.js'
import { errorJson, exitCodeOf, printJson, RUN_JSON, type RunJson, runJson, summary } from '../run-report.js'
import type { Views } from '../views.js'

/** Bytes for COM1 that may wait for the guest; standard input waits then, and a page is told. */
const SERIAL_BACKLOG = 256 << 10
/** Between two looks whether somebody has come. */
const WAIT_MS = 20

export function runCommand(): Command {
  const acts: Act[] = []
  const command = machineOptions(new Command('run'))
    .description('boot a guest or images, type, wait, and say how it ended')
    .option('--keys <script>', "type, in Packer's boot-command language and with <wait 'regex'>; several act in order")
    .option('--until-text <regex>', "run until the screen's text matches; in order with --keys")
    .option('--until-serial <regex>', "run until COM1's output matches; in order with --keys")
    .option(
      '--until-exit [exit]',
      'run until the guest powers off, resets, or leaves through debug-exit with code 0; or by poweroff, debug-exit:0x10 …',
    )
    .option('--expect-exit <code>', 'run until the guest leaves through debug-exit with this code, as in 0x10')
    .option('--until-time <duration>', 'run until this guest time since power-on, e.g. 12.5s')
    .option('--layout <name>', "the guest's keyboard layout, for --keys: us, de, fr … (default: us)")
    .option(
      '--timeout <duration>',
      `host time for the run, e.g. 30s or 5m (default: ${DEFAULT_TIMEOUT}; none with a live view or --gdb)`,
    )
    .option('--guest-timeout <duration>', 'guest time for the run: the same on every host with the soft engine')
    .option('--screenshot <file.png>', 'write the last picture, whatever the outcome')
    .option('--snapshot <file>', 'go on from a snapshot; --floppy, --disk and so on say where its media are now')
    .option('--save-snapshot <file>', 'write a snapshot of the machine as it is at the end')
    .option('--write', "the guest's writes go to the images of --disk and --floppy")
    .option('--record <file>', "record all input, for 'bootwright replay' (soft engine)")
    .option(
      '--serial <place>',
      "write COM1's output to a file, or connect COM1 to stdio, or to unix:PATH,server=on,wait=off",
    )
    .option('--debugcon <file>', "write the debug console's output (ports 0x402 and 0xe9) to a file")
    .option('--ui', 'a live view in the browser, on this host alone; its address is printed')
    .option('--ui-port <n>', "the live view's port (default: any that is free)")
    .option('--vnc <display>', 'a live view for VNC viewers: :1 for port 5901 of this host, or 0.0.0.0:1,password=FILE')
    .option(
      '--gdb <port>',
      "a server for gdb's 'target remote', on this host alone: :1234 (soft engine, unless --engine kvm)",
    )
    .option('--paused', 'the machine stands still until the debugger or the monitor lets it begin')
    .option('--monitor <where>', "QEMU's monitor: stdio, unix:PATH or :PORT, for 'bootwright monitor' as well")
    .option('--qmp <where>', 'the same as JSON for programs, as QMP has it: unix:PATH or :PORT')
    .option('--log <items>', "what the machine tells as it runs, QEMU's -d: int,cpu_reset,io … (--log help lists them)")
    .option('--log-file <file>', "where to, QEMU's -D (default: standard error)")
    .option('--log-range <ranges>', "of code at these addresses alone, QEMU's -dfilter: 0x1000..0x1fff,0x8000+0x200")
    .option(
      '--pause-on-failure',
      'where the run fails, stop with a live view and a server for gdb until Enter is pressed',
    )
    .option('--json', 'print one JSON object on standard output, everything else on standard error')
    .addHelpText('after', () => paragraphs(HELP))
    .on('option:keys', (value: string) => acts.push({ option: 'keys', value }))
    .on('option:until-text', (value: string) => acts.push({ option: 'until-text', value }))
    .on('option:until-serial', (value: string) => acts.push({ option: 'until-serial', value }))
    .on('option:until-time', (value: string) => acts.push({ option: 'until-time', value }))
    .on('option:until-exit', (value: string) => acts.push({ option: 'until-exit', value }))
    .on('option:expect-exit', (value: string) => acts.push({ option: 'expect-exit', value }))
    .action(async (guest: string | undefined, flags: RunFlags) => {
      process.exitCode = await run(guest, flags, acts)
    })
  return command
}

const HELP = `
Without any --until-..., the guest runs until it stops by itself or --timeout ends it (${DEFAULT_TIMEOUT}).
Images are written with --write alone: without, what the guest writes is gone when it ends.
^ and $ in a pattern match at the ends of rows and lines; /regex/i gives it flags.

Exit codes: 0 all came as asked, 1 the guest did otherwise, 2 wrong options or media, 3 the host lacks something,
124 time-out, 130 interrupted.`

async function run(guest: string | undefined, flags: RunFlags, acts: readonly Act[]): Promise<number> {
  try {
    if (flags.log === 'help' || flags.log === '?') {
      process.stdout.write(logHelp())
      return EXIT.ok
    }
    const request = parseRun(guest, flags, acts)
    await prepareMachine(request)
    return await runMachine(request)
  } catch (error) {
    if (flags.json) printJson(errorJson(error))
    return complain(error)
  }
}

async function runMachine(request: RunRequest): Promise<number> {
  const sinks = openSinks(request)
  const progress = progressLine(process.stderr)
  let vm: VmThread | undefined
  let views: Views | undefined
  let gdb: GdbServer | undefined
  let line: SerialSocket | undefined
  let monitors: Monitors | undefined
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
    vm = await start(request, {
      onSerial: (port, bytes) => {
        if (port !== 0) return
        guarded(() => sinks.serial?.write(bytes))
        line?.send(bytes)
        views?.onSerial(bytes)
      },
      onSerialTaken: () => {
        if ((vm?.serialBacklog ?? 0) >= SERIAL_BACKLOG) return
        if (request.serial === 'stdio' && process.stdin.isPaused()) process.stdin.resume()
        line?.resume()
      },
      onGdb: (bytes) => gdb?.send(bytes),
      onDebug: (bytes) => guarded(() => sinks.debugcon?.write(bytes)),
      onProgress: (now) => {
        if (request.serial !== 'stdio') progress.show(now)
        views?.onProgress(now)
      },
    })
    if (ending.asked) return complainInterrupted(request)
    if (request.serial === 'stdio') forwardInput(vm)
    line = await openLine(request, vm, () => ending.asked)
    if (ending.asked) return complainInterrupted(request)
    views = await openViews(request, vm)
    if (request.paused) vm.debug({ kind: 'gdb-wait' })
    gdb = await openGdb(request, vm)
    const running = vm
    monitors = await openMonitors(request, running, async (address) => {
      if (gdb) return `gdb: target remote ${gdb.host}:${gdb.port} is there already`
      gdb = await openGdb({ ...request, gdb: gdbAddress(address) }, running)
      return `gdb: target remote ${gdb?.host}:${gdb?.port}`
    })
    if (monitors) views?.monitor(monitors.console)
    const result = await vm.run({
      steps: request.steps,
      hostTimeoutMs: request.timeoutMs,
      timeoutNs: request.guestTimeoutNs,
      failOn: request.failOn,
      realTime: views !== undefined,
    })
    progress.clear()
    if (failure) throw failure
    const { screenshot } = request
    const pictured = screenshot !== undefined && !result.lost && (await takeScreenshot(vm, result, screenshot))
    if (request.saveSnapshot !== undefined && !result.lost) await saveSnapshot(vm, request.saveSnapshot)
    if (monitors?.hasQuit && result.outcome === 'interrupted') {
      process.stderr.write("bootwright: the machine was ended by the monitor's quit\n")
      return EXIT.ok
    }
    report(request, vm, result, pictured)
    const isHeld = request.pauseOnFailure && (result.outcome === 'failed' || result.outcome === 'timeout')
    if (isHeld && !result.lost) await hold(request, vm)
    return exitCodeOf(result)
  } catch (error) {
    progress.clear()
    if (ending.asked) return complainInterrupted(request)
    throw failure ?? error
  } finally {
    await views?.close('the run has ended')
    await monitors?.close()
    await gdb?.close()
    await line?.close()
    await vm?.close()
    for (const sink of Object.values(sinks)) sink?.close()
    ending.forget()
  }
}

async function hold({ guest }: RunRequest, vm: VmThread): Promise<void> {
  const what = guest === undefined ? 'the run' : `the run of '${guest}'`
  const tell = (text: string) => process.stderr.write(`${printable(text)}\n`)
  const { pause, personOfCommand } = await import('../../live/pause.js')
  await pause(vm, what, personOfCommand(process.env, process.stdin), tell)
}

async function start({ snapshot, machine }: RunRequest, told: VmEvents): Promise<VmThread> {
  const functions = upstreamFunctions(machine.network)
  const events: VmEvents = { ...told, onQuestion: (name, question) => answerBy(functions, name, question) }
  return snapshot === undefined
    ? VmThread.start(machine, events)
    : (await VmThread.open(snapshot, machine, events)).thread
}

async function saveSnapshot(vm: VmThread, file: string): Promise<void> {
  const { writeSnapshot } = await import('../../thread/snapshot-files.js')
  const snapshot = await vm.snapshot()
  try {
    await writeSnapshot(partsOf(snapshot), file)
  } finally {
    snapshot.release()
  }
}

async function openViews({ views, guest }: RunRequest, vm: VmThread): Promise<Views | undefined> {
  if (views.uiPort === undefined && views.vnc === undefined) return undefined
  const { Views } = await import('../views.js')
  const { ThreadMachine } = await import('../../live/thread-machine.js')
  const title = guest === undefined ? 'Bootwright' : `${basename(guest)} – Bootwright`
  return Views.open(views, new ThreadMachine(vm, title), {
    onSerial: (bytes) => {
      const isTaken = vm.serialBacklog < SERIAL_BACKLOG
      if (isTaken) vm.input({ kind: 'serial', port: 0, bytes })
      return isTaken
    },
  })
}

/** With the time-out of the run, where somebody is waited for. */
async function openLine(
  { serialSocket, timeoutMs }: RunRequest,
  vm: VmThread,
  isEnding: () => boolean,
): Promise<SerialSocket | undefined> {
  if (!serialSocket) return undefined
  const { SerialSocket } = await import('../../live/serial-socket.js')
  const { address, connects, waits } = serialSocket
  const line = await SerialSocket[connects ? 'connect' : 'listen'](address, (bytes) => {
    vm.input({ kind: 'serial', port: 0, bytes: Uint8Array.from(bytes) })
    return vm.serialBacklog <= SERIAL_BACKLOG
  })
  process.stderr.write(`serial: ${line.name}${waits ? '; the machine waits for somebody there' : ''}\n`)
  const end = performance.now() + timeoutMs
  while (waits && !line.isConnected && !isEnding()) {
    if (performance.now() > end) {
      await line.close()
      throw new UsageError(`nobody came to --serial ${line.name} before --timeout; add ,wait=off to begin without`)
    }
    await new Promise((resolve) => setTimeout(resolve, WAIT_MS))
  }
  return line
}

async function openGdb({ gdb }: RunRequest, vm: VmThread): Promise<GdbServer | undefined> {
  if (!gdb) return undefined
  const { GdbServer } = await import('../../live/gdb-server.js')
  const server = await GdbServer.open(gdb, vm)
  const host = gdb.host.includes(':') ? `[${gdb.host}]` : gdb.host
  const waits = gdb.paused ? '; the machine waits for it' : ''
  process.stderr.write(`gdb: target remote ${host}:${server.port}${waits}\n`)
  return server
}

/** A page has one, too. */
async function openMonitors(
  { monitors, views }: RunRequest,
  vm: VmThread,
  gdbServer: (address: string) => Promise<string>,
): Promise<Monitors | undefined> {
  if (!monitors.monitor && !monitors.qmp && views.uiPort === undefined) return undefined
  const { Monitors } = await import('../monitors.js')
  return Monitors.open(monitors, vm, gdbServer)
}

function openSinks(request: RunRequest): { serial?: Sink; debugcon?: Sink } {
  // With --json, standard output holds the object and nothing else.
  const stdio = () => streamSink(request.json ? process.stderr : process.stdout)
  const open = (option: string, path: string | undefined) =>
    path === undefined ? undefined : path === 'stdio' ? stdio() : openSink(option, path)
  return { serial: open('--serial', request.serial), debugcon: open('--debugcon', request.debugcon) }
}

/** Ctrl+C and the like end the run in good order, and a second time at once. */
export function endings(vm: () => Pick<VmThread, 'stop' | 'terminate'> | undefined): {
  readonly asked: boolean
  forget(): void
} {
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
    printJson({ ...RUN_JSON, outcome: 'error', exitCode: EXIT.interrupted, error, exit } satisfies RunJson)
  }
  return EXIT.interrupted
}

/** What is typed goes to COM1; a terminal's Enter is a carriage return there, as on a serial terminal. */
function forwardInput(vm: VmThread): void {
  const { stdin } = process
  stdin.on('data', (bytes: Buffer) => {
    const typed = stdin.isTTY
    if (vm.serialBacklog > SERIAL_BACKLOG) stdin.pause()
    vm.input({
      kind: 'serial',
      port: 0,
      bytes: Uint8Array.from(bytes, (byte) => (typed && byte === 0x0a ? 0x0d : byte)),
    })
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
  const { writePng } = await import('../../picture/screenshot.js')
  await writePng(path, frame)
  return true
}

/** A guest that left with another code than 0, which nobody said to be right. */
function exitHint({ steps }: RunRequest, { exit, step }: RunResult): string {
  const waited = steps[step]
  const isPlain = waited?.kind === 'until' && waited.condition.kind === 'exit' && !waited.condition.reasons
  if (exit.reason !== 'debug-exit' || exit.code === undefined || !isPlain) return ''
  return `; if that is its success, add --expect-exit 0x${exit.code.toString(16)}`
}

function report(request: RunRequest, vm: VmThread, result: RunResult, pictured: boolean): void {
  const sentence = result.error === undefined ? undefined : `${printable(result.error)}${exitHint(request, result)}`
  if (sentence !== undefined) process.stderr.write(`bootwright: ${sentence}\n`)
  if (result.outcome !== 'ok') process.stderr.write(evidence(result))
  else for (const failure of result.mediaFailures) process.stderr.write(`bootwright: ${printable(failure)}\n`)
  const chosen = request.machine.engine === undefined || request.machine.engine === 'auto'
  process.stderr.write(`${printable(summary(result, vm, chosen))}\n`)
  if (request.json) printJson(runJson(result, vm, pictured ? request.screenshot : undefined))
}
