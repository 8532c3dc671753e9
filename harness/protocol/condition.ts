/** Conditions: what a test waits for, as plain data that is sent to the machine's thread. `runtime/watches/watches.ts` checks them there. */
import type { EventKind } from '../../machine/cpu/engine.js'
import type { Frame } from '../../machine/devices/display/display.js'
import type { MachineExit } from '../../machine/machine.js'
import type { LoggedRequest } from '../../machine/network/lan/services/request-log.js'
import type { Pattern } from '../keys/boot-command.js'
import type { Needle } from '../needles/needle.js'
import type { Area } from '../picture/compare-pictures.js'

export type ExitReason = MachineExit['reason']

/**
 * The machine stops by itself. Without `reasons`, a clean stop: power-off, reset, or debug-exit with code 0. A panic
 * shall not pass for a success.
 */
export interface ExitCondition {
  kind: 'exit'
  reasons?: readonly ExitReason[]
  /** Of debug-exit. */
  code?: number
}

/** In place of a serial port's number: what the guest writes to the ports E9h and 402h. */
export const DEBUG_CONSOLE = 4
/** In place of a serial port's number: what the guest asked of its LAN. */
export const NETWORK = 5

/** In place of a serial port's number: the CPU stopped at a place that is waited for. */
export const STOPPED = 6

/** In place of a serial port's number: connections of the test's with the guest. */
export const STREAMS = 7

export type Condition =
  /**
   * The screen's text matches: its rows joined by line feeds, without the spaces at their ends. In graphics modes it is
   * what the fonts at hand make out.
   */
  | { kind: 'text'; pattern: Pattern; area?: Area }
  /**
   * What the guest sent over COM1 + `port`, or to DEBUG_CONSOLE, since the last match matches; with `peek`, all that it sent lately. `title`
   * says in words what that is, where nobody gave the pattern.
   */
  | { kind: 'serial'; port: number; pattern: Pattern; peek?: boolean; title?: string }
  /** The guest sends something over COM1 + `port`. */
  | { kind: 'output'; port: number }
  /** A request of the guest's to its LAN, as in `http GET /preseed.cfg`, has got its answer: one after the request of that number. */
  | { kind: 'request'; pattern: Pattern; after: number }
  | ExitCondition
  /** The picture has not changed for `ns` of guest time; the cursor's blinking does not count. */
  | { kind: 'still'; ns: number; area?: Area }
  | ModeCondition
  | PictureCondition
  | NeedleCondition
  | ScreenshotCondition
  | ReachCondition
  /** The other is not met, as seen at a frame. */
  | { kind: 'not'; of: Condition }
  | { kind: 'any'; of: readonly Condition[] }
  /** All at once; serial output and an exit stay true once they came. */
  | { kind: 'all'; of: readonly Condition[] }

export interface ModeCondition {
  kind: 'mode'
  mode: 'text' | 'graphics'
  /** Pixels; any by default. */
  width?: number
  height?: number
}

/**
 * A CPU is about to execute the instruction there, or has just touched the memory there; or has done what the access says with
 * the vector, port or MSR of that number. On the soft engine.
 */
export interface ReachCondition {
  kind: 'reach'
  /** A symbol, as in `panic` or `table+0x10`, or a linear address as in `0x100000`. */
  where: string
  access?: 'write' | 'read' | 'access' | EventKind
  /** Bytes that are watched; default 1. */
  length?: number
}

/** Every area shows exactly these pixels. */
export interface PictureCondition {
  kind: 'picture'
  /** What is to be seen, for messages: `the desktop`. */
  title: string
  /** Pixels of the whole screen. */
  width: number
  height: number
  /** `sha256` as `areaHash` gives it. */
  areas: readonly (Area & { sha256: string })[]
}

/** The screen shows one of the needles. */
export interface NeedleCondition {
  kind: 'needle'
  needles: readonly Needle[]
  /** See `MatchOptions` of needles/match.ts. */
  searchRatio?: number
}

/** The screen, or an area of it, looks like a picture. */
export interface ScreenshotCondition {
  kind: 'screenshot'
  /** What is to be seen, for messages: `login.png`. */
  title: string
  expected: Frame
  area?: Area
  /** Areas of the screen that are left out. */
  mask?: readonly Area[]
  /** Colour distance from 0 to 1 up to which two pixels are the same; default 0, exact. */
  threshold?: number
  /** How many pixels may differ; default none. */
  maxDiffPixels?: number
}

/** `^` and `$` always match at the ends of rows and lines: there is no other beginning on a screen or a serial line. */
export function compilePattern(pattern: Pattern): RegExp {
  const flags = pattern.flags.replace(/[gy]/g, '')
  return new RegExp(pattern.source, flags.includes('m') ? flags : `${flags}m`)
}

/** For messages: `the text /login:/ on the screen`. */
export function describeCondition(condition: Condition): string {
  switch (condition.kind) {
    case 'text':
      return `the text ${describePattern(condition.pattern)} ${describePlace(condition.area)}`
    case 'serial':
      return `${condition.title ?? describePattern(condition.pattern)} on ${describeLine(condition.port)}`
    case 'output':
      return condition.port === STREAMS ? 'an answer on the network' : `output on COM${condition.port + 1}`
    case 'request':
      return `a request ${describePattern(condition.pattern)} to the LAN`
    case 'exit':
      return condition.reasons ? `the guest's exit (${condition.reasons.join(' or ')})` : "the guest's exit"
    case 'reach':
      return describeReach(condition)
    case 'still':
      return `a picture that does not change for ${condition.ns / 1e9} s`
    case 'mode':
    case 'picture':
    case 'needle':
    case 'screenshot':
      return describeScreenCondition(condition)
    case 'not':
      return `the end of ${describeCondition(condition.of)}`
    case 'any':
    case 'all':
      return condition.of.map(describeCondition).join(condition.kind === 'any' ? ' or ' : ' and ')
  }
}

function describeReach({ where, access }: ReachCondition): string {
  if (!access) return `the CPU at ${where}`
  if (access === 'interrupt') return `the interrupt or exception ${where}`
  if (access === 'access') return `an access to ${where}`
  return access === 'read' || access === 'write' ? `a ${access} to ${where}` : `${access.toUpperCase()} of ${where}`
}

function describePlace(area: Area | undefined): string {
  return area ? `at ${area.x},${area.y} (${area.width}×${area.height} pixels)` : 'on the screen'
}

function describeLine(port: number): string {
  return port === DEBUG_CONSOLE ? 'the debug console' : `COM${port + 1}`
}

function describePattern({ source, flags }: Pattern): string {
  return `/${source}/${flags}`
}

/** A request as patterns see it: `http GET /preseed.cfg`, `dhcp DISCOVER`. */
export function requestText({ protocol, what }: Pick<LoggedRequest, 'protocol' | 'what'>): string {
  return `${protocol} ${what}`
}

/** Whether an exit is what an `exit` condition waits for. */
export function acceptsExit({ reasons, code }: ExitCondition, exit: MachineExit): boolean {
  if (code !== undefined && exit.reason === 'debug-exit' && exit.code !== code) return false
  if (reasons) return reasons.includes(exit.reason)
  if (exit.reason === 'debug-exit') return exit.code === 0
  return exit.reason === 'poweroff' || exit.reason === 'reset'
}

function describeScreenCondition(
  condition: ModeCondition | PictureCondition | NeedleCondition | ScreenshotCondition,
): string {
  if (condition.kind === 'needle')
    return `the needle ${condition.needles.map(({ name }) => name).join(' or ')} on the screen`
  if (condition.kind !== 'mode') return `${condition.title} on the screen`
  const { mode, width, height } = condition
  const size = width === undefined && height === undefined ? '' : ` of ${width ?? 'any'}×${height ?? 'any'} pixels`
  return `a ${mode} mode${size}`
}

/** A wait for such an exit goes on after a panic: a reset or a halt may be how the guest ends one. */
export function outlivesPanic(condition: Condition): boolean {
  if (condition.kind === 'exit') return condition.reasons?.some((reason) => reason !== 'poweroff') ?? false
  return (condition.kind === 'any' || condition.kind === 'all') && condition.of.some(outlivesPanic)
}

/** Whether it may come where a guest does nothing more at all. */
export function comesByItself(condition: Condition): boolean {
  if (condition.kind === 'still') return true
  return (condition.kind === 'any' || condition.kind === 'all') && condition.of.some(comesByItself)
}

/** Whether the condition waits for this exit, and not for something that came with it. */
export function claimsExit(condition: Condition, exit: MachineExit): boolean {
  if (condition.kind === 'exit') return acceptsExit(condition, exit)
  return (condition.kind === 'any' || condition.kind === 'all') && condition.of.some((part) => claimsExit(part, exit))
}
