/** The options of `bootwright run`, from what was typed to a checked request. Touches no file. */

import { CpuModelError, parseCpu } from '../../machine/cpu/models.js'
import { MAX_CPUS } from '../../machine/machine.js'
import { DEFAULT_MEMORY, type MachineConfig } from '../config/machine-config.js'
import { type BootStep, type Pattern, parseBootCommand } from '../keys/boot-command.js'
import { type LayoutName, layoutNamed } from '../keys/keyboard-layouts.js'
import type { ExitCondition } from '../protocol/condition.js'
import type { Step } from '../protocol/script.js'
import { tryParseDuration } from '../units/durations.js'
import { parseByteSize, parseMemorySize } from '../units/memory-size.js'
import { nearest } from '../words/nearest.js'
import { UsageError } from './errors.js'
import { parseViews, type ViewFlags, type ViewRequest } from './view-options.js'

/** As commander hands them over. */
export interface RunFlags extends ViewFlags {
  floppy?: string[]
  cdrom?: string
  disk?: string[]
  kernel?: string
  initrd?: string
  append?: string
  boot?: string
  /** `--no-fd-check`. */
  fdCheck?: boolean
  engine?: string
  cpu?: string
  smp?: string
  memory?: string
  overlayLimit?: string
  timeout?: string
  guestTimeout?: string
  layout?: string
  screenshot?: string
  snapshot?: string
  saveSnapshot?: string
  write?: boolean
  record?: string
  serial?: string
  debugcon?: string
  json?: boolean
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
  debugcon: string | undefined
  json: boolean
  views: ViewRequest
  /** `-m` was given, so a guest's own size does not count. */
  memoryGiven: boolean
}

export const DEFAULT_TIMEOUT = '10m'
export const MAX_FLOPPIES = 2
export const MAX_DISKS = 3
const ENGINES = ['auto', 'kvm', 'soft'] as const

export function parseRun(guest: string | undefined, flags: RunFlags, acts: readonly Act[]): RunRequest {
  checkValues(flags)
  const floppies = flags.floppy ?? []
  const disks = flags.disk ?? []
  if (floppies.length > MAX_FLOPPIES)
    throw new UsageError(`--floppy was given ${floppies.length} times; a PC has two floppy drives, A: and B:`)
  if (disks.length > MAX_DISKS)
    throw new UsageError(
      `--disk was given ${disks.length} times; there is room for ${MAX_DISKS} disks beside the CD drive`,
    )
  for (const option of ['initrd', 'append'] as const) {
    if (flags[option] !== undefined && flags.kernel === undefined)
      throw new UsageError(`--${option} goes with a kernel; add --kernel F`)
  }
  checkSnapshots(guest, flags)
  const { bootOrder, bootMenu, floppyCheck } = flags.boot === undefined ? {} : parseBoot(flags.boot)
  if (bootOrder !== undefined && flags.kernel !== undefined)
    throw new UsageError('--boot and --kernel contradict each other: a kernel is started before any drive')
  const write = flags.write ?? false
  const medium = (path: string) => (write ? { path, write } : { path })
  const machine: MachineConfig = {
    engine: parseEngine(flags.engine ?? 'auto'),
    cpu: flags.cpu === undefined ? undefined : parseCpuOption(flags.cpu),
    cpus: flags.smp === undefined ? undefined : parseSmp(flags.smp),
    memory: flags.memory === undefined ? DEFAULT_MEMORY : parseMemory(flags.memory),
    floppies: floppies.map(medium),
    cdrom: flags.cdrom === undefined ? undefined : { path: flags.cdrom },
    disks: disks.map(medium),
    record: flags.record,
    overlayLimit: flags.overlayLimit === undefined ? undefined : parseSize(flags.overlayLimit, '--overlay-limit'),
    bootOrder,
    bootMenu,
    floppyCheck: flags.fdCheck === false ? false : floppyCheck,
    kernel: flags.kernel === undefined ? undefined : { path: flags.kernel, initrd: flags.initrd, append: flags.append },
  }
  const views = parseViews(flags)
  const isViewed = views.uiPort !== undefined || views.vnc !== undefined
  if (isViewed && flags.json)
    throw new UsageError(`--json is for programs, and ${flags.ui ? '--ui' : '--vnc'} for people; leave one out`)
  const hasMedia =
    (guest ?? flags.snapshot) !== undefined ||
    floppies.length + disks.length > 0 ||
    (flags.cdrom ?? flags.kernel) !== undefined
  if (!hasMedia && acts.length === 0)
    throw new UsageError(
      'there is nothing to boot; name a guest or an image, or give --floppy, --cdrom, --disk or --kernel',
    )
  const request: RunRequest = {
    guest,
    machine: flags.snapshot === undefined ? machine : changesOf(machine),
    snapshot: flags.snapshot,
    saveSnapshot: flags.saveSnapshot,
    write,
    steps: parseActs(acts, isViewed, parseLayout(flags.layout, acts)),
    timeoutMs:
      flags.timeout === undefined && isViewed
        ? Number.POSITIVE_INFINITY
        : parseTimeout('--timeout', flags.timeout ?? DEFAULT_TIMEOUT) / 1e6,
    guestTimeoutNs: flags.guestTimeout === undefined ? undefined : parseTimeout('--guest-timeout', flags.guestTimeout),
    screenshot: flags.screenshot,
    serial: flags.serial,
    debugcon: flags.debugcon,
    json: flags.json ?? false,
    views,
    memoryGiven: flags.memory !== undefined,
  }
  checkOutputNames(request)
  return request
}

function checkSnapshots(guest: string | undefined, flags: RunFlags): void {
  const { snapshot, write } = flags
  if (snapshot !== undefined) {
    if (guest !== undefined)
      throw new UsageError(`--snapshot '${snapshot}' has its machine, and '${guest}' would be another; leave one out`)
    for (const option of ['append', 'boot', 'cpu', 'smp', 'memory'] as const) {
      if (flags[option] === undefined) continue
      const name = option === 'memory' ? '-m' : `--${option}`
      throw new UsageError(`${name} is the snapshot's own, '${snapshot}'; leave it out`)
    }
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

/** What was said of a snapshot's machine. */
function changesOf({ engine, overlayLimit, floppies, disks, cdrom, kernel }: MachineConfig): MachineConfig {
  return {
    ...(engine !== 'auto' && { engine }),
    ...(overlayLimit !== undefined && { overlayLimit }),
    ...(floppies?.length && { floppies }),
    ...(disks?.length && { disks }),
    ...(cdrom && { cdrom }),
    ...(kernel && { kernel: { path: kernel.path, ...(kernel.initrd !== undefined && { initrd: kernel.initrd }) } }),
  }
}

/** A forgotten value takes the next option for itself. Kernel command lines and the like may begin with dashes. */
function checkValues(flags: RunFlags): void {
  const { append: _, json: __, ...rest } = flags
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
  }
  if ([...bootOrder].some((letter) => present[letter])) return
  const options: { readonly [letter: string]: string } = { a: '--floppy', c: '--disk', d: '--cdrom' }
  const missing = [...bootOrder].flatMap((letter) => options[letter] ?? [])
  throw new UsageError(
    missing.length > 0
      ? `--boot ${bootOrder} names only drives without a medium; add ${missing.join(' or ')}`
      : '--boot n boots from the network, and this machine has no network card; use a, c or d',
  )
}

function parseCpuOption(text: string): string {
  try {
    parseCpu(text)
  } catch (error) {
    if (error instanceof CpuModelError) throw new UsageError(`--cpu ${text}: ${error.message}`)
    throw error
  }
  return text
}

/** `4`, or QEMU's `cpus=4`. */
function parseSmp(text: string): number {
  const cpus = /^(?:cpus=)?(\d+)$/.exec(text)?.[1]
  if (cpus === undefined || Number(cpus) < 1 || Number(cpus) > MAX_CPUS)
    throw new UsageError(`--smp '${text}' is no number of CPUs; give 1 to ${MAX_CPUS}`)
  return Number(cpus)
}

/** The largest value of SeaBIOS's file, which has 16 bits in QEMU. */
const LONGEST_MENU_MS = 0xffff

/** `dc`, or QEMU's `order=dc,menu=on,splash-time=5000`, with `fd-check=off` for its `-no-fd-bootchk`. */
function parseBoot(text: string): Pick<MachineConfig, 'bootOrder' | 'bootMenu' | 'floppyCheck'> {
  if (!/[=,]/.test(text)) return { bootOrder: parseBootOrder(text, text) }
  const given = new Map<string, string>()
  for (const part of text.split(',')) {
    const [name, value] = part.includes('=') ? part.split(/=(.*)/s, 2) : ['order', part]
    if (!['order', 'menu', 'splash-time', 'fd-check'].includes(name))
      throw new UsageError(
        `--boot '${text}': there is no '${name}'; it takes order=, menu=on, splash-time= and fd-check=off`,
      )
    if (given.has(name)) throw new UsageError(`--boot '${text}' has ${name} twice`)
    given.set(name, value)
  }
  const order = given.get('order')
  const menu = given.get('menu') ?? 'off'
  if (menu !== 'on' && menu !== 'off') throw new UsageError(`--boot '${text}': menu is on or off, not '${menu}'`)
  const check = given.get('fd-check') ?? 'on'
  if (check !== 'on' && check !== 'off') throw new UsageError(`--boot '${text}': fd-check is on or off, not '${check}'`)
  const time = given.get('splash-time')
  if (time !== undefined && menu === 'off')
    throw new UsageError(`--boot '${text}': splash-time is how long the menu is offered; add menu=on`)
  if (time !== undefined && !(/^\d+$/.test(time) && Number(time) <= LONGEST_MENU_MS))
    throw new UsageError(`--boot '${text}': splash-time is in milliseconds, 0 to ${LONGEST_MENU_MS}, not '${time}'`)
  return {
    bootOrder: order === undefined ? undefined : parseBootOrder(order, text),
    bootMenu: menu === 'on' ? { waitMs: time === undefined ? undefined : Number(time) } : undefined,
    ...(check === 'off' && { floppyCheck: false }),
  }
}

function parseBootOrder(order: string, text: string): string {
  if (!/^[acdn]+$/.test(order) || new Set(order).size < order.length || order.length > 3)
    throw new UsageError(
      `--boot '${text}' is no boot order; give one to three different letters of a (floppy), c (disk), d (CD), n (network)`,
    )
  return order
}

function parseEngine(text: string): (typeof ENGINES)[number] {
  const engine = ENGINES.find((known) => known === text)
  if (engine) return engine
  const near = nearest(text, ENGINES)
  throw new UsageError(
    `--engine '${text}' is unknown; ${near ? `did you mean '${near}'? ` : ''}engines are auto, kvm and soft`,
  )
}

/** In bytes. */
export function parseMemory(text: string): number {
  try {
    return parseMemorySize(text, '-m')
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

function parseSize(text: string, option: string): number {
  try {
    return parseByteSize(text, option)
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
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
const EXITS = ['poweroff', 'reset', 'debug-exit', 'triple-fault', 'halted', 'suspended'] as const

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
