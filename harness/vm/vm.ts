/**
 * A machine as a test author holds it. What is asked of it runs as small scripts in the machine's thread, one after the
 * other; under the soft engine the guest's clock stands still between them.
 */

import { resolve } from 'node:path'
import type { EventKind } from '../../machine/cpu/engine.js'
import type { HttpQuestion } from '../../machine/network/contents.js'
import type { OutsideEvent } from '../../machine/network/outside.js'
import type { StackFrame } from '../../machine/report.js'
import { type Captures, capturesOfCopy } from '../config/capture-file.js'
import type { MachineConfig } from '../config/machine-config.js'
import { type BootCommandOptions, parseBootCommand } from '../keys/boot-command.js'
import type { LayoutName } from '../keys/keyboard-layouts.js'
import { PausedMachine } from '../live/paused-machine.js'
import type { NeedleSet } from '../needles/needle-set.js'
import type { HttpFunction } from '../options/network-words.js'
import type { Condition, ExitReason } from '../protocol/condition.js'
import type { Progress, TraceInput } from '../protocol/messages.js'
import type { Look, RunResult } from '../protocol/script.js'
import { type VmEvents, VmThread } from '../thread/machine-thread.js'
import { parseDuration } from '../units/durations.js'
import { asked } from './call-site.js'
import { Cpu, Memory, type Where, whereText } from './debug.js'
import { DebugConsole } from './debug-console.js'
import { type DriverSettings, type Duration, type TimeoutOptions, VmDriver } from './driver.js'
import { LaunchError } from './errors.js'
import type { VmExit } from './exit.js'
import { Keyboard } from './keyboard.js'
import { type Measured, measure } from './measure.js'
import { Media } from './media.js'
import { Mouse } from './mouse.js'
import { answerBy, Network } from './network/network.js'
import { openSsh, type SshOptions, type SshSession } from './network/ssh.js'
import { Power } from './power.js'
import { Screen } from './screen.js'
import { type SerialLines, serialLines } from './serial.js'
import { memoryOf, type VmMemory, VmSnapshot } from './snapshots.js'
import type { TraceSink } from './trace.js'

const SERIAL_PORTS = 4

export interface VmSettings extends DriverSettings {
  layout: LayoutName
  needles: NeedleSet | undefined
  /** What answers for paths of the LAN's HTTP server. */
  functions?: { readonly [path: string]: HttpFunction }
  /** Files that get the frames of its network cards (`pcap=`), by the cards' names. */
  captures?: Captures
}

/** A fork of a machine that stands still for gdb. */
export interface GdbFork {
  /** `127.0.0.1:40123`. */
  readonly address: string
  /** Of a page with its screen and monitor. */
  readonly url: string
  /** Ends it; closing the machine does so as well. */
  close(): Promise<void>
}

export interface WatchOptions extends TimeoutOptions {
  /** Default `write`. */
  access?: 'write' | 'read' | 'access'
  /** Bytes from there on; default 1. */
  length?: number
}

export interface ExitExpectation {
  /** Any clean stop by default: power-off, reset, debug-exit with code 0. */
  reason?: ExitReason | readonly ExitReason[]
}

export class Vm {
  readonly screen: Screen
  readonly keyboard: Keyboard
  readonly mouse: Mouse
  readonly serial: SerialLines
  readonly debugConsole: DebugConsole
  readonly media: Media
  readonly power: Power
  readonly network: Network
  readonly memory: Memory
  readonly driver: VmDriver
  /** Told several times a second while the machine runs. */
  onProgress: ((progress: Progress) => void) | undefined
  private lastExit: VmExit | undefined
  private sink: TraceSink | undefined
  private readonly held = new Set<PausedMachine>()
  private forks = 0

  /** @internal `launch` and stages go on from a snapshot file. */
  static async open(
    file: string,
    settings: VmSettings,
    changes: MachineConfig = {},
    machineModule?: string,
  ): Promise<Vm> {
    let memory: VmMemory | undefined
    const vm = await Vm.start(settings, async (events) => {
      const opened = await VmThread.open(file, changes, { ...events, machineModule })
      memory = memoryOf(opened.memory)
      return opened.thread
    })
    if (memory) await vm.adopt(memory)
    return vm
  }

  /** @internal `launch` and forks make it. */
  static async start(
    settings: VmSettings,
    startThread: (events: VmEvents) => Promise<VmThread>,
    memory?: VmMemory,
  ): Promise<Vm> {
    let vm: Vm | undefined
    const onSerial = (port: number, bytes: Uint8Array, guestTimeNs: number) => {
      vm?.serial[port].receive(bytes, guestTimeNs)
      vm?.sink?.event({ kind: 'serial', guestTimeNs, port, bytes })
    }
    const onTrace = (event: TraceInput) => vm?.sink?.event(event)
    const onProgress = (progress: Progress) => vm?.onProgress?.(progress)
    const onDebug = (bytes: Uint8Array) => vm?.debugConsole.receive(bytes)
    const onQuestion = (name: string, question: HttpQuestion) => answerBy(settings.functions ?? {}, name, question)
    const onOutside = (event: OutsideEvent) => vm?.network.streams.hear(event)
    const events = { onSerial, onDebug, onTrace, onProgress, onQuestion, onOutside }
    vm = new Vm(await startThread(events), settings)
    if (memory) await vm.adopt(memory)
    return vm
  }

  private constructor(
    thread: VmThread,
    readonly settings: VmSettings,
  ) {
    this.driver = new VmDriver(thread, settings)
    this.driver.onResult = (result) => this.noteExit(result)
    this.screen = new Screen(this.driver, settings.needles)
    this.keyboard = new Keyboard(this.driver, settings.layout)
    this.mouse = new Mouse(this.driver)
    this.serial = serialLines(this.driver, SERIAL_PORTS)
    this.debugConsole = new DebugConsole(this.driver)
    this.media = new Media(this.driver)
    this.power = new Power(this.driver)
    this.network = new Network(this.driver)
    this.memory = new Memory(this.driver)
  }

  get engine(): 'soft' | 'kvm' {
    return this.driver.thread.engine
  }

  /** Why this engine was taken, one sentence. */
  get engineReason(): string {
    return this.driver.thread.engineReason
  }

  /** How the guest stopped last; undefined while it never did. */
  get exit(): VmExit | undefined {
    return this.lastExit
  }

  /**
   * Types in Packer's boot-command language; `<wait 'login:'>` waits for text.
   * @throws Error with one sentence that quotes what is wrong in the command.
   */
  async bootCommand(
    command: string | readonly string[],
    options: BootCommandOptions & TimeoutOptions = {},
  ): Promise<void> {
    const layout = options.layout ?? this.settings.layout
    await this.driver.run(parseBootCommand(command, { ...options, layout }), options)
  }

  /**
   * Logs into the guest by SSH, through its LAN; waits until its server is there. Needs the package ssh2. Rejects with an
   * SshError, an SshMissingError or a TimeoutError.
   */
  ssh(options: SshOptions): Promise<SshSession> {
    return asked(() => openSsh(this.network, options))
  }

  /** Runs until the condition is met, at the very frame or byte. Rejects with a TimeoutError or a GuestExitError. */
  async until(condition: Condition, options?: TimeoutOptions): Promise<void> {
    await this.driver.until(condition, options)
  }

  /** Lets the guest run for some guest time. */
  async wait(duration: Duration, options?: TimeoutOptions): Promise<void> {
    await this.driver.run([{ kind: 'wait', ns: parseDuration(duration) }], options)
  }

  /** Waits until the guest stops in this way. Rejects with a GuestExitError where it stops in another. */
  async waitForExit(expected: ExitExpectation = {}, options?: TimeoutOptions): Promise<VmExit> {
    const reasons = expected.reason === undefined ? undefined : [expected.reason].flat()
    const { exit } = await this.driver.until({ kind: 'exit', reasons }, options)
    return exit as VmExit
  }

  /** What the machine shows now, with guest time, instructions and what the guest touched that is not there. */
  look(): Promise<Look> {
    return this.driver.ask((thread) => thread.look())
  }

  /** From 0, the bootstrap processor. */
  cpu(number: number): Cpu {
    return new Cpu(this.driver, number)
  }

  /** Where CPU 0 is, and how it came there, the innermost function first. */
  backtrace(): Promise<StackFrame[]> {
    return this.cpu(0).backtrace()
  }

  /** Waits until a CPU is about to execute the instruction there. It changes no count. On KVM four places, and more in RAM. */
  async breakAt(where: Where, options?: TimeoutOptions): Promise<void> {
    await this.driver.until({ kind: 'reach', where: whereText(where) }, options)
  }

  /**
   * Waits until a CPU takes an interrupt or exception of that vector, and stops in front of its handler; or until it has
   * executed IN, OUT, RDMSR or WRMSR with that port or MSR. KVM knows of ports alone.
   */
  async breakOn(event: EventKind, number: number, options?: TimeoutOptions): Promise<void> {
    await this.driver.until({ kind: 'reach', where: whereText(number), access: event }, options)
  }

  /** Waits until a CPU touches memory there, and stops behind the access. KVM watches 32 bytes at most, and not for reads alone. */
  async watch(where: Where, options: WatchOptions = {}): Promise<void> {
    const { access = 'write', length = 1, ...timeouts } = options
    await this.driver.until({ kind: 'reach', where: whereText(where), access, length }, timeouts)
  }

  /**
   * Writes the guest's memory and registers as an ELF core file, which gdb, crash and drgn read. Rejects with a VmError of
   * the name UnwritableFile where it cannot be written.
   */
  async dumpCore(path: string): Promise<void> {
    await this.driver.ask((thread) => thread.askDebug({ what: 'core', cpu: 0, path: resolve(path) }))
  }

  /**
   * Lets gdb in: `target remote` of the address. A fork of this moment stands still for it, until gdb lets it run, and a page
   * shows its screen and has its monitor; the machine itself sees nothing of that, and the test goes on with it. On the soft
   * engine. Rejects with a LaunchError, or a ViewError where the port is taken.
   * @param port Of this host, at 127.0.0.1; a free one by default.
   */
  async gdb({ port }: { port?: number } = {}): Promise<GdbFork> {
    const { thread, membership } = this.driver
    if (membership)
      throw new LaunchError('a machine of a shared network has no gdb: the others would have to wait for it')
    if (thread.engine !== 'soft')
      throw new LaunchError(
        `gdb needs the soft engine, and this machine runs on ${thread.engine}; give launch() engine: 'soft'`,
      )
    const held = await this.driver.ask((one) => PausedMachine.open(one, 'a fork for gdb', port))
    this.held.add(held)
    const close = async () => {
      this.held.delete(held)
      await held.close()
    }
    return { address: held.gdbAddress ?? '', url: held.url, close }
  }

  /** What QEMU's monitor would answer: `vm.monitor('info pic')`, `vm.monitor('x/8xw kmain')`; `help` lists all. */
  monitor(line: string, { cpu }: { cpu?: number } = {}): Promise<string> {
    return this.driver.ask((thread) => thread.monitor(line, cpu))
  }

  /**
   * What the action costs the guest: instructions and guest time, exactly, and the same on every host. On the soft engine.
   * Begin and end it at an instruction (`breakAt`) or a byte to leave out what the guest does while it waits.
   */
  measure(action: () => unknown): Promise<Measured> {
    return measure(this.driver, action)
  }

  registers(): Promise<string> {
    return this.driver.ask(async (thread) => (await thread.look()).registers)
  }

  /** From now on tells the sink all that is done with the machine and what it shows; forks of it are not traced. */
  async trace(sink: TraceSink): Promise<void> {
    this.sink = sink
    await this.driver.ask((thread) => thread.trace())
  }

  /** Puts a line of the test's own into its trace. */
  note(title: string): void {
    this.sink?.event({ kind: 'note', guestTimeNs: this.driver.guestTimeNs, title })
  }

  /** The whole machine as it is. Rejects with an error of the name SnapshotError where a medium is written in place. */
  async snapshot(): Promise<VmSnapshot> {
    this.checkAlone('kept by the snapshot() of the network')
    return this.keep()
  }

  /** @internal Of a machine of a shared network, by that. */
  async keep(): Promise<VmSnapshot> {
    const machine = await this.driver.ask((thread) => thread.snapshot())
    const serial = Array.from({ length: SERIAL_PORTS }, (_, port) => this.serial[port].record())
    return new VmSnapshot(machine, {
      serial,
      fonts: [...this.screen.fonts],
      exit: this.lastExit,
      debugConsole: this.debugConsole.text(),
    })
  }

  /** Goes on from there: of this machine, of one that it was forked from, or of its forks. */
  async restore(snapshot: VmSnapshot): Promise<void> {
    this.checkAlone('brought back by the restore() of the network')
    await this.goBack(snapshot)
  }

  /** @internal Of a machine of a shared network, by that. */
  async goBack(snapshot: VmSnapshot): Promise<void> {
    await this.driver.ask((thread) => thread.restore(snapshot.machine))
    this.network.streams.reset('the machine went back to a snapshot')
    await this.adopt(snapshot.memory)
  }

  /**
   * Another machine that goes on from where this one is; neither sees what the other does. Where frames go to `F.pcap`, the
   * first fork's go to `F-fork1.pcap`, from the fork on.
   */
  async fork(): Promise<Vm> {
    const snapshot = await this.snapshot()
    try {
      return await this.forkFrom(snapshot)
    } finally {
      snapshot.release()
    }
  }

  /** Another machine that goes on from a snapshot; this one need not be open any more. */
  async forkFrom(snapshot: VmSnapshot, settings = this.settings): Promise<Vm> {
    const captures = capturesOfCopy(settings.captures, `fork${++this.forks}`)
    const start = (events: VmEvents) => this.driver.thread.forkFrom(snapshot.machine, events, captures)
    return Vm.start({ ...settings, captures }, start, snapshot.memory)
  }

  /** Ends the machine. Never rejects; a second time does nothing. */
  async close(): Promise<void> {
    await Promise.all([...this.held].map((one) => one.close()))
    this.held.clear()
    await this.driver.close('was closed')
    this.network.streams.reset('the machine was closed')
  }

  /** Throws a LaunchError. */
  private checkAlone(how: string): void {
    if (this.driver.membership)
      throw new LaunchError(`a machine of a shared network is ${how}, together with the others it talks with`)
  }

  private noteExit({ exit }: RunResult): void {
    const { reason } = exit
    if (reason === 'condition' || reason === 'timeout' || reason === 'script') return
    if (reason === 'interrupted' || reason === 'panic' || reason === 'hang') return
    this.lastExit = { reason, code: exit.code, detail: exit.detail }
  }

  private async adopt({ serial, fonts, exit, debugConsole }: VmMemory): Promise<void> {
    serial.forEach((record, port) => {
      this.serial[port].adopt(record)
    })
    this.debugConsole.adopt(debugConsole ?? '')
    this.lastExit = exit
    this.screen.fonts = [...fonts]
    if (fonts.length > 0) await this.driver.run(fonts.map((font) => ({ kind: 'learn-font', font })))
  }
}
