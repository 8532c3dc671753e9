/**
 * The thread of a machine: makes it, runs its scripts, and tells what comes out of it; one machine at a time, since another
 * may come when it was closed. `machine-thread.ts` is the other end. While a script runs the thread is busy, and only the
 * control port is looked at.
 */
import { once } from 'node:events'
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { useCore } from '../../machine/cpu/soft/core-module.js'
import { libc } from '../../machine/host/libc.js'
import { goThrough } from '../../machine/host/native-code.js'
import type { Machine, MachineOptions } from '../../machine/machine.js'
import type { HttpAnswer, NetworkContents } from '../../machine/network/contents.js'
import { Meeting } from '../../machine/network/meeting.js'
import { changeMedia, forkConfig, machineFonts, type OpenedMachine, openMachine } from '../config/machine-config.js'
import type { TraceInput } from '../protocol/messages.js'
import {
  type ControlMessage,
  plainError,
  type Request,
  type ThreadData,
  type WorkerMessage,
  type WorkerStart,
} from '../protocol/messages.js'
import type { SnapshotParts } from '../protocol/snapshot-parts.js'
import { DebugGate } from './debug/debug-gate.js'
import { answerDebug } from './debug/debug-questions.js'
import { DebuggedMachine } from './debug/debugged-machine.js'
import { LiveMonitor } from './debug/live-monitor.js'
import { DebugError } from './debug/stop-points.js'
import { Lockstep } from './lockstep.js'
import { OutsideGate } from './outside-gate.js'
import { RecordedMachine, Recorder, recordableConfig } from './recordings/recorder.js'
import { Runner } from './runner.js'

const host = parentPort as MessagePort
let start: WorkerStart
let control: MessagePort

/** The request whose script runs. */
let running = 0
let gate: DebugGate
let outside: OutsideGate
let monitor: LiveMonitor
/** undefined: it has its network for itself. */
let lockstep: Lockstep | undefined

function tell(message: WorkerMessage): void {
  host.postMessage(message)
}

async function main(): Promise<void> {
  goThrough((workerData as ThreadData).door)
  // Loaded, it waits for the options, and has time for what locks of images will want.
  loadLibc()
  for (let stays = true; stays; ) {
    const [message] = (await once(host, 'message')) as [WorkerStart]
    stays = await serve(message)
  }
  host.close()
}

/** One machine, from when it is made until it was closed. Resolves with whether another one may come. */
async function serve(message: WorkerStart): Promise<boolean> {
  start = message
  control = start.control as MessagePort
  running = 0
  awaited = undefined
  outside = new OutsideGate()
  if (start.core) useCore(start.core)
  const { machineModule } = start
  const { createMachine } = (
    machineModule ? await import(machineModule) : await import('../../machine/create-machine.js')
  ) as { createMachine: (options: MachineOptions) => Machine }

  const { record } = start.config
  const config = record === undefined ? start.config : recordableConfig(start.config)
  const recorder = record === undefined ? undefined : await Recorder.begin(record, config)
  let debugged: DebuggedMachine | undefined
  const create = (options: MachineOptions): Machine => {
    if (recorder) return new RecordedMachine(createMachine(options), recorder)
    debugged = new DebuggedMachine(createMachine, options)
    return debugged
  }
  lockstep = config.trunk && new Lockstep(config.trunk.member)
  let opened!: OpenedMachine
  const ask = askTest(
    () => runner,
    () => opened,
  )
  const runner: Runner = new Runner(
    (callbacks) => {
      opened = openMachine(
        config,
        {
          ...callbacks,
          onTrunk: (to, frame, time) => lockstep?.send(to, frame, time),
          onOutside: (event) => {
            const told = outside.pass(event)
            for (const one of told) tell({ kind: 'outside', event: one })
            if (told.length > 0) runner.streamed()
          },
          ask: recorder ? recorder.asking(ask, () => opened.machine) : ask,
        },
        create,
      )
      return opened.machine
    },
    {
      onSerial: (port, bytes, guestTimeNs) => tell({ kind: 'serial', port, bytes, guestTimeNs }),
      onDebug: (bytes) => tell({ kind: 'debug', bytes }),
      onSerialTaken: (bytes) => tell({ kind: 'serial-taken', bytes }),
      onProgress: (progress) => tell({ kind: 'progress', ...progress }),
      mediaFailures: () => opened.mediaFailures(),
      poll: () => takeControlMessages(runner, opened),
      lockstep,
      isOutside: () => outside.isBusy,
      hold: (isOver) => gate.hold(isOver),
      holdAtEnd: (exit, isOver) => gate.holdAtEnd(exit, isOver),
      fonts: () => machineFonts(start.config),
    },
  )
  const { machine } = runner
  gate = new DebugGate(
    machine,
    (bytes) => tell({ kind: 'gdb', bytes }),
    // The other machines of its network have seen what is past.
    config.trunk ? undefined : debugged?.history,
    (line, cpu) => monitor.answer(line, cpu),
  )
  monitor = new LiveMonitor(machine, {
    stoppedFor: () => gate.stoppedFor,
    input: (event) => runner.input(event),
    save: () => runner.save(),
    load: (state) => runner.load(state),
    pause: () => gate.pause(),
    resume: () => gate.resume(),
    isPaused: () => gate.isPaused || !runner.isRunning,
    history: () => gate.describeHistory(),
    media: { config, opened },
    files: (what, files) => tell({ kind: 'files', what, files }),
  })
  const { engine, engineReason } = runner.machine
  tell({ kind: 'ready', engine, engineReason })

  return new Promise((done) => {
    const take = (request: Request) => {
      if (request.method === 'close') {
        host.off('message', take)
        opened.close()
        control.close()
        done(request.stay)
      }
      answer(runner, opened, request)
    }
    host.on('message', take)
  })
}

function loadLibc(): void {
  try {
    libc()
  } catch {
    // Who needs it where there is none says so.
  }
}

/** The longest that a function of the test's may think, of the host's time. */
const LONGEST_ANSWER_MS = 30_000
/** And what an upstream has to send. */
const LONGEST_FETCH_MS = 900_000
const SLEEP = new Int32Array(new SharedArrayBuffer(4))
let questions = 0
let awaited: { id: number; answer?: HttpAnswer } | undefined

/** Guest time stands still until the test has answered. */
function askTest(runner: () => Runner, opened: () => OpenedMachine): NonNullable<NetworkContents['ask']> {
  return (name, question) => {
    const asked: typeof awaited = { id: ++questions }
    awaited = asked
    tell({ kind: 'question', id: asked.id, name, question })
    const served = start.config.network?.http?.[name]
    const longest = served && 'upstream' in served ? LONGEST_FETCH_MS : LONGEST_ANSWER_MS
    for (const end = performance.now() + longest; !asked.answer; Atomics.wait(SLEEP, 0, 0, 1)) {
      takeControlMessages(runner(), opened())
      if (asked.answer) break
      if (runner().isEnding) return unanswered('the run has ended')
      if (performance.now() < end) continue
      const sentence = `the function of '${name}' did not answer ${question.method} ${question.path} within ${longest / 1000} s`
      runner().failBy(sentence)
      return unanswered(sentence)
    }
    return asked.answer
  }
}

function unanswered(why: string): HttpAnswer {
  return { status: 503, headers: {}, body: Buffer.from(`${why}\n`) }
}

function answer(runner: Runner, opened: OpenedMachine, request: Request): void {
  try {
    tell({ kind: 'reply', id: request.id, value: perform(runner, opened, request) })
  } catch (error) {
    tell({ kind: 'error', id: request.id, error: plainError(error) })
  }
}

function perform(runner: Runner, opened: OpenedMachine, request: Request): unknown {
  switch (request.method) {
    case 'run':
      running = request.id
      try {
        return runner.run(request.script)
      } finally {
        for (const event of outside.release()) tell({ kind: 'outside', event })
        opened.flushLog()
      }
    case 'look':
      return runner.look()
    case 'frame':
      return runner.frame()
    case 'picture':
      return runner.picture(request.since)
    case 'read':
      return runner.read(request.area)
    case 'debug':
      return answerDebug(request.question, runner.machine.debugTarget, start.config.record !== undefined)
    case 'monitor':
      return monitor.answer(request.line, request.cpu)
    case 'requests':
      return runner.machine.requests()
    case 'outside':
      if (request.isChance) runner.markHostInput()
      return runner.machine.input(request.event)
    case 'host-input':
      return runner.markHostInput()
    case 'link':
      return opened.setLink(request.up, request.nic)
    case 'join':
      lockstep?.join(new Meeting(request.memory, start.config.trunk?.latency ?? 0), runner.machine.now(), request.isNew)
      return undefined
    case 'cut':
      return runner.machine.input({ kind: 'cut', members: request.members })
    case 'save-disk':
      return opened.saveDisk(request.disk, request.path, request.format)
    case 'insert':
      return opened.insert(request.drive, request.medium)
    case 'snapshot':
      return {
        state: runner.machine.save(),
        runner: runner.save(),
        config: forkConfig(start.config),
        media: opened.media,
      } satisfies SnapshotParts
    case 'restore':
      opened.settleCaptures()
      changeMedia(opened, request.parts.media)
      runner.machine.load(request.parts.state)
      runner.load(request.parts.runner)
      // Nobody is at the other ends any more.
      runner.machine.input({ kind: 'outside-gone' })
      return undefined
    case 'capture':
      return opened.capture(request.files)
    case 'explore':
      if (!runner.machine.explore)
        throw new DebugError('a machine that is recorded cannot be explored; leave out the recording')
      return runner.machine.explore(request.plan)
    case 'departures':
      return runner.machine.departures?.() ?? []
    case 'trace':
      return runner.trace(request.on ? tellTrace : undefined)
    case 'close':
      return undefined
  }
}

function tellTrace(event: TraceInput): void {
  host.postMessage(
    { kind: 'trace', event } satisfies WorkerMessage,
    event.kind === 'screen' ? [event.frame.data.buffer as ArrayBuffer] : [],
  )
}

function takeControlMessages(runner: Runner, opened: OpenedMachine): void {
  opened.flushLog()
  for (let received = receiveMessageOnPort(control); received; received = receiveMessageOnPort(control)) {
    const message = received.message as ControlMessage
    switch (message.kind) {
      case 'stop':
        if (message.id === running) runner.stop()
        break
      case 'input':
        if (message.event.kind === 'dial') outside.dialled(message.event.stream)
        if (message.event.kind === 'udp-forward') outside.comes()
        runner.input(message.event)
        break
      case 'datagrams-seen':
        outside.seen(message.count)
        break
      case 'answer':
        if (message.error !== undefined) runner.failBy(message.error)
        if (awaited?.id === message.id) awaited.answer = message.answer
        break
      case 'ask':
        answer(runner, opened, message.request)
        break
      case 'gdb-open':
        gate.open()
        break
      case 'gdb-wait':
        gate.wait()
        break
      case 'gdb':
        gate.receive(message.bytes)
        break
      case 'gdb-close':
        gate.close()
    }
  }
}

main().catch((error) => {
  tell({ kind: 'error', error: plainError(error) })
  control.close()
  host.close()
})
