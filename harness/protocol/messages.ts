/** What a machine's thread and the thread that started it say to each other: plain data only. */
import type { DisplayMode, Frame } from '../../machine/devices/display/display.js'
import { type ErrorKind, errorKind } from '../../machine/errors.js'
import type { ExplorationPlan } from '../../machine/exploration.js'
import type { InputEvent } from '../../machine/input.js'
import type { WrittenFormat } from '../../machine/media/copy-disk.js'
import type { RemovableDrive } from '../../machine/media/drive-id.js'
import type { HttpAnswer, HttpQuestion } from '../../machine/network/contents.js'
import type { OutsideEvent, OutsideInput } from '../../machine/network/outside.js'
import type { Captures } from '../config/capture-file.js'
import type { MachineConfig, MediumConfig } from '../config/machine-config.js'
import type { Area } from '../picture/compare-pictures.js'
import type { PhaseReached, Script } from './script.js'
import type { SnapshotParts } from './snapshot-parts.js'

export interface Progress {
  guestTimeNs: number
  instructions: number
  /** Host time since the script began, ms. */
  hostMs: number
  /** The screen's last line of text, or the mode it is in. */
  lastLine: string
  /** Of long work, where its phases are known. */
  phase?: PhaseReached
}

/** The screen for someone who looks on. */
export interface LivePicture {
  /** Of the display, to ask for a later one. */
  generation: number
  mode: DisplayMode
  frame: Frame
}

export type WaitOutcome = 'met' | 'timeout' | 'failed' | 'interrupted'

/** Host time is the sink's own business. Times are guest time in ns. */
export type TraceInput =
  | { kind: 'screen'; guestTimeNs: number; frame: Frame; text?: string }
  | { kind: 'input' | 'exit' | 'note'; guestTimeNs: number; title: string }
  | { kind: 'serial'; guestTimeNs: number; port: number; bytes: Uint8Array }
  | { kind: 'wait'; guestTimeNs: number; title: string }
  | { kind: 'waited'; guestTimeNs: number; outcome: WaitOutcome; error?: string }

/** What the worker is made with. */
export interface ThreadData {
  /** `machine/host/native-code.ts` */
  door: Int32Array
}

/** The first message to the worker, and the next one after a machine was closed. */
export interface WorkerStart {
  config: MachineConfig
  /** URL of a module whose `createMachine` makes the machine; tests put another one in. */
  machineModule?: string
  /** The soft engine's core, compiled. */
  core?: WebAssembly.Module
  /**
   * A MessagePort, looked at between two slices, while a script runs and no other message can be taken. No type of
   * Node's is in what users' compilers read: their projects need not have `@types/node`.
   */
  control: unknown
}

/** Of a machine that stands still. `where` is a symbol or an address, as conditions have it. */
export type DebugQuestion =
  | { what: 'state'; cpu: number }
  | { what: 'address'; cpu: number; where: string }
  /** What was executed of the files that are covered. */
  | { what: 'executed'; cpu: number }
  /** How far the machine is: Counts. */
  | { what: 'counts'; cpu: number }
  /** Writes a core file. */
  | { what: 'core'; cpu: number; path: string }
  | { what: 'read'; cpu: number; where: string; length: number; physical: boolean }
  | { what: 'write'; cpu: number; where: string; bytes: Uint8Array; physical: boolean }

/** How far a machine is. */
export interface Counts {
  /** Retired by all CPUs since power-on. */
  instructions: number
  guestTimeNs: number
  /** Retired by each CPU. */
  cpus: number[]
}

export type Command =
  | { method: 'run'; script: Script }
  | { method: 'look' | 'departures' | 'frame' | 'snapshot' | 'requests' }
  /** `stay`: the thread waits for another machine. */
  | { method: 'close'; stay: boolean }
  /** Of the test's connections with the guest. `isChance`: what is said on them is not the same in another run. */
  | { method: 'outside'; event: OutsideInput; isChance?: boolean }
  | { method: 'read'; area?: Area }
  | { method: 'picture'; since: number }
  /** Without a medium, what is in the drive is taken out. */
  | { method: 'insert'; drive: RemovableDrive; medium?: MediumConfig }
  | { method: 'save-disk'; disk: string; path: string; format: WrittenFormat }
  /** What comes to it from now on is not the same in every run. */
  | { method: 'host-input' }
  /** Of a network card, the first one where none is named. */
  | { method: 'link'; nic?: string; up: boolean }
  /** Of its network, by the memory that they share. `isNew`: it has just been switched on. */
  | { method: 'join'; memory: SharedArrayBuffer; isNew: boolean }
  /** Nothing comes from these of its network any more. */
  | { method: 'cut'; members: readonly number[] }
  | { method: 'restore'; parts: SnapshotParts }
  | { method: 'capture'; files: Captures }
  | { method: 'trace'; on: boolean }
  /** Departs from the plain run. */
  | { method: 'explore'; plan: ExplorationPlan }
  | { method: 'debug'; question: DebugQuestion }
  /** A line of a monitor's. */
  | { method: 'monitor'; line: string; cpu?: number }
export type Request = Command & { id: number }

/** Taken at once, even while a script runs. `stop` names the request it means: it may come late, in the next script. */
export type ControlMessage =
  | { kind: 'stop'; id: number }
  | { kind: 'input'; event: InputEvent }
  /** So many of the guest's datagrams were looked at. */
  | { kind: 'datagrams-seen'; count: number }
  | { kind: 'answer'; id: number; answer: HttpAnswer; error?: string }
  /** A question that is answered between two slices. */
  | { kind: 'ask'; request: Request }
  | DebugMessage

/** A debugger has come, says something, has gone; `gdb-wait`: the machine is not to begin before one lets it. */
export type DebugMessage = { kind: 'gdb-open' | 'gdb-close' | 'gdb-wait' } | { kind: 'gdb'; bytes: Uint8Array }

/** An error as it crosses threads. */
export interface PlainError {
  /** Of its class. */
  name: string
  /** undefined: nobody worded it for people. */
  kind: ErrorKind | undefined
  message: string
  stack: string | undefined
  code: string | undefined
  /** The file, of an error of the host's. */
  path?: string
}

export interface Ready {
  engine: 'soft' | 'kvm'
  engineReason: string
}

export type WorkerMessage =
  | ({ kind: 'ready' } & Ready)
  | { kind: 'reply'; id: number; value: unknown }
  | { kind: 'error'; id?: number; error: PlainError }
  | { kind: 'serial'; port: number; bytes: Uint8Array; guestTimeNs: number }
  | { kind: 'serial-taken'; bytes: number }
  /** The guest asked for what a function of the test's makes. */
  | { kind: 'question'; id: number; name: string; question: HttpQuestion }
  | { kind: 'outside'; event: OutsideEvent }
  | { kind: 'debug'; bytes: Uint8Array }
  /** To the debugger. */
  | { kind: 'gdb'; bytes: Uint8Array }
  | { kind: 'trace'; event: TraceInput }
  /** Of states that the thread keeps itself: their files are held open, or no longer; or the machine goes on from them. */
  | { kind: 'files'; what: 'kept' | 'forgotten' | 'stood-on'; files: readonly number[] }
  | ({ kind: 'progress' } & Progress)

export function plainError(thrown: unknown): PlainError {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown))
  const { name, message, stack } = error
  const { code, path } = error as NodeJS.ErrnoException
  return { name, kind: errorKind(error), message, stack, code, ...(path !== undefined && { path }) }
}
