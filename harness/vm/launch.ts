/** `launch`: a machine from options named as on the command line. */
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as z from 'zod'
import { withModules } from '../config/boot-modules.js'
import type { Captures } from '../config/capture-file.js'
import { driveDevices } from '../config/drive-devices.js'
import { type LogWords, readLog } from '../config/log-file.js'
import type { MachineConfig } from '../config/machine-config.js'
import { type Guest, guestMachine, loadGuest } from '../guest/guest.js'
import { type DiskSource, diskConfig, type MediumSource, mediumConfig } from '../guest/medium-source.js'
import { probeImage } from '../guest/probe-image.js'
import { type LayoutName, layoutNamed } from '../keys/keyboard-layouts.js'
import { type FailOn, type Phases, toFailPatterns, toPhasePatterns } from '../keys/patterns.js'
import { type NeedleSet, openNeedles } from '../needles/needle-set.js'
import { CD_PLACE, DISK_PLACE, DISK_SIZE, IMAGE_FORMAT, parseDrive, placeDrives } from '../options/drive-words.js'
import { MACHINE_ROWS, type MachineOptionName, type MachinePart, type MachineValues } from '../options/machine-spec.js'
import type { DiskConfig, MediumConfig } from '../options/media-config.js'
import { httpFunctions } from '../options/network-words.js'
import { macsOf } from '../options/nic-words.js'
import { OptionError } from '../options/option-error.js'
import {
  checkKernel,
  checkNetwork,
  checkSnapshotValues,
  type FlagValues,
  misfit,
  readOptions,
  withPart,
} from '../options/read-options.js'
import { VmThread } from '../thread/machine-thread.js'
import { parseDuration } from '../units/durations.js'
import { nearest } from '../words/nearest.js'
import { DEFAULT_HOST_TIMEOUT, DEFAULT_TIMEOUT, type Duration } from './driver.js'
import { LaunchError } from './errors.js'
import { SharedNetwork } from './network/shared-network.js'
import { upstreamFunctions } from './network/upstream.js'
import { Vm, type VmSettings } from './vm.js'

/** A machine's options are the table's, `harness/options/machine-spec.ts`. */
export interface LaunchOptions extends Omit<MachineValues<MediumSource, DiskSource>, 'network'> {
  /** Further drives in QEMU's words, as in `file=disk.img,if=virtio` or `size=8G,if=ide,index=1`. */
  drives?: string | readonly string[]
  /** What the LAN serves; or the network() that this machine shares with others. */
  network?: MachineValues<MediumSource>['network'] | SharedNetwork
  /** A guest, its name or its path, or the path of an image, whose drive is found out from what is in it. */
  guest?: string | Guest
  /**
   * A snapshot file to go on from, in place of a guest: the machine is that one. `engine` may be another one, and
   * `floppy`, `cdrom`, `disks`, `kernel` and `initrd` say where its media are now.
   */
  snapshot?: string
  /** Guest time for one wait; default 5 minutes. */
  timeout?: Duration
  /** Host time for one call; default 10 minutes. */
  hostTimeout?: Duration
  /**
   * What the guest says when it cannot go on: `[/ASSERT/, 'not ok']`. A wait fails when one of these is said, on the
   * screen or a serial line, and nothing after it. The panics of known systems are always among them; false: none are.
   */
  failOn?: FailOn
  /**
   * Phases of long work by their names, each known by the screen's text, or a line of a log on a serial line; a first group is
   * how far it has come, in percent:
   * `{ 'base system': /Installing the base system[^]*?(\d+)%/ }`. Progress reports and failures tell them.
   */
  phases?: Phases
  /** What the machine tells as it runs, as QEMU's `-d`: `{ items: 'int,cpu_reset', file: 'out.log' }`; default nothing. */
  log?: string | LogWords
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
  'guest',
  'snapshot',
  ...MACHINE_ROWS.map(([name]) => name),
  ...(['drives', 'timeout', 'hostTimeout', 'failOn', 'phases', 'log'] as const),
  ...(['layout', 'needles', 'outputFolder', 'machineModule'] as const),
]

/**
 * Starts a machine, powered on and standing still until something is awaited of it.
 *
 * Rejects with a LaunchError, GuestError, NeedleError, MissingMediaError, SnapshotError, or a VmError of the name
 * MediaError, BootImageError, FirmwareMissingError or EngineUnavailableError; each has one sentence.
 */
export async function launch({ network, ...rest }: LaunchOptions): Promise<Vm> {
  if (network instanceof SharedNetwork) return launchOn(network, rest)
  const options = { ...rest, ...(network !== undefined && { network }) }
  const { machineModule, snapshot } = options
  if (snapshot !== undefined) return Vm.open(snapshot, vmSettings(options), await changes(options), machineModule)
  const guest = await guestOf(options.guest)
  const config = await machineConfig({ ...options, guest: guest ?? options.guest })
  const own = vmSettings(withWordsOf(guest, options))
  const functions = { ...own.functions, ...upstreamFunctions(config.network) }
  const settings = { ...own, functions, captures: capturesOf(config) }
  return Vm.start(settings, (events) => VmThread.start(config, { ...events, machineModule }))
}

async function launchOn(shared: SharedNetwork, options: LaunchOptions): Promise<Vm> {
  const place = shared.reserve()
  if (options.snapshot !== undefined)
    throw new LaunchError('a machine of a snapshot file cannot join a network; launch it anew on it')
  const guest = await guestOf(options.guest)
  const config = await machineConfig({ ...options, guest: guest ?? options.guest })
  const settings = { ...vmSettings(withWordsOf(guest, options)), captures: capturesOf(config) }
  const given = JSON.stringify([options.nic, guest?.machine?.nic]).toLowerCase()
  const nics = config.nics && macsOf(config.nics, place - 1, given)
  return shared.launch(place, { ...config, ...(nics && { nics }) }, settings, options.machineModule)
}

/** What `pcap=` of the cards says. */
export function capturesOf({ nics = [] }: MachineConfig): Captures {
  return Object.fromEntries(nics.flatMap(({ id, pcap }) => (pcap === undefined ? [] : [[id, pcap]])))
}

/** The options, and what the guest says by which it is told that it failed, and how far it is. */
export async function withGuest(options: LaunchOptions): Promise<LaunchOptions> {
  return withWordsOf(await guestOf(options.guest), options)
}

function withWordsOf(guest: Guest | undefined, options: LaunchOptions): LaunchOptions {
  const { failOn = guest?.failOn, phases = guest?.phases } = options
  return { ...options, failOn, phases }
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
    phases: toPhasePatterns(options.phases),
    outputFolder: options.outputFolder ?? join(tmpdir(), 'bootwright'),
    layout: layoutNamed(options.layout ?? 'us'),
    functions: options.network instanceof SharedNetwork ? {} : httpFunctions(options.network),
    needles: typeof options.needles === 'string' ? openNeedles(options.needles) : options.needles,
  }
}

/** The machine that the options describe, its media found. */
export async function machineConfig(options: LaunchOptions): Promise<MachineConfig> {
  const values = await machineValues(options)
  if (options.guest === undefined) inWords(() => checkKernel(values, values.kernel !== undefined, nameOf))
  const own: MachineConfig = options.guest === undefined ? {} : await guestConfig(options.guest)
  const config: MachineConfig = withPart({ engine: 'auto', ...own }, part(values))
  inWords(() => checkKernel(values, config.kernel !== undefined, nameOf))
  inWords(() => checkNetwork(config, nameOf))
  inWords(() => driveDevices(config))
  config.kernel &&= withModules(config.kernel)
  if (options.log !== undefined) config.log = readLog(options.log)
  const isFromNetwork = config.bootOrder?.includes('n') && config.nics?.length
  // UEFI firmware has a shell, and who names a BIOS may mean that alone.
  const nothing =
    !config.firmware?.uefi &&
    !config.firmware?.bios &&
    !config.floppies?.length &&
    !config.disks?.length &&
    !config.cdrom &&
    !config.kernel &&
    !isFromNetwork
  if (nothing)
    throw new LaunchError(
      "there is nothing to boot; give launch() a guest, a floppy, a cdrom, disks or a kernel, or boot: 'n' with a nic",
    )
  return config
}

/** What of a snapshot's machine is to be otherwise. */
async function changes(options: LaunchOptions): Promise<MachineConfig> {
  const { snapshot } = options
  if (options.guest !== undefined)
    throw new LaunchError(`guest is the snapshot's own, ${JSON.stringify(snapshot)}; leave it out`)
  const values = await machineValues(options)
  inWords(() => {
    checkSnapshotValues(values, JSON.stringify(snapshot), nameOf)
    checkKernel(values, values.kernel !== undefined, nameOf)
  })
  const log = options.log === undefined ? undefined : readLog(options.log)
  return { ...withPart({}, part(values)), ...(log && { log }) }
}

const nameOf = (name: MachineOptionName) => name

function inWords<T>(action: () => T): T {
  try {
    return action()
  } catch (error) {
    if (error instanceof OptionError) throw new LaunchError(error.message)
    throw error
  }
}

function part(values: FlagValues): MachinePart {
  return inWords(() => readOptions(values, nameOf))
}

/** The machine's options, their media found. */
async function machineValues(options: LaunchOptions): Promise<FlagValues> {
  for (const name of Object.keys(options)) {
    if ((OPTIONS as readonly string[]).includes(name)) continue
    const near = nearest(name, OPTIONS)
    throw new LaunchError(
      `launch() has no option '${name}'; ${near ? `did you mean '${near}'?` : `options are ${OPTIONS.join(', ')}`}`,
    )
  }
  const values: { [name: string]: unknown } = {}
  for (const [name, { schema }] of MACHINE_ROWS) {
    const value = options[name]
    if (value !== undefined) values[name] = schema === 'media' ? await media(name, value) : value
  }
  const drives = [options.drives ?? []].flat()
  if (drives.length === 0) return values as FlagValues
  const { floppy, cdrom, disks } = values as FlagValues
  const placed = inWords(() =>
    placeDrives(
      {
        ...(floppy && { floppy: [floppy].flat() as MediumConfig[] }),
        ...(cdrom && { cdrom }),
        ...(disks && { disks: [disks].flat() as DiskConfig[] }),
      },
      drives.map((text) => ({ ...parseDrive(text, 'drives'), text })),
      'drives',
    ),
  )
  return { ...values, ...placed } as FlagValues
}

/** Undefined where it is an image, or none. */
async function guestOf(guest: string | Guest | undefined): Promise<Guest | undefined> {
  if (typeof guest !== 'string') return guest
  const isImage = /\.(img|ima|iso|raw|bin|flp|vfd|dsk|hdd|qcow2?|vmdk|vdi|vhdx?)$/i.test(guest) && existsSync(guest)
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

/** The media of an option, which are found on the host where they are a guest's. */
async function media(name: string, sources: unknown): Promise<DiskConfig | DiskConfig[]> {
  const one = SOURCES[name as keyof typeof SOURCES] ?? Source
  const schema = name === 'cdrom' ? one : z.union([one, z.array(one)]).describe(one.description ?? A_MEDIUM)
  const wrong = misfit(schema, sources, name)
  if (wrong !== undefined) throw new LaunchError(wrong)
  const find = (source: unknown) =>
    name === 'disks' ? diskConfig(source as DiskSource, 'disks size') : mediumConfig(source as MediumSource)
  try {
    return Array.isArray(sources) ? await Promise.all(sources.map(find)) : await find(sources)
  } catch (error) {
    if (error instanceof OptionError) throw new LaunchError(error.message)
    throw error
  }
}

const A_MEDIUM = "a path, or as in { path: 'disk.img', write: true }"
const Image = z.strictObject({
  path: z.string(),
  write: z.boolean().optional(),
  readonly: z.boolean().optional(),
  format: IMAGE_FORMAT,
})
const GuestImage = z.looseObject({ kind: z.enum(['image', 'package', 'file', 'built']) })
const Source = z.union([z.string(), Image, GuestImage]).describe(A_MEDIUM)
const SOURCES = {
  cdrom: z.union([z.string(), Image.extend(CD_PLACE), GuestImage]).describe(A_MEDIUM),
  disks: z
    .union([
      z.string(),
      Image.extend(DISK_PLACE),
      z.strictObject({ size: DISK_SIZE, ...DISK_PLACE }),
      GuestImage.extend(DISK_PLACE),
    ])
    .describe("a path, or as in { path: 'disk.img', write: true } or { size: '8G', if: 'virtio' }"),
}
