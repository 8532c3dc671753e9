/** Snapshots in files: the machine's own part is `machine/state/snapshot-file.ts`, this adds its configuration and media. */
import { createHash } from 'node:crypto'
import { createReadStream, statSync } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import * as z from 'zod'
import type { State } from '../../machine/device.js'
import type { DeviceSpec } from '../../machine/devices/catalogue.js'
import { filesOfImage } from '../../machine/media/disk-format.js'
import { driveWords, REMOVABLE_DRIVES } from '../../machine/media/drive-id.js'
import { closeLayer } from '../../machine/state/memory-image.js'
import { SnapshotError } from '../../machine/state/snapshot-error.js'
import { readSnapshotFile, readSnapshotHeader, writeSnapshotFile } from '../../machine/state/snapshot-file.js'
import { closeMedia } from '../../machine/state/snapshot-media.js'
import type {
  DiskConfig,
  DriveMedia,
  FirmwareConfig,
  MachineConfig,
  NetworkConfig,
  ServedConfig,
} from '../config/machine-config.js'
import { optionRoms } from '../config/option-roms.js'
import { SavedConfig, SavedInputs, SavedMedia } from '../config/saved-config.js'
import { SavedHolder, SavedRunner } from '../config/saved-session.js'
import type { SnapshotParts } from '../protocol/snapshot-parts.js'

/** A file that the machine reads: a snapshot is good with the very same contents only. */
export interface InputFile {
  /** `disk 1`, `floppy A`, `kernel`. */
  what: string
  path: string
  size: number
  sha256: string
}

interface Extra {
  config: MachineConfig
  media: DriveMedia
  inputs: InputFile[]
  [key: string]: unknown
}

/**
 * Throws a SnapshotError where it cannot be written, and the host's error where its disk is full.
 * @param memory What the machine's holder knows of it (`vm/snapshots.ts`).
 */
export async function writeSnapshot(parts: SnapshotParts, file: string, memory?: State): Promise<void> {
  const config = absolute(parts.config)
  const media = absoluteMedia(parts.media)
  const extra: Extra = { config, media, inputs: await inputsOf(config, media) }
  await writeSnapshotFile(file, parts.state, extra, { runner: parts.runner, ...(memory && { memory }) })
}

/**
 * What the machine for this file has to be, after its media were found to be the same. `changes` may name them in other
 * places, or another engine. Throws a SnapshotError, or an error of Node's where a medium cannot be read.
 */
export async function snapshotConfig(file: string, changes: MachineConfig = {}) {
  try {
    const { extra } = await readSnapshotHeader(file, false)
    return await configOf(readExtra(extra, file), file, changes)
  } catch (error) {
    // Of a file that is damaged no word counts but that one.
    await readSnapshotHeader(file)
    throw error
  }
}

async function configOf(saved: Extra, file: string, changes: MachineConfig) {
  const config: MachineConfig = { ...saved.config, ...absolute(changes) }
  // No file says where a guest may go.
  config.nics &&= config.nics.map(({ user: _, ...nic }) => nic)
  if (saved.config.kernel && config.kernel) config.kernel = { ...saved.config.kernel, ...config.kernel }
  if (!changes.firmware && config.firmware && !isFirmwareHere(config.firmware))
    config.firmware = hostFirmware(config.firmware)
  // The machine is the same one without them.
  if (!changes.symbols) config.symbols = config.symbols?.filter(({ path }) => isFile(path))
  const media: DriveMedia = {
    floppy0: changes.floppies ? config.floppies?.[0] : saved.media.floppy0,
    floppy1: changes.floppies ? config.floppies?.[1] : saved.media.floppy1,
    cdrom: changes.cdrom ? config.cdrom : saved.media.cdrom,
  }
  checkInputs(saved.inputs, await inputsOf(config, media), `the snapshot ${JSON.stringify(file)}`)
  return { config, media }
}

/** What is in a file, for people. Throws a SnapshotError. */
export async function snapshotSummary(file: string) {
  const { shape, guestTimeNs, instructions, extra } = await readSnapshotHeader(file)
  const { engine, cpus, ram } = shape
  return { engine, cpus, memory: ram, guestTimeNs, instructions, inputs: readExtra(extra, file).inputs }
}

function readExtra(extra: unknown, file: string): Extra {
  const schema = z.object({ config: SavedConfig, media: SavedMedia, inputs: SavedInputs })
  return parsed(schema, extra, 'its header', file) as Extra
}

function parsed<T extends z.ZodType>(schema: T, data: unknown, part: string, file: string): z.output<T> {
  const read = schema.safeParse(data)
  if (read.success) return read.data
  const [{ path, message }] = read.error.issues
  throw new SnapshotError(
    `the snapshot ${JSON.stringify(file)} is damaged (${part} at ${path.join('.')}: ${message}); ` +
      'copy it again, or make a new one',
  )
}

/** The same kind of firmware, as this host has it. */
export function hostFirmware({ uefi, secureBoot }: FirmwareConfig): FirmwareConfig | undefined {
  return uefi ? { uefi, ...(secureBoot && { secureBoot }) } : undefined
}

/** Of a path that a file names: the host's own firmware does as well where it is not there. */
export function isFirmwareHere({ bios, vgaBios, variables }: FirmwareConfig): boolean {
  return [bios, vgaBios, variables].every((path) => path === undefined || isFile(path))
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile()
  } catch {
    return false
  }
}

/** Throws a SnapshotError. */
export async function readSnapshot(file: string, config: MachineConfig, media: DriveMedia) {
  const { machine, more } = await readSnapshotFile(file)
  try {
    const runner = parsed(SavedRunner, more.runner, 'the run', file) as State
    const memory = parsed(SavedHolder.nullish(), more.memory, 'the session', file) as State | undefined
    return { parts: { state: machine, runner, config, media } satisfies SnapshotParts, memory }
  } catch (error) {
    closeMedia(machine.media)
    for (const layer of machine.memory.layers) closeLayer(layer)
    throw error
  }
}

/** Throws a SnapshotError that names the first one that differs. */
export function checkInputs(saved: readonly InputFile[], here: readonly InputFile[], wanting: string): void {
  for (const { what, path, sha256 } of saved) {
    const found = here.find((input) => input.what === what)
    if (!found && /BIOS$/.test(what)) continue
    if (!found) throw new SnapshotError(`${wanting} needs its ${what}, ${JSON.stringify(path)}; name it`)
    if (found.sha256 !== sha256)
      throw new SnapshotError(
        `${JSON.stringify(found.path)} is not the ${what} that ${wanting} was made with: its contents differ; ` +
          'bring that one back, or name where it is',
      )
  }
  // Nobody vouches for a file that it names without a hash.
  const unknown = here.find(({ what }) => !saved.some((input) => input.what === what))
  if (unknown)
    throw new SnapshotError(
      `${wanting} was made without the ${unknown.what} ${JSON.stringify(unknown.path)}; leave it out, or make it again`,
    )
}

/** Every file that the machine reads, with its hash. */
export async function inputsOf(config: MachineConfig, media: DriveMedia): Promise<InputFile[]> {
  const files: [what: string, path: string | undefined][] = [
    ...REMOVABLE_DRIVES.map((drive): [string, string | undefined] => [driveWords(drive), media[drive]?.path]),
    ...(config.disks ?? []).flatMap(diskFiles),
    ['kernel', config.kernel?.path],
    ['initrd', config.kernel?.initrd],
    ...(config.kernel?.modules ?? []).map(({ path }, i): [string, string] => [`module ${i + 1}`, path]),
    ['BIOS', config.firmware?.bios],
    ['VGA BIOS', config.firmware?.vgaBios],
    ...optionRoms(config).map(({ name, path }): [string, string] => [`ROM ${name}`, path]),
  ]
  const inputs: InputFile[] = []
  for (const [what, path] of files) if (path !== undefined) inputs.push({ what, path, ...(await identify(path, what)) })
  for (const [what, path] of served(config)) inputs.push({ what, path, ...(await identifyServed(path, what)) })
  return inputs
}

/** An image by itself, and the files behind it. */
function diskFiles({ path, ...disk }: DiskConfig, i: number): [what: string, path: string | undefined][] {
  const what = driveWords(`disk${i}`)
  if (path === undefined) return []
  let behind: string[] = []
  try {
    behind = filesOfImage(path, 'format' in disk ? disk.format : undefined).slice(1)
  } catch {
    // Opening it says what is wrong.
  }
  return [[what, path], ...behind.map((file, n): [string, string] => [`${what}, file ${n + 2}`, file])]
}

/** What the LAN's servers and shared folders give of the host's: each a file or a folder. */
function served({ network, devices = [] }: MachineConfig): [what: string, path: string][] {
  const shared = devices.flatMap(({ type, options = {} }): [string, string][] =>
    type === 'virtio-9p-pci' ? [[`folder ${options.mount_tag}`.slice(0, LONGEST_NAME), String(options.path)]] : [],
  )
  const http = Object.entries(network?.http ?? {}).flatMap(([at, one]): [string, string][] =>
    'path' in one ? [[`HTTP ${at}`.slice(0, LONGEST_NAME), one.path]] : [],
  )
  return [
    ...shared,
    ...http,
    ...(network?.tftp === undefined ? [] : [['TFTP folder', network.tftp] as [string, string]]),
  ]
}

const LONGEST_NAME = 64
/** Of a folder. */
const MOST_FILES = 20_000

/** A folder by all that is in it, wherever it stands. */
async function identifyServed(path: string, what: string): Promise<{ size: number; sha256: string }> {
  const stats = await stat(path).catch(() => undefined)
  if (!stats?.isDirectory()) return identify(path, what)
  const names = (await readdir(path, { recursive: true })).sort()
  if (names.length > MOST_FILES)
    throw new SnapshotError(
      `the ${what} ${JSON.stringify(path)} has more than ${MOST_FILES} files, too many to keep a machine that was given them; serve a smaller folder`,
    )
  const hash = createHash('sha256')
  let size = 0
  for (const name of names) {
    const file = join(path, name)
    // What is no file, or leads nowhere, is not served either.
    if (!(await stat(file).catch(() => undefined))?.isFile()) continue
    const one = await identify(file, what)
    size += one.size
    hash.update(`${name}\n${one.sha256}\n`)
  }
  return { size, sha256: hash.digest('hex') }
}

const known = new Map<string, string>()

async function identify(path: string, what: string): Promise<{ size: number; sha256: string }> {
  try {
    const stats = await stat(path)
    // A pipe has no end, or nobody at its other one.
    if (!stats.isFile()) throw new Error('it is no regular file')
    const { size, mtimeMs, ino } = stats
    const key = `${path}\n${size}\n${mtimeMs}\n${ino}`
    const sha256 = known.get(key) ?? (await hashOf(path))
    known.set(key, sha256)
    return { size, sha256 }
  } catch (error) {
    throw new SnapshotError(
      `the ${what} ${JSON.stringify(path)} cannot be read: ${(error as Error).message}; name where it is`,
    )
  }
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer)
  return hash.digest('hex')
}

/** The directory may be another one when the file is read. */
export function absolute(config: MachineConfig): MachineConfig {
  const { floppies, cdrom, disks, devices, nics, kernel, firmware, network, symbols } = config
  return {
    ...config,
    ...(floppies && { floppies: floppies.map(absoluteMedium) }),
    ...(cdrom && { cdrom: absoluteMedium(cdrom) }),
    ...(disks && { disks: disks.map(absoluteMedium) }),
    ...(devices && { devices: devices.map(absoluteDevice) }),
    ...(nics && { nics: nics.map(absoluteRom) }),
    ...(kernel && {
      kernel: {
        ...kernel,
        path: resolve(kernel.path),
        ...(kernel.initrd && { initrd: resolve(kernel.initrd) }),
        ...(kernel.modules && { modules: kernel.modules.map((one) => ({ ...one, path: resolve(one.path) })) }),
      },
    }),
    ...(network && { network: absoluteNetwork(network) }),
    ...(symbols && { symbols: symbols.map((one) => ({ ...one, path: resolve(one.path) })) }),
    ...(firmware && {
      firmware: {
        ...(firmware.bios !== undefined && { bios: resolve(firmware.bios) }),
        ...(firmware.vgaBios !== undefined && { vgaBios: resolve(firmware.vgaBios) }),
        ...(firmware.variables !== undefined && { variables: resolve(firmware.variables) }),
        ...(firmware.uefi && { uefi: true }),
        ...(firmware.secureBoot && { secureBoot: true }),
      },
    }),
  }
}

/** A boot ROM that is a file of the user's, and not one of a package. */
function absoluteRom<T extends Pick<DeviceSpec, 'options'>>(device: T): T {
  const { romfile } = device.options ?? {}
  if (typeof romfile !== 'string' || romfile === '' || !(romfile.includes('/') || isFile(romfile))) return device
  return { ...device, options: { ...device.options, romfile: resolve(romfile) } }
}

/** A folder that a guest shares is named as seen from here. */
function absoluteDevice(device: DeviceSpec): DeviceSpec {
  if (device.type !== 'virtio-9p-pci') return absoluteRom(device)
  return { ...device, options: { ...device.options, path: resolve(String(device.options?.path)) } }
}

function absoluteNetwork({ http, tftp, ...rest }: NetworkConfig): NetworkConfig {
  const whole = (one: ServedConfig): ServedConfig => ('path' in one ? { path: resolve(one.path) } : one)
  return {
    ...rest,
    ...(http && { http: Object.fromEntries(Object.entries(http).map(([path, one]) => [path, whole(one)])) }),
    ...(tftp !== undefined && { tftp: resolve(tftp) }),
  }
}

function absoluteMedia(media: DriveMedia): DriveMedia {
  return Object.fromEntries(Object.entries(media).map(([drive, one]) => [drive, one && absoluteMedium(one)]))
}

function absoluteMedium<M extends { path?: string }>(medium: M): M {
  return medium.path === undefined ? medium : { ...medium, path: resolve(medium.path) }
}
