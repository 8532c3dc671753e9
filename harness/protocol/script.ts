/** Scripts: what is done with a machine, step by step, and what came of it. Plain data, so that they cross threads. */

import type { DisplayMode, Frame, TextScreen } from '../../machine/devices/display/display.js'
import type { MachineExit } from '../../machine/machine.js'
import type { LoggedRequest } from '../../machine/network/lan/services/request-log.js'
import type { MachineReport, UnhandledAccess } from '../../machine/report.js'
import type { BootStep, MouseButton, Pattern } from '../keys/boot-command.js'
import type { BitmapFont } from '../picture/bitmap-font.js'
import type { Condition } from './condition.js'

export type Step =
  | BootStep
  /** Runs until the condition is met. `timeoutNs` is guest time; without it only the host time-out ends it. */
  | { kind: 'until'; condition: Condition; timeoutNs?: number }
  /** Runs until this guest time since power-on. */
  | { kind: 'until-time'; ns: number }
  /** Runs for a while, or until the condition is met, so that the test's thread can judge whether `what` has come. */
  | { kind: 'poll'; ns: number; what: string; condition?: Condition }
  /** Runs while others of the machine's network are awaited, until it is stopped. */
  | { kind: 'go-along' }
  /** Keeps a picture in the result, under a name. */
  | { kind: 'screenshot'; name: string }
  /** Sends text, as UTF-8, or bytes to COM1 + `port`. */
  | { kind: 'serial-input'; port: number; text: string | Uint8Array }
  /** Brings the pointer to a pixel of the screen by watching it. */
  | { kind: 'mouse-to'; x: number; y: number }
  /** A mouse button goes down or up and stays so. */
  | { kind: 'mouse-button'; button: MouseButton; down: boolean }
  /** Notches of the wheel, down positive. */
  | { kind: 'mouse-wheel'; notches: number }
  /** Text in graphics modes is read with this font as well. */
  | { kind: 'learn-font'; font: BitmapFont }
  | { kind: 'power-button' }
  | { kind: 'reset' }

export interface Script {
  readonly steps: readonly Step[]
  /** Guest time does not pass faster than the host's: someone looks on. */
  readonly realTime?: boolean
  /** Guest time for all steps together, in ns; unlimited by default. */
  readonly timeoutNs?: number
  /** Host time for all steps together, in ms; unlimited by default. */
  readonly hostTimeoutMs?: number
  /**
   * What a guest says when it cannot go on, beside what known systems say (`panics.ts`): a wait then fails before its
   * time-out. False: nothing is looked for.
   */
  readonly failOn?: false | readonly Pattern[]
  /** Phases of long work, told in progress reports and failures. */
  readonly phases?: readonly PhasePattern[]
  /** What its inputs are, for the trace: `types "dir"`; by default each says so itself. */
  readonly title?: string
}

/** A phase of long work, known by the screen's text or a serial line; the pattern's first group is how far it has come, in percent. */
export interface PhasePattern {
  name: string
  pattern: Pattern
}

export interface PhaseReached {
  name: string
  /** The last that was seen. */
  percent: number | undefined
  /** When it began. */
  guestTimeNs: number
}

/** What the machine shows and has to tell at a moment; `unhandled` is the guest's own part. */
export interface Look extends MachineReport {
  /** Guest time in ns. */
  guestTimeNs: number
  /** Retired instructions; 0 under kvm. */
  instructions: number
  mode: DisplayMode
  /** The text screen: rows joined by line feeds, without the spaces at their ends. undefined in graphics modes. */
  text: string | undefined
  cells: TextScreen | undefined
  /** The last lines of every line that sent something; port 0 is COM1. */
  serial: { port: number; lines: string[] }[]
  /** What the firmware touched before it handed over, which is no part of `unhandled`. */
  unhandledByFirmware?: UnhandledAccess[]
  /** Media that the host could not read or write when the guest did, a sentence each. */
  mediaFailures: string[]
  /** What the guest asked of its LAN, the last of it. */
  requests?: LoggedRequest[]
  /** How often the machine has departed from the plain run, where it is explored. */
  departures?: number
  /** The phases that were seen, in order. */
  phases?: readonly PhaseReached[]
}

export interface Shot {
  name: string
  guestTimeNs: number
  frame: Frame
  cells: TextScreen | undefined
}

/** Why the script came to its end. */
export type EndReason =
  /** What the last step waited for came true, or there was nothing to wait for. */
  | 'condition'
  | 'timeout'
  /** A step cannot be done: `<click 'text'>` on text that is not there. */
  | 'script'
  /** Stopped by the user. */
  | 'interrupted'
  /** The guest said that it cannot go on. */
  | 'panic'
  /** The guest goes round a loop that nothing can end. */
  | 'hang'
  | MachineExit['reason']

export interface RunResult extends Look {
  outcome: 'ok' | 'failed' | 'timeout' | 'interrupted'
  exit: { reason: EndReason; code?: number; action?: MachineExit['action']; detail?: string }
  /** What went wrong, one sentence; undefined when ok. */
  error: string | undefined
  /** Index of the step that did not come to its end; the number of steps when ok. */
  step: number
  /** What the last serial condition matched, and its groups. */
  matched: string[] | undefined
  /** Resets of the machine on the way. */
  resets: number
  hostMs: number
  shots: Shot[]
  /** The machine's thread did not answer and was ended: this is what it had told before. */
  lost?: true
  /** Something came in from outside (a person's keys, mouse or serial input): another run may go differently. */
  hostInput: boolean
}
