/**
 * A machine in a thread of its own, as the rest of the harness holds it.
 * The file is longer than others, because it is all that can be asked of the thread.
 */

import { MessageChannel, type MessagePort, type Worker } from 'node:worker_threads'
import { compileCore } from '../../machine/cpu/soft/core-module.js'
import type { ExecutedPart } from '../../machine/debug/symbols/symbols.js'
import type { State } from '../../machine/device.js'
import type { Frame } from '../../machine/devices/display/display.js'
import type { Departure, ExplorationPlan } from '../../machine/exploration.js'
import type { InputEvent } from '../../machine/input.js'
import type { WrittenFormat } from '../../machine/media/copy-disk.js'
import type { RemovableDrive } from '../../machine/media/drive-id.js'
import type { HttpAnswer, HttpQuestion } from '../../machine/network/contents.js'
import type { LoggedRequest } from '../../machine/network/lan/services/request-log.js'
import type { OutsideEvent, OutsideInput } from '../../machine/network/outside.js'
import { filesOf } from '../../machine/state/machine-state.js'
import type { Captures } from '../config/capture-file.js'
import { forkConfig, type MachineConfig, type MediumConfig } from '../config/machine-config.js'
import { withHostAddresses } from '../outside/host-addresses.js'
import { type Forwarded, type MachineSide, WayOut } from '../outside/way-out.js'
import type { Area } from '../picture/compare-pictures.js'
import type { ScreenReading } from '../picture/screen-reading.js'
import type {
  Command,
  DebugMessage,
  DebugQuestion,
  LivePicture,
  Progress,
  Ready,
  TraceInput,
  WorkerMessage,
  WorkerStart,
} from '../protocol/messages.js'
import type { Look, RunResult, Script } from '../protocol/script.js'
import type { SnapshotParts } from '../protocol/snapshot-parts.js'
import { Correspondence } from './correspondence.js'
import { InfrastructureError, VmError } from './errors.js'
import { HeldFiles } from './held-files.js'
import { LastWords } from './last-words.js'
import { ScriptRuns } from './script-runs.js'
import { keepSnapshot, partsOf, type Snapshot } from './snapshot.js'
import { Spares } from './stand-by-threads.js'
import { endThread, leaveThread, takeThread } from './worker-thread.js'

export interface VmEvents {
  onSerial?: (port: number, bytes: Uint8Array, guestTimeNs: number) => void
  /** The guest has taken some of its serial input; `serialBacklog` says how many are left. */
  onSerialTaken?: () => void
  onDebug?: (bytes: Uint8Array) => void
  /** To the debugger. */
  onGdb?: (bytes: Uint8Array) => void
  onProgress?: (progress: Progress) => void
  /** The guest asked for what a function makes; one sentence in `error` fails the script. */
  onQuestion?: (name: string, question: HttpQuestion) => Promise<{ answer: HttpAnswer; error?: string }>
  /** Something of the guest's for the world outside. */
  onOutside?: (event: OutsideEvent) => void
  /** Where `trace` was called: everything but serial output, which comes by `onSerial`. */
  onTrace?: (event: TraceInput) => void
}

export interface VmThreadOptions extends VmEvents {
  /** URL of a compiled module that exports `createMachine`; tests put another machine in by it. */
  machineModule?: string
}

/** What a snapshot file gave. */
interface Opened {
  thread: VmThread
  /** What the machine's holder knew of it, where one wrote it down. */
  memory: State | undefined
}

/** How long a closed machine may take to end by itself before its thread is ended, ms: longer than a script's patience. */
const GRACE = 5000
/** What becomes of files by what the thread says of them. */
const FILES = { kept: 'keep', forgotten: 'forget', 'stood-on': 'standOn' } as const

const spares = new Spares<VmThread>((vm) => {
  vm.terminate()
})

export class VmThread {
  private readonly worker: Worker
  private readonly control: MessagePort
  private readonly letters: Correspondence
  private readonly runs: ScriptRuns
  private readonly lastWords = new LastWords()
  private serialSent = 0
  private ready: Ready = { engine: 'soft', engineReason: '' }
  private readonly ended: Promise<void>
  /** Lets go what the machine held, since it is no more. */
  private readonly gone: () => void
  private isGone = false
  private closing: Promise<void> | undefined
  /** Of its forks, which are not recorded. */
  private readonly config: MachineConfig
  private readonly files = new HeldFiles()
  private dropSpares: (() => void) | undefined
  /** undefined: its guest has none. */
  private readonly wayOut: WayOut | undefined
  private datagramsSeen = 0

  /**
   * Starts the thread; resolves when the machine is there, powered on and standing still.
   * Rejects with a VmError of the name MediaError, BootImageError, FirmwareMissingError or EngineUnavailableError, or
   * with an InfrastructureError.
   */
  static async start(config: MachineConfig, options: VmThreadOptions = {}): Promise<VmThread> {
    // Without it the thread says what is missing.
    const core = await compileCore().catch(() => undefined)
    const vm = new VmThread(withHostAddresses(config), options, core)
    try {
      vm.ready = await vm.letters.wait<Ready>(0)
      await vm.wayOut?.open()
      return vm
    } catch (error) {
      await vm.terminate()
      throw error
    }
  }

  /**
   * A machine that goes on from a snapshot file. `config` says what is to be otherwise than when it was written: media
   * that are in other places now, or another engine. Rejects with a SnapshotError.
   */
  static async open(file: string, config: MachineConfig = {}, options: VmThreadOptions = {}): Promise<Opened> {
    const { readSnapshot, snapshotConfig } = await import('./snapshot-files.js')
    const here = await snapshotConfig(file, config)
    const thread = await VmThread.start(here.config, options)
    try {
      const { parts, memory } = await readSnapshot(file, here.config, here.media)
      const snapshot = keepSnapshot(parts)
      try {
        await thread.restore(snapshot)
      } finally {
        snapshot.release()
      }
      return { thread, memory }
    } catch (error) {
      await thread.terminate()
      throw error
    }
  }

  private constructor(
    config: MachineConfig,
    private options: VmThreadOptions,
    core: WebAssembly.Module | undefined,
  ) {
    this.config = forkConfig(config)
    const nets = (config.nics ?? []).flatMap(({ user }) => user ?? [])
    if (nets.length > 0) this.wayOut = new WayOut(nets, this.machineSide())
    const { port1, port2 } = new MessageChannel()
    this.control = port1
    const { machineModule } = options
    const start: WorkerStart = { config, machineModule, core, control: port2 }
    this.worker = takeThread(machineModule !== undefined)
    this.letters = new Correspondence(this.worker, port1)
    this.runs = new ScriptRuns(this.letters, this.lastWords, () => this.lose())
    this.worker.postMessage(start, [port2])
    const ears = {
      message: (message: WorkerMessage) => this.receive(message),
      error: (error: Error) => this.letters.fail(error),
      exit: () => this.gone(),
    }
    let ended!: () => void
    this.ended = new Promise((resolve) => {
      ended = resolve
    })
    this.gone = () => {
      for (const [event, ear] of Object.entries(ears)) this.worker.off(event, ear)
      this.isGone = true
      this.letters.fail(new InfrastructureError("the machine's thread has ended"))
      this.files.releaseAll()
      this.dropSpares?.()
      this.wayOut?.close()
      ended()
    }
    for (const [event, ear] of Object.entries(ears)) this.worker.on(event, ear)
  }

  /** Ports of the host's that lead to the guest. */
  get forwarded(): readonly Forwarded[] {
    return this.wayOut?.forwarded ?? []
  }

  private machineSide(): MachineSide {
    return {
      say: (event, isLate) => {
        // A network that has nobody to hand a datagram to drops it.
        if (!isLate || this.runs.areUnderWay) this.input(event)
      },
      datagramSeen: () => {
        if (this.datagramsSeen++ === 0) setImmediate(() => this.tellSeen())
      },
    }
  }

  private tellSeen(): void {
    this.letters.tell({ kind: 'datagrams-seen', count: this.datagramsSeen })
    this.datagramsSeen = 0
  }

  get engine(): 'soft' | 'kvm' {
    return this.ready.engine
  }

  /** Resolves when the thread has ended, in whichever way. */
  get whenEnded(): Promise<void> {
    return this.ended
  }

  get engineReason(): string {
    return this.ready.engineReason
  }

  run(script: Script): Promise<RunResult> {
    return this.runs.run(script)
  }

  private lose(): void {
    this.letters.fail(new InfrastructureError("the machine's thread did not answer and was ended"))
    void this.terminate()
  }

  look(): Promise<Look> {
    return this.ask({ method: 'look' })
  }

  frame(): Promise<Frame> {
    return this.ask({ method: 'frame' })
  }

  /** The screen's text and where it is; in graphics modes as far as the fonts go. */
  read(area?: Area): Promise<ScreenReading> {
    return this.ask({ method: 'read', area })
  }

  /** The screen, if it has changed since a generation; answered even while a script runs. */
  picture(since = -1): Promise<LivePicture | undefined> {
    return this.askMeanwhile({ method: 'picture', since })
  }

  /** Puts a medium into a drive, or takes out what is in it. Rejects with a VmError of the name MediaError. */
  insert(drive: RemovableDrive, medium?: MediumConfig): Promise<void> {
    return this.ask({ method: 'insert', drive, medium })
  }

  /** What a monitor answers to a line; also while a script runs. */
  monitor(line: string, cpu?: number): Promise<string> {
    return this.askMeanwhile({ method: 'monitor', line, cpu })
  }

  /** Memory, registers and symbols; also while a script runs. Rejects with a VmError of the name DebugError. */
  askDebug(question: DebugQuestion): Promise<unknown> {
    return this.askMeanwhile({ method: 'debug', question })
  }

  /** What the guest asked of its LAN, the last of it. */
  requests(): Promise<LoggedRequest[]> {
    return this.ask({ method: 'requests' })
  }

  /** What a disk holds now as a new image. Rejects with a VmError of the name MediaError. */
  saveDisk(disk: string, path: string, format: WrittenFormat): Promise<void> {
    return this.ask({ method: 'save-disk', disk, path, format })
  }

  /** It has a card that is plugged into a LAN. */
  async hasNetwork(): Promise<boolean> {
    return this.config.nics?.some(({ net }) => net !== 'none') ?? false
  }

  /** From the test's end of a connection with the guest. `isChance`: another run need not say the same. */
  outside(event: OutsideInput, isChance = false): Promise<void> {
    return this.ask({ method: 'outside', event, ...(isChance && { isChance }) })
  }

  /** What it hears from now on is not the same in every run, and results say so. */
  markHostInput(): Promise<void> {
    return this.ask({ method: 'host-input' })
  }

  /** Plugs a network card's cable in or pulls it out; without a name the first card's. */
  link(up: boolean, nic?: string): Promise<void> {
    return this.ask({ method: 'link', up, nic })
  }

  /** The machine is one of a network's; `isNew`: it has just been switched on, and goes on from no other one. */
  join(memory: SharedArrayBuffer, isNew: boolean): Promise<void> {
    return this.ask({ method: 'join', memory, isNew })
  }

  /** Nothing comes to it from these of its network any more. */
  cut(members: readonly number[]): Promise<void> {
    return this.ask({ method: 'cut', members })
  }

  /** Runs with the others of its network, until it is told to stop where it waits for them, however long that takes. */
  goAlong(): { ended: Promise<RunResult>; stop: () => void } {
    const ended = this.run({ steps: [{ kind: 'go-along' }] })
    const id = this.runs.lastId
    return { ended, stop: () => this.letters.tell({ kind: 'stop', id }) }
  }

  /** From now on the machine departs from the plain run. Rejects with a VmError of one sentence. */
  explore(plan: ExplorationPlan): Promise<void> {
    return this.ask({ method: 'explore', plan })
  }

  /** The departures that came. */
  departures(): Promise<Departure[]> {
    return this.ask({ method: 'departures' })
  }

  /** From now on what is done and shown comes by `onTrace`, or no longer. */
  trace(on = true): Promise<void> {
    return this.ask({ method: 'trace', on })
  }

  /**
   * The whole machine as it is, between scripts. Rejects with a VmError of the name SnapshotError where a medium is
   * written in place.
   */
  async snapshot(): Promise<Snapshot> {
    const parts = await this.ask<SnapshotParts>({ method: 'snapshot' })
    this.files.standOn(filesOf(parts.state))
    return keepSnapshot(parts, this.wantSpares(parts.config))
  }

  /** Goes on from there. Rejects with a SnapshotError, or a VmError of that name, where it does not fit. */
  async restore(snapshot: Snapshot): Promise<void> {
    const parts = partsOf(snapshot)
    const files = filesOf(parts.state)
    this.files.add(files)
    await this.ask({ method: 'restore', parts })
    this.wayOut?.reset()
    this.files.standOn(files)
  }

  /** Has threads ready for forks, for as long as this machine lives; a snapshot does it too, without waiting. */
  async prepareForks(): Promise<void> {
    this.dropSpares ??= this.wantSpares(this.config)
    await spares.ready(kindOf(this.config, this.options.machineModule))
  }

  /** Waits for the threads that a snapshot wants for its forks. Rejects where they cannot be made. */
  async forksReady(snapshot: Snapshot): Promise<void> {
    await spares.ready(kindOf(partsOf(snapshot).config, this.options.machineModule))
  }

  /** Another machine that goes on from where this one is; both share the memory that neither writes. */
  async fork(events: VmEvents = {}): Promise<VmThread> {
    this.dropSpares ??= this.wantSpares(this.config)
    const snapshot = await this.snapshot()
    try {
      return await this.forkFrom(snapshot, events)
    } finally {
      snapshot.release()
    }
  }

  /** Another machine that goes on from there; this one need not live any more. */
  async forkFrom(snapshot: Snapshot, events: VmEvents = {}, captures: Captures = {}): Promise<VmThread> {
    const { config } = partsOf(snapshot)
    const { machineModule } = this.options
    const vm = await spares.take(kindOf(config, machineModule), () => startSpare(config, machineModule))
    vm.options = { ...events, machineModule }
    vm.worker.ref()
    try {
      await vm.restore(snapshot)
      if (Object.keys(captures).length > 0) await vm.ask({ method: 'capture', files: captures })
    } catch (error) {
      await vm.terminate()
      throw error
    }
    return vm
  }

  private wantSpares(config: MachineConfig): () => void {
    // Each of a network's machines is of a kind of its own.
    if (config.trunk) return ignore
    const { machineModule } = this.options
    const key = kindOf(config, machineModule)
    spares.retain(key, () => startSpare(config, machineModule))
    return () => spares.release(key)
  }

  /** @internal Saves and loads once, so that V8 has compiled what a fork needs when it comes. */
  async rehearse(): Promise<void> {
    const parts = await this.ask<SnapshotParts>({ method: 'snapshot' })
    const snapshot = keepSnapshot(parts)
    await this.restore(snapshot)
    snapshot.release()
  }

  /** @internal A machine that nobody uses does not keep the process. */
  unref(): void {
    this.worker.unref()
  }

  /** Ends the script that runs; its `run` then resolves with the outcome `interrupted`. */
  stop(): void {
    this.runs.stop()
  }

  /** What a person does while a script runs; makes the result one that another run need not give. */
  input(event: InputEvent): void {
    if (event.kind === 'serial') this.serialSent += event.bytes.length
    this.letters.tell({ kind: 'input', event })
  }

  /** What a debugger does; its answers come by `onGdb`. */
  debug(message: DebugMessage): void {
    this.letters.tell(message)
  }

  /** Bytes for serial lines that have not gone to the machine; `onSerialTaken` tells when they become fewer. */
  get serialBacklog(): number {
    return this.serialSent
  }

  /**
   * Ends the machine; its thread waits for another one then, or ends too, by force where it does not come back. Never
   * rejects.
   */
  close(): Promise<void> {
    this.closing ??= this.end()
    return this.closing
  }

  private async end(): Promise<void> {
    this.stop()
    if (this.config.coverage?.length) await this.keepCoverage()
    // What another engine has of the host's goes with its thread.
    const stay = this.engine === 'soft' && this.options.machineModule === undefined
    const reply = this.ask<void>({ method: 'close', stay })
    this.letters.close()
    const closed = reply.then(
      () => stay || this.ended.then(() => false),
      () => false,
    )
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(resolve, GRACE, false)
    })
    const stays = await Promise.race([closed, late])
    clearTimeout(timer)
    if (!stays || this.letters.failure || !leaveThread(this.worker)) return this.terminate()
    this.control.close()
    this.gone()
  }

  /** What was executed is written down. */
  private async keepCoverage(): Promise<void> {
    // A machine that is lost has nothing to say, and whoever closes it has been told of that.
    if (this.letters.failure || this.isGone) return
    try {
      const parts = await this.askDebug({ what: 'executed', cpu: 0 })
      const { writeRecord } = await import('../coverage/coverage-records.js')
      writeRecord(parts as ExecutedPart[])
    } catch (error) {
      // A close does not fail; what was to be kept is missing all the same.
      process.stderr.write(`bootwright: coverage was not written: ${(error as Error).message}\n`)
    }
  }

  /** At once, its thread, too; a script that runs then is rejected. */
  async terminate(): Promise<void> {
    this.control.close()
    if (!this.isGone) await endThread(this.worker)
  }

  private ask<T>(command: Command): Promise<T> {
    return this.letters.ask(command)
  }

  private askMeanwhile<T>(command: Command): Promise<T> {
    return this.runs.areUnderWay ? this.letters.askMeanwhile(command) : this.letters.ask(command)
  }

  private receive(message: WorkerMessage): void {
    const { letters, options } = this
    switch (message.kind) {
      case 'ready':
        letters.settle(0)?.resolve({ engine: message.engine, engineReason: message.engineReason } as never)
        break
      case 'reply':
        letters.settle(message.id)?.resolve(message.value as never)
        break
      case 'error':
        letters.settle(message.id ?? 0)?.reject(new VmError(message.error))
        break
      case 'serial':
        this.lastWords.onSerial(message.port, message.bytes)
        options.onSerial?.(message.port, message.bytes, message.guestTimeNs)
        break
      case 'serial-taken':
        this.serialSent -= message.bytes
        options.onSerialTaken?.()
        break
      case 'question':
        void this.answerQuestion(message.id, message.name, message.question)
        break
      case 'outside':
        options.onOutside?.(message.event)
        this.wayOut?.hear(message.event)
        break
      case 'debug':
        options.onDebug?.(message.bytes)
        break
      case 'gdb':
        options.onGdb?.(message.bytes)
        break
      case 'trace':
        options.onTrace?.(message.event)
        break
      case 'files':
        this.files[FILES[message.what]](message.files)
        break
      case 'progress':
        this.lastWords.onProgress(message)
        options.onProgress?.(message)
        break
    }
  }

  private async answerQuestion(id: number, name: string, question: HttpQuestion): Promise<void> {
    const none = { answer: { status: 503, headers: {}, body: Buffer.from(`nobody is there to answer for ${name}\n`) } }
    const answered = (await this.options.onQuestion?.(name, question)) ?? none
    this.letters.tell({ kind: 'answer', id, ...answered })
  }
}

function ignore(): void {}

/** A thread has the environment of when it was made, and that is to be the one of now. */
function kindOf(config: MachineConfig, machineModule: string | undefined): string {
  return JSON.stringify([config, machineModule, process.env])
}

async function startSpare(config: MachineConfig, machineModule: string | undefined): Promise<VmThread> {
  const vm = await VmThread.start(config, { machineModule })
  await vm.rehearse()
  // Not before: someone may be waiting for it, and nothing else keep the process.
  vm.unref()
  return vm
}
