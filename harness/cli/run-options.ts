/** The options of `bootwright run`, from what was typed to a checked request. Touches no file. */

import { DEFAULT_MEMORY, type MachineConfig } from '../config/machine-config.js'
import { type BootStep, type Pattern, parseBootCommand } from '../keys/boot-command.js'
import { type LayoutName, layoutNamed } from '../keys/keyboard-layouts.js'
import type { Typed } from '../options/drive-words.js'
import type { MachinePart } from '../options/machine-spec.js'
import { OptionError } from '../options/option-error.js'
import {
  checkKernel,
  checkSnapshotValues,
  type FlagValues,
  flagName,
  flagValues,
  readOptions,
  withPart,
} from '../options/read-options.js'
import type { ExitCondition } from '../protocol/condition.js'
import type { Step } from '../protocol/script.js'
import { tryParseDuration } from '../units/durations.js'
import { nearest } from '../words/nearest.js'
import { parseCharacters, parseSerial, type SerialSocketRequest } from './character-options.js'
import { UsageError } from './errors.js'
import { type GdbFlags, type GdbRequest, parseGdb } from './gdb-options.js'
import { type LogFlags, parseLog } from './log-options.js'
import { type MonitorFlags, type MonitorRequest, parseMonitors } from './monitor-options.js'
import { parseViews, type ViewFlags, type ViewRequest } from './view-options.js'

/** As commander hands them over. */
export interface RunFlags extends ViewFlags, GdbFlags, LogFlags, MonitorFlags {
  /** The machine's, by the table's attributes (`harness/options/`). */
  [attribute: string]: unknown
  timeout?: string
  guestTimeout?: string
  /** `--no-fail-on`: false. */
  failOn?: string[] | false
  layout?: string
  screenshot?: string
  snapshot?: string
  saveSnapshot?: string
  write?: boolean
  record?: string
  serial?: string
  debugcon?: string
  json?: boolean
  pauseOnFailure?: boolean
  untilExit?: string
  expectExit?: string
}

/** `--keys` and `--until-*` in the order in which they stood on the command line. */
export type Act =
  | { option: 'keys'; value: string }
  | { option: 'until-text' | 'until-serial' | 'until-time' | 'until-exit' | 'expect-exit'; value: string }

export interface RunRequest {
  guest: string | undefined
  /** With a snapshot: what is to be otherwise than in that. */
  machine: MachineConfig
  /** What was said of the machine, which counts before what a guest says. */
  given: MachinePart
  /** The options that said it. */
  values: FlagValues
  snapshot: string | undefined
  saveSnapshot: string | undefined
  /** Media of the command line are written. */
  write: boolean
  steps: Step[]
  /** Host time in ms. */
  timeoutMs: number
  /** Guest time in ns. */
  guestTimeoutNs: number | undefined
  screenshot: string | undefined
  /** A path, or `stdio`. */
  serial: string | undefined
  serialSocket: SerialSocketRequest | undefined
  debugcon: string | undefined
  json: boolean
  pauseOnFailure: boolean
  views: ViewRequest
  gdb: GdbRequest | undefined
  monitors: MonitorRequest
  /** The machine does not begin before a debugger or a monitor lets it. */
  paused: boolean
  /** What the guest says when it cannot go on; undefined: what is known of it, and of known systems. */
  failOn: false | Pattern[] | undefined
}

export const DEFAULT_TIMEOUT = '10m'

export function parseRun(guest: string | undefined, flags: RunFlags, acts: readonly Act[]): RunRequest {
  checkValues(flags)
  const values = machineValues(flags)
  if (guest === undefined) inWords(() => checkKernel(values, values.kernel !== undefined, flagName))
  checkSnapshots(guest, flags, values)
  const given = inWords(() => readOptions(values, flagName))
  if (given.bootOrder !== undefined && given.kernel !== undefined)
    throw new UsageError('--boot and --kernel contradict each other: a kernel is started before any drive')
  const write = flags.write ?? false
  const machine: MachineConfig =
    flags.snapshot === undefined
      ? { ...withPart(DEFAULTS, given), ...(flags.record !== undefined && { record: flags.record }) }
      : withPart({}, given)
  const views = parseViews(flags)
  const monitors = parseMonitors(flags)
  const { serial, serialSocket } = parseSerial(flags.serial)
  const isAsked = monitors.monitor !== undefined || monitors.qmp !== undefined
  // A monitor can let it go as well.
  const gdb = parseGdb(isAsked && flags.gdb === undefined ? {} : flags)
  if (gdb && flags.record !== undefined)
    throw new UsageError('--record keeps all that comes from outside, which of a debugger it cannot; leave out --gdb')
  // KVM stops at what the processor can stop at, and goes nowhere back: only where it was asked for.
  if (gdb && given.engine !== 'kvm') machine.engine = 'soft'
  const atTerminal = monitors.monitor === 'stdio' ? '--monitor' : monitors.qmp === 'stdio' ? '--qmp' : undefined
  if (atTerminal && (serial === 'stdio' || flags.json))
    throw new UsageError(
      `${atTerminal} stdio and ${flags.json ? '--json' : '--serial stdio'} both want standard output; give the monitor a socket, as in unix:monitor.sock`,
    )
  const log = parseLog(flags)
  if (log) machine.log = log
  const isViewed = views.uiPort !== undefined || views.vnc !== undefined
  if (isViewed && flags.json)
    throw new UsageError(`--json is for programs, and ${flags.ui ? '--ui' : '--vnc'} for people; leave one out`)
  // UEFI firmware has a shell, and who names a BIOS may mean that alone.
  const hasMedia =
    given.firmware?.uefi ||
    (given.firmware?.bios ??
      guest ??
      flags.snapshot ??
      given.floppies ??
      given.disks ??
      given.cdrom ??
      given.kernel) !== undefined
  const isFromNetwork = given.bootOrder?.includes('n') && given.nics !== undefined
  if (!hasMedia && !isFromNetwork && acts.length === 0)
    throw new UsageError(
      'there is nothing to boot; name a guest or an image, or give --floppy, --cdrom, --disk or --kernel, or --boot n with --nic',
    )
  const request: RunRequest = {
    guest,
    ...{ machine, given, values },
    snapshot: flags.snapshot,
    saveSnapshot: flags.saveSnapshot,
    write,
    steps: parseActs(acts, isViewed, parseLayout(flags.layout, acts)),
    timeoutMs:
      flags.timeout === undefined && (isViewed || gdb || isAsked || serialSocket)
        ? Number.POSITIVE_INFINITY
        : parseTimeout('--timeout', flags.timeout ?? DEFAULT_TIMEOUT) / 1e6,
    guestTimeoutNs: flags.guestTimeout === undefined ? undefined : parseTimeout('--guest-timeout', flags.guestTimeout),
    screenshot: flags.screenshot,
    ...{ serial, serialSocket, debugcon: parseCharacters('--debugcon', flags.debugcon) },
    json: flags.json ?? false,
    pauseOnFailure: flags.pauseOnFailure ?? false,
    ...{ views, gdb, monitors, paused: flags.paused ?? false },
    failOn: flags.failOn === false ? false : flags.failOn?.map((regex) => parsePattern(regex, '--fail-on')),
  }
  checkOutputNames(request)
  return request
}

function checkSnapshots(guest: string | undefined, flags: RunFlags, values: FlagValues): void {
  const { snapshot, write } = flags
  if (snapshot !== undefined) {
    if (guest !== undefined)
      throw new UsageError(`--snapshot '${snapshot}' has its machine, and '${guest}' would be another; leave one out`)
    inWords(() => checkSnapshotValues(values, `'${snapshot}'`, flagName))
    if (flags.record !== undefined)
      throw new UsageError('--record begins where a machine is switched on; leave out --snapshot')
    if (write)
      throw new UsageError(
        '--write and --snapshot contradict each other: what the guest changed is in the snapshot; leave one out',
      )
  }
  if (write && flags.saveSnapshot !== undefined)
    throw new UsageError('--save-snapshot needs media that stay as they are; leave out --write')
}

/** QEMU's. */
const DEFAULTS: MachineConfig = { engine: 'auto', memory: DEFAULT_MEMORY, floppies: [], disks: [] }

/** The machine's options as `launch()` takes them; with `--write`, media are written that may be. */
function machineValues(flags: RunFlags): FlagValues {
  const { floppy, cdrom, disks, ...values } = inWords(() => flagValues(flags))
  const medium = <M extends { path?: string }>({ isKept, ...rest }: Typed<M>) =>
    (flags.write && !isKept && rest.path !== undefined ? { ...rest, write: true } : rest) as M
  return {
    ...values,
    ...(floppy && { floppy: [floppy].flat().map(medium) }),
    ...(cdrom && { cdrom }),
    ...(disks && { disks: [disks].flat().map(medium) }),
  }
}

/** What is wrong with an option, as an error of the command line. */
export function inWords<T>(action: () => T): T {
  try {
    return action()
  } catch (error) {
    if (error instanceof OptionError) throw new UsageError(error.message)
    throw error
  }
}

/** A forgotten value takes the next option for itself. Kernel command lines and the like may begin with dashes. */
function checkValues(flags: RunFlags): void {
  const { append: _, json: __, failOn: ___, ...rest } = flags
  for (const [name, values] of Object.entries(rest)) {
    const option = name === 'memory' ? '-m' : `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
    for (const value of [values].flat()) {
      if (typeof value === 'string' && value.startsWith('--'))
        throw new UsageError(`${option} needs a value, and '${value}' is an option`)
    }
  }
}

/** Once all media are known, a guest's included: an order that names only empty drives boots nothing. */
export function checkBootOrder(machine: MachineConfig): void {
  const { bootOrder } = machine
  if (bootOrder === undefined) return
  const present: { readonly [letter: string]: boolean } = {
    a: (machine.floppies ?? []).length > 0,
    c: (machine.disks ?? []).length > 0,
    d: machine.cdrom !== undefined,
    n: (machine.nics ?? []).length > 0,
  }
  if ([...bootOrder].some((letter) => present[letter])) return
  const options: { readonly [letter: string]: string } = { a: '--floppy', c: '--disk', d: '--cdrom', n: '--nic' }
  const missing = [...bootOrder].flatMap((letter) => options[letter] ?? [])
  throw new UsageError(
    `--boot ${bootOrder} names only drives without a medium, or a network without a card; add ${missing.join(' or ')}`,
  )
}

/** In ns. */
function parseTimeout(option: string, text: string): number {
  if (/^\s*-/.test(text)) throw new UsageError(`${option} '${text}' is negative; give a duration such as 30s or 5m`)
  const ns = tryParseDuration(text)
  if (ns === undefined)
    throw new UsageError(
      `${option} '${text}' is not a duration; write seconds as a number, or units as in 500ms, 30s, 1m20s, 2h`,
    )
  if (ns === 0) throw new UsageError(`${option} 0 leaves no time to run; give a duration such as 30s or 5m`)
  return ns
}

function parseLayout(text: string | undefined, acts: readonly Act[]): LayoutName {
  if (text === undefined) return 'us'
  if (!acts.some(({ option }) => option === 'keys'))
    throw new UsageError('--layout says how --keys is typed; add --keys, or leave it out')
  try {
    return layoutNamed(text)
  } catch (error) {
    throw new UsageError(`--layout: ${(error as Error).message}`)
  }
}

/** Without an `--until-*`, the guest runs until it stops by itself; a reset is no end to a person who looks on. */
function parseActs(acts: readonly Act[], isViewed: boolean, layout: LayoutName): Step[] {
  const steps = acts.flatMap((act) => parseAct(act, layout))
  if (acts.some((act) => act.option !== 'keys')) return steps
  const reasons = isViewed ? (['poweroff', 'debug-exit'] as const) : undefined
  return [...steps, { kind: 'until', condition: { kind: 'exit', reasons } }]
}

function parseAct(act: Act, layout: LayoutName): Step[] {
  switch (act.option) {
    case 'keys':
      return parseKeysOption(act.value, layout)
    case 'until-text':
      return [{ kind: 'until', condition: { kind: 'text', pattern: parsePattern(act.value, '--until-text') } }]
    case 'until-serial': {
      const pattern = parsePattern(act.value, '--until-serial')
      return [{ kind: 'until', condition: { kind: 'serial', port: 0, pattern } }]
    }
    case 'until-time':
      return [{ kind: 'until-time', ns: parseTimeout('--until-time', act.value) }]
    case 'until-exit':
      return [{ kind: 'until', condition: parseExit(act.value) }]
    case 'expect-exit': {
      const code = parseExitCode('--expect-exit', act.value)
      return [{ kind: 'until', condition: { kind: 'exit', reasons: ['debug-exit'], code } }]
    }
  }
}

/** What `--until-exit` takes for a clean stop, as it stands alone. */
const CLEAN = 'clean'
const EXITS = ['poweroff', 'reset', 'debug-exit', 'triple-fault', 'watchdog', 'halted', 'suspended'] as const

/**
 * `--until-exit` alone is followed by anything, a guest as well: only what is an exit, or nearly so, is its value.
 *
 * @param takesValue Whether what follows an option is that option's value.
 */
export function joinExits(args: readonly string[], takesValue: (option: string) => boolean): string[] {
  const joined: string[] = []
  for (let i = 0; i < args.length; i++) {
    const next = args[i + 1]
    if (args[i] === '--until-exit') {
      const name = next?.split(/[:,]/)[0] ?? ''
      const isExit = /^(debug|exit)/i.test(name) || nearest(name, EXITS) !== undefined
      joined.push(`--until-exit=${isExit ? next : CLEAN}`)
      if (isExit) i++
    } else {
      joined.push(args[i])
      if (takesValue(args[i]) && next !== undefined) joined.push(args[++i])
    }
  }
  return joined
}

/** `debug-exit:0x10`, `poweroff`, `poweroff,reset`. */
function parseExit(text: string): ExitCondition {
  if (text === CLEAN) return { kind: 'exit' }
  const [names, code] = text.split(/:(.*)/s, 2)
  const reasons = names.split(',').map((name) => {
    const reason = EXITS.find((known) => known === name)
    if (reason) return reason
    const near = nearest(name, EXITS)
    throw new UsageError(
      `--until-exit '${text}': there is no exit '${name}'; ${near ? `did you mean '${near}'? ` : ''}exits are ${EXITS.join(', ')}`,
    )
  })
  if (code === undefined) return { kind: 'exit', reasons }
  if (reasons.length !== 1 || reasons[0] !== 'debug-exit')
    throw new UsageError(`--until-exit '${text}': only debug-exit has a code, as in debug-exit:0x10`)
  return { kind: 'exit', reasons, code: parseExitCode(`--until-exit '${text}':`, code) }
}

/** What the guest writes to the port, which has up to 32 bits. */
function parseExitCode(option: string, text: string): number {
  if (!/^(0x[\da-f]+|\d+)$/i.test(text) || Number(text) > 0xffffffff)
    throw new UsageError(`${option} '${text}' is no exit code; give what the guest writes to port 0xf4, as in 0x10`)
  return Number(text)
}

function parseKeysOption(value: string, layout: LayoutName): BootStep[] {
  try {
    return parseBootCommand(value, { source: '--keys', layout })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

/** A pattern as it stands, or between slashes with flags: `/ready/i`. What is no flags, as in `/usr/bin`, is text. */
export function parsePattern(text: string, option: string): Pattern {
  const slashed = /^\/([\s\S]+)\/([dgimsuvy]*)$/.exec(text)
  const [source, flags] = slashed ? [slashed[1], slashed[2]] : [text, '']
  if (source === '') throw new UsageError(`${option} '' is empty and would match anything; give a regular expression`)
  if (!/^[imsu]*$/.test(flags))
    throw new UsageError(`${option} '${text}' has the flags '${flags}'; a pattern takes i, m, s and u`)
  try {
    new RegExp(source, flags)
  } catch (error) {
    const reason = (error as Error).message.replace(/^Invalid regular expression: [\s\S]*: /, '')
    throw new UsageError(`${option} '${text}' is not a regular expression: ${reason}`)
  }
  return { source, flags }
}

function checkOutputNames({ screenshot, serial, debugcon, saveSnapshot }: RunRequest): void {
  const named = { screenshot, serial, debugcon, 'save-snapshot': saveSnapshot }
  const outputs = Object.entries(named).filter(([, path]) => path !== undefined)
  for (const [option, path] of outputs) {
    if (path === '') throw new UsageError(`--${option} has an empty path; name a file to write`)
  }
  if (screenshot !== undefined && !/\.png$/i.test(screenshot))
    throw new UsageError(`--screenshot '${screenshot}' does not end in .png; pictures are written as PNG`)
}
