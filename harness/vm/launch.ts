/** `launch`: a machine from options named as on the command line. */
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CpuModelError, parseCpu } from '../../machine/cpu/models.js'
import { MAX_CPUS } from '../../machine/machine.js'
import { withModules } from '../config/boot-modules.js'
import type { MachineConfig } from '../config/machine-config.js'
import { type Guest, guestMachine, loadGuest } from '../guest/guest.js'
import { type MediumSource, mediumConfig } from '../guest/medium-source.js'
import { probeImage } from '../guest/probe-image.js'
import { type LayoutName, layoutNamed } from '../keys/keyboard-layouts.js'
import { type FailOn, toFailPatterns } from '../keys/patterns.js'
import { type NeedleSet, openNeedles } from '../needles/needle-set.js'
import { VmThread } from '../thread/machine-thread.js'
import { parseDuration } from '../units/durations.js'
import { parseByteSize, parseMemorySize } from '../units/memory-size.js'
import { nearest } from '../words/nearest.js'
import { DEFAULT_HOST_TIMEOUT, DEFAULT_TIMEOUT, type Duration } from './driver.js'
import { LaunchError } from './errors.js'
import { Vm, type VmSettings } from './vm.js'

export interface LaunchOptions {
  /** A guest, its name or its path, or the path of an image, whose drive is found out from what is in it. */
  guest?: string | Guest
  /** A: and B:; in place of the guest's. */
  floppy?: MediumSource | readonly MediumSource[]
  cdrom?: MediumSource
  /** Up to three. */
  disks?: MediumSource | readonly MediumSource[]
  /**
   * A snapshot file to go on from, in place of a guest: the machine is that one. `engine` may be another one, and
   * `floppy`, `cdrom`, `disks`, `kernel` and `initrd` say where its media are now.
   */
  snapshot?: string
  /** A Linux bzImage or a Multiboot image. */
  kernel?: string
  /** For a Multiboot kernel its modules as QEMU takes them: `vmlinuz console=hvc0,initrd.gz`. */
  initrd?: string
  /** The kernel's command line. */
  append?: string
  /** MiB, or with a unit as in `64M` or `1G`; default 128 MiB or what the guest says. */
  memory?: string | number
  /**
   * Most that the guest may change on a medium that is not written in place, as in `2G`; a write beyond fails as on a
   * broken disk. Default: as much as the folder for temporary files has room for.
   */
  overlayLimit?: string | number
  /** Default `auto`. */
  engine?: 'auto' | 'kvm' | 'soft'
  /** The soft engine's CPU, as in `pentium3,+sse2`. */
  cpu?: string
  /** CPUs, 1 to 32; several run on the soft engine. Default 1 or what the guest says. */
  smp?: number
  /** Letters of a (floppy), c (disk), d (CD), n (network). */
  boot?: string
  /** RTC at power-on, seconds since 1970 UTC. */
  epoch?: number
  /** Guest time for one wait; default 5 minutes. */
  timeout?: Duration
  /** Host time for one call; default 10 minutes. */
  hostTimeout?: Duration
  /**
   * What the guest says when it cannot go on: `[/ASSERT/, 'not ok']`. A wait fails when one of these is said, on the
   * screen or a serial line, and nothing after it. The panics of known systems are always among them; false: none are.
   */
  failOn?: FailOn
  /** The guest's keyboard layout; default `us`. */
  layout?: LayoutName
  /** openQA's needles: a folder, or a set that is open. */
  needles?: string | NeedleSet
  /** Where pictures of failures go; default a folder in the host's folder for temporary files. */
  outputFolder?: string
  /** URL of a compiled module that exports `createMachine`; tests put another machine in by it. */
  machineModule?: string
}

const OPTIONS: readonly (keyof LaunchOptions)[] = [
  ...([
    'guest',
    'floppy',
    'cdrom',
    'disks',
    'snapshot',
    'kernel',
    'initrd',
    'append',
    'memory',
    'overlayLimit',
    'engine',
    'cpu',
    'smp',
    'boot',
  ] as const),
  ...(['epoch', 'timeout', 'hostTimeout', 'failOn', 'layout', 'needles', 'outputFolder', 'machineModule'] as const),
]

/**
 * Starts a machine, powered on and standing still until something is awaited of it.
 *
 * Rejects with a LaunchError, GuestError, NeedleError, MissingMediaError, SnapshotError, or a VmError of the name
 * MediaError, BootImageError, FirmwareMissingError or EngineUnavailableError; each has one sentence.
 */
export async function launch(options: LaunchOptions): Promise<Vm> {
  const { machineModule, snapshot } = options
  if (snapshot !== undefined) return Vm.open(snapshot, vmSettings(options), await changes(options), machineModule)
  const guest = await guestOf(options.guest)
  const config = await machineConfig({ ...options, guest: guest ?? options.guest })
  const settings = vmSettings({ ...options, failOn: options.failOn ?? guest?.failOn })
  return Vm.start(settings, (events) => VmThread.start(config, { ...events, machineModule }))
}

/** What of the options is not the machine itself. */
export function vmSettings(options: LaunchOptions): VmSettings {
  const duration = (option: 'timeout' | 'hostTimeout', value: Duration) => {
    try {
      parseDuration(value)
      return value
    } catch (error) {
      throw new LaunchError(`${option}: ${(error as Error).message}`)
    }
  }
  return {
    timeout: duration('timeout', options.timeout ?? DEFAULT_TIMEOUT),
    givenTimeout: options.timeout,
    hostTimeout: duration('hostTimeout', options.hostTimeout ?? DEFAULT_HOST_TIMEOUT),
    failOn: toFailPatterns(options.failOn),
    outputFolder: options.outputFolder ?? join(tmpdir(), 'bootwright'),
    layout: layoutNamed(options.layout ?? 'us'),
    needles: typeof options.needles === 'string' ? openNeedles(options.needles) : options.needles,
  }
}

/** The machine that the options describe, its media found. */
export async function machineConfig(options: LaunchOptions): Promise<MachineConfig> {
  check(options)
  const { guest, kernel, initrd, append, cdrom } = options
  const own: MachineConfig = guest === undefined ? {} : await guestConfig(guest)
  const floppies = await media(options.floppy)
  const disks = await media(options.disks)
  const config: MachineConfig = {
    engine: options.engine ?? 'auto',
    cpu: options.cpu ?? own.cpu,
    cpus: options.smp ?? own.cpus,
    memory: options.memory === undefined ? own.memory : memorySize(options.memory),
    overlayLimit: options.overlayLimit === undefined ? undefined : overlayLimit(options.overlayLimit),
    floppies: floppies ?? own.floppies,
    cdrom: cdrom === undefined ? own.cdrom : await mediumConfig(cdrom),
    disks: disks ?? own.disks,
    kernel: kernel === undefined ? own.kernel && { ...own.kernel } : { path: kernel },
    bootOrder: options.boot ?? own.bootOrder,
    epoch: options.epoch,
  }
  if (config.kernel && initrd !== undefined) config.kernel.initrd = initrd
  if (config.kernel && append !== undefined) config.kernel.append = append
  config.kernel &&= withModules(config.kernel)
  const nothing = !config.floppies?.length && !config.disks?.length && !config.cdrom && !config.kernel
  if (nothing)
    throw new LaunchError('there is nothing to boot; give launch() a guest, a floppy, a cdrom, disks or a kernel')
  return config
}

/** What of a snapshot's machine is to be otherwise. */
async function changes(options: LaunchOptions): Promise<MachineConfig> {
  check(options)
  const { snapshot, engine, kernel, initrd, cdrom, overlayLimit: limit } = options
  for (const option of ['guest', 'append', 'memory', 'cpu', 'smp', 'boot', 'epoch'] as const) {
    if (options[option] !== undefined)
      throw new LaunchError(`${option} is the snapshot's own, ${JSON.stringify(snapshot)}; leave it out`)
  }
  const [floppies, disks] = [await media(options.floppy), await media(options.disks)]
  return {
    ...(engine && { engine }),
    ...(limit !== undefined && { overlayLimit: overlayLimit(limit) }),
    ...(floppies && { floppies }),
    ...(disks && { disks }),
    ...(cdrom !== undefined && { cdrom: await mediumConfig(cdrom) }),
    ...(kernel !== undefined && { kernel: { path: kernel, ...(initrd !== undefined && { initrd }) } }),
  }
}

function check(options: LaunchOptions): void {
  for (const name of Object.keys(options)) {
    if ((OPTIONS as readonly string[]).includes(name)) continue
    const near = nearest(name, OPTIONS)
    throw new LaunchError(
      `launch() has no option '${name}'; ${near ? `did you mean '${near}'?` : `options are ${OPTIONS.join(', ')}`}`,
    )
  }
  const { engine, boot, kernel, guest, cpu, smp } = options
  if (engine !== undefined && !['auto', 'kvm', 'soft'].includes(engine))
    throw new LaunchError(`engine '${engine}' is unknown; engines are auto, kvm and soft`)
  if (boot !== undefined && !/^[acdn]{1,4}$/.test(boot))
    throw new LaunchError(`boot '${boot}' is no boot order; give letters of a (floppy), c (disk), d (CD), n (network)`)
  if (smp !== undefined && (!Number.isInteger(smp) || smp < 1 || smp > MAX_CPUS))
    throw new LaunchError(`smp '${smp}' is no number of CPUs; give 1 to ${MAX_CPUS}`)
  for (const option of ['initrd', 'append'] as const) {
    if (options[option] !== undefined && kernel === undefined && guest === undefined)
      throw new LaunchError(`${option} goes with a kernel; give launch() a kernel as well`)
  }
  if (cpu !== undefined) {
    try {
      parseCpu(cpu)
    } catch (error) {
      if (error instanceof CpuModelError) throw new LaunchError(`cpu '${cpu}': ${error.message}`)
      throw error
    }
  }
}

/** Undefined where it is an image, or none. */
async function guestOf(guest: string | Guest | undefined): Promise<Guest | undefined> {
  if (typeof guest !== 'string') return guest
  const isImage = /\.(img|ima|iso|raw|bin|flp|vfd|dsk|hdd)$/i.test(guest) && existsSync(guest)
  return isImage ? undefined : loadGuest(guest)
}

async function guestConfig(named: string | Guest): Promise<MachineConfig> {
  const guest = await guestOf(named)
  return guest ? guestMachine(guest) : imageConfig(named as string)
}

function imageConfig(guest: string): MachineConfig {
  const medium = { path: guest }
  switch (probeImage(guest)) {
    case 'floppy':
      return { floppies: [medium] }
    case 'cdrom':
      return { cdrom: medium }
    case 'disk':
      return { disks: [medium] }
  }
}

async function media(sources: MediumSource | readonly MediumSource[] | undefined) {
  if (sources === undefined) return undefined
  const list = Array.isArray(sources) ? (sources as readonly MediumSource[]) : [sources as MediumSource]
  return Promise.all(list.map(mediumConfig))
}

function overlayLimit(size: string | number): number {
  try {
    return parseByteSize(size, 'overlayLimit')
  } catch (error) {
    throw new LaunchError((error as Error).message)
  }
}

function memorySize(size: string | number): number {
  try {
    return parseMemorySize(size, 'memory')
  } catch (error) {
    throw new LaunchError((error as Error).message)
  }
}
