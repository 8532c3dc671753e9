/** A machine as plain data, with its media by path, and how to make it of that. */
import { readFileSync, statSync } from 'node:fs'
import { basename } from 'node:path'
import type { DeviceSpec } from '../../machine/devices/catalogue.js'
import { findFirmware, findUefi } from '../../machine/firmware/find-firmware.js'
import { DEFAULT_EPOCH, type Machine, type MachineOptions } from '../../machine/machine.js'
import { BlankMedium } from '../../machine/media/blank.js'
import type { BlockDevice } from '../../machine/media/block-device.js'
import { copyDisk, type WrittenFormat } from '../../machine/media/copy-disk.js'
import { REMOVABLE_DRIVES, type RemovableDrive } from '../../machine/media/drive-id.js'
import { MediaError, type MediumKind, mediaError, openMedium } from '../../machine/media/open-medium.js'
import { Overlay } from '../../machine/media/overlay.js'
import { openSharedFolder } from '../../machine/media/shared-folder.js'
import type { HttpSource, NetworkContents } from '../../machine/network/contents.js'
import { addressText, ipv4 } from '../../machine/network/lan/addresses.js'
import type { NicSpec } from '../../machine/network/machine-network.js'
import type { TrunkOptions } from '../../machine/network/trunk.js'
import type { CdConfig, DiskConfig, MediumConfig } from '../options/media-config.js'
import { type BitmapFont, romFonts } from '../picture/bitmap-font.js'
import { CaptureFile, type Captures } from './capture-file.js'
import { driveDevices } from './drive-devices.js'
import { engineFor, type LogConfig, LogFile } from './log-file.js'
import { romPath } from './option-roms.js'
import { servedFiles } from './served-files.js'
import { openCovered, openSymbols, type SymbolsConfig } from './symbol-files.js'
import { upstreamFiles } from './upstream-cache.js'
import { type UserNetConfig, wayOut } from './way-out.js'

export type { DiskConfig, MediumConfig } from '../options/media-config.js'

export interface KernelConfig {
  path: string
  /** Linux's. */
  initrd?: string
  /** A Multiboot kernel's. */
  modules?: ModuleConfig[]
  append?: string
}

export interface ModuleConfig {
  path: string
  /** Follows the file's name in the module's string. */
  append?: string
}

export interface NicConfig extends NicSpec {
  /** A file that all its frames are written to. */
  pcap?: string
  /** Of `net=user`: where its guest may go. Without it there is no way out. */
  user?: UserNetConfig
}

/** What stands at a path of the LAN's HTTP server: a file or a folder of the host's, a text, a function by its source, or the address of another server. */
export type ServedConfig = { path: string } | { text: string } | { function: string } | { upstream: string }

export interface NetworkConfig {
  /** A path at which a folder stands, or that ends in `/`, stands for all below it. */
  http?: { readonly [path: string]: ServedConfig }
  /** The folder of TFTP's files. */
  tftp?: string
  bootFiles?: { bios?: string; efi?: string }
  /** Nothing is fetched from upstreams; what they have given before is served. */
  offline?: boolean
}

export interface FirmwareConfig {
  bios?: string
  vgaBios?: string
  /** The host's OVMF in place of SeaBIOS. */
  uefi?: boolean
  /** The one of them that starts only what is signed. */
  secureBoot?: boolean
  /** UEFI's variables at power-on. */
  variables?: string
}

export interface MachineConfig {
  /** Default `auto`. */
  engine?: 'auto' | 'kvm' | 'soft'
  /** The soft engine's CPU, as `--cpu` takes it; default `max`. */
  cpu?: string
  /** How many CPUs; default 1. */
  cpus?: number
  /** RAM in bytes; default 128 MiB, as QEMU has it. */
  memory?: number
  /** A: and B:. */
  floppies?: MediumConfig[]
  cdrom?: CdConfig
  disks?: DiskConfig[]
  /** Letters of a, c, d, n. */
  bootOrder?: string
  /** The firmware's boot menu is offered, for so many milliseconds of guest time. */
  bootMenu?: { waitMs?: number }
  /** false: the firmware starts a floppy also where its first sector does not end in 55AAh. */
  floppyCheck?: boolean
  /** Most bytes that the guest may change on each medium that is not written in place; default as much as there is room for. */
  overlayLimit?: number
  kernel?: KernelConfig
  /** Paths; default what `findFirmware` finds. */
  firmware?: FirmwareConfig
  /** The display adapter's type, or `none`; default `VGA`. */
  vga?: string
  /** Devices that are plugged in beside those of every PC. */
  devices?: DeviceSpec[]
  nics?: NicConfig[]
  /** What the LAN of the cards serves. */
  network?: NetworkConfig
  /** It shares its network with other machines, which is where what is served is, too. */
  trunk?: TrunkOptions
  /** RTC at power-on, seconds since 1970 UTC. */
  epoch?: number
  /** Names for addresses in what is told of the guest. */
  symbols?: SymbolsConfig[]
  /** Programs of which it is kept what the guest executes; names come from them as well. */
  coverage?: SymbolsConfig[]
  /** What is told as it runs, and where. */
  log?: LogConfig
  /** A file that all input is recorded in, to be replayed (`replay.ts`). Soft engine only. */
  record?: string
}

export type DriveMedia = { readonly [drive in RemovableDrive]?: MediumConfig }

export const DEFAULT_MEMORY = 128 << 20

type Callbacks = Pick<MachineOptions, 'onSerial' | 'onDebug' | 'onParallel' | 'onRequest' | 'onTrunk' | 'onOutside'> & {
  /** Answers in the place of a function of the test's. */
  ask?: NetworkContents['ask']
}

export interface OpenedMachine {
  machine: Machine
  /** What is in the drives now. */
  readonly media: DriveMedia
  /** Puts a medium into a drive, or takes out what is in it. Throws a MediaError. */
  insert(drive: RemovableDrive, medium?: MediumConfig): void
  /** Writes what a disk holds now, changes and all, to a new image. Throws a MediaError. */
  saveDisk(disk: string, path: string, format: WrittenFormat): void
  /** Pulls a card's cable out or plugs it in; without a name the first card's. Throws a MediaError where there is none. */
  setLink(up: boolean, nic?: string): void
  /** From now on these files get all frames. Throws a MediaError or a CaptureError. */
  capture(files: Captures): void
  /** Captures have what was until now, whatever time comes next. */
  settleCaptures(): void
  /** What failed on the host's side when the guest read or wrote, which was told of an error: a sentence each. */
  mediaFailures(): string[]
  /** The log's lines are in its file. */
  flushLog(): void
  /** Closes the machine and its media. */
  close(): void
}

/**
 * Opens the media and makes the machine. Throws a MediaError, a BootImageError, a FirmwareMissingError or an
 * EngineUnavailableError; what had been opened is closed then.
 *
 * @param create `createMachine`, or what stands in for it in tests.
 */
export function openMachine(
  config: MachineConfig,
  { ask, ...callbacks }: Callbacks,
  create: (options: MachineOptions) => Machine,
): OpenedMachine {
  const opened: { device: BlockDevice; name: string }[] = []
  const open = (medium: MediumConfig, as: MediumKind): BlockDevice => {
    const { device } = openMedium(medium.path, {
      ...{ as, write: medium.write, readonly: medium.readonly, format: medium.format },
      overlayLimit: config.overlayLimit,
    })
    opened.push({ device, name: JSON.stringify(medium.path) })
    return device
  }
  const openDisk = (disk: DiskConfig, i: number): BlockDevice => {
    if (disk.path !== undefined) return open(disk, 'disk')
    const device = new Overlay(new BlankMedium(disk.size), { limit: config.overlayLimit })
    opened.push({ device, name: `the empty disk '${disk.id ?? `disk${i}`}'` })
    return device
  }
  const captures = new Map<string, CaptureFile>()
  let logFile: LogFile | undefined
  const close = () => {
    logFile?.close()
    for (const { device } of opened) device.close()
    for (const capture of captures.values()) capture.close()
  }
  try {
    const {
      floppies = [],
      cdrom,
      disks = [],
      kernel,
      firmware,
      network,
      symbols = [],
      coverage = [],
      log,
      record: _,
      overlayLimit: __,
      ...plain
    } = config
    const capture = (nic: string, path: string) =>
      captures.set(nic, CaptureFile.open(path, config.epoch ?? DEFAULT_EPOCH))
    for (const { id, pcap } of config.nics ?? []) if (pcap !== undefined) capture(id, pcap)
    const diskDevices = disks.map(openDisk)
    logFile = LogFile.open(log)
    const kept = logFile
    const image = kernel && readKernel(kernel)
    const way = waysOutOf(config)
    const machine = create({
      engine: 'auto',
      memory: DEFAULT_MEMORY,
      ...defined(plain),
      ...(log && { engine: engineFor(log, plain.engine) }),
      log: kept.log,
      devices: driveDevices(config),
      backend: (kind, name) => (kind === 'folder' ? openSharedFolder(name) : undefined),
      floppies: floppies.map((floppy) => open(floppy, 'floppy')),
      cdrom: cdrom && open(cdrom, 'cdrom'),
      disks: diskDevices,
      kernel: image,
      symbols: [
        ...openCovered(coverage),
        ...openSymbols(symbols, kernel && image && { path: kernel.path, image: image.image }),
      ],
      ...(coverage.length > 0 && { coverage: true }),
      firmware: readFirmware(firmware),
      ...((network || way) && { network: { ...networkContents(network ?? {}), ask, ...way } }),
      ...callbacks,
      onFrame: (nic, frame, time, now) => captures.get(nic)?.add(frame, time, now),
    })
    let media = driveMedia(config)
    return {
      machine,
      get media() {
        return media
      },
      insert(drive, medium) {
        const device = medium && open(medium, drive === 'cdrom' ? 'cdrom' : 'floppy')
        machine.insert(drive, device)
        media = { ...media, [drive]: medium }
      },
      saveDisk(disk, path, format) {
        const at = disks.findIndex(({ id }, i) => disk === `disk${i}` || disk === id)
        if (at < 0)
          throw new MediaError(
            disks.length === 0
              ? 'the machine has no disk'
              : `there is no disk '${disk}'; there are ${disks.map(({ id }, i) => id ?? `disk${i}`).join(', ')}`,
          )
        try {
          copyDisk(diskDevices[at], path, format)
        } catch (error) {
          throw mediaError(error, `image ${JSON.stringify(path)}`, true)
        }
      },
      setLink(up, nic) {
        const ids = (config.nics ?? []).map(({ id }) => id)
        const id = nic ?? ids[0]
        if (id === undefined) throw new MediaError('the machine has no network card; add one by nic')
        if (!ids.includes(id)) throw new MediaError(`there is no network card '${id}'; there are ${ids.join(', ')}`)
        machine.input({ kind: 'link', nic: id, up })
      },
      capture(files) {
        for (const [nic, path] of Object.entries(files)) capture(nic, path)
      },
      settleCaptures() {
        for (const one of captures.values()) one.settle()
      },
      mediaFailures() {
        const media = opened.map(({ device, name }) => ({ failure: device.failure, name }))
        const files = [...captures.values()].map(({ path, failure }) => ({ failure, name: JSON.stringify(path) }))
        const logs = kept.path === undefined ? [] : [{ failure: kept.failure, name: JSON.stringify(kept.path) }]
        return [...media, ...files, ...logs].flatMap(({ name, failure }) => (failure ? [`${name}: ${failure}`] : []))
      },
      flushLog: () => kept.flush(),
      close() {
        machine.close()
        close()
      },
    }
  } catch (error) {
    close()
    throw error
  }
}

/** undefined: there is none, and nothing leads to servers outside. */
function waysOutOf({ nics = [] }: MachineConfig): Pick<NetworkContents, 'wayOut' | 'guestForwards'> | undefined {
  const nets = nics.flatMap(({ user }) => user ?? [])
  const mayReach = wayOut(nets)
  const servers = nets.flatMap(({ guestForwards = [] }) => guestForwards)
  if (!mayReach && servers.length === 0) return undefined
  return {
    ...(mayReach && { wayOut: (protocol, address, port) => mayReach(protocol, addressText(address), port) }),
    guestForwards: servers.map(({ address, port }) => ({ address: ipv4(address), port })),
  }
}

/** What is in the drives when the machine starts. */
export function driveMedia({ floppies, cdrom }: MachineConfig): DriveMedia {
  return { floppy0: floppies?.[0], floppy1: floppies?.[1], cdrom }
}

/** Brings the drives of a running machine to these media; what is in them already stays. */
export function changeMedia(opened: OpenedMachine, wanted: DriveMedia): void {
  for (const drive of REMOVABLE_DRIVES) {
    const [here, there] = [opened.media[drive], wanted[drive]]
    if (here?.path !== there?.path || !here?.write !== !there?.write) opened.insert(drive, there)
  }
}

function readKernel(kernel: KernelConfig): MachineOptions['kernel'] {
  return {
    image: readBootFile(kernel.path, 'kernel'),
    name: basename(kernel.path),
    initrd: kernel.initrd === undefined ? undefined : readBootFile(kernel.initrd, 'initrd'),
    modules: kernel.modules?.map(({ path, append }) => ({
      data: readBootFile(path, 'module'),
      commandLine: append === undefined ? basename(path) : `${basename(path)} ${append}`,
    })),
    append: kernel.append,
  }
}

/** Throws a MediaError where a file or a folder is not there. */
export function networkContents({ http = {}, tftp, bootFiles }: NetworkConfig): NetworkContents {
  const sources = Object.entries(http).map(([path, served]): [string, HttpSource] => {
    if ('text' in served) return [path, { kind: 'bytes', body: Buffer.from(served.text) }]
    if ('function' in served) return [path, { kind: 'function', name: path }]
    if ('upstream' in served) {
      const below = path.endsWith('/') ? path : `${path}/`
      return [below, { kind: 'upstream', name: path, tree: upstreamFiles(served.upstream) }]
    }
    const tree = servedFiles(served.path, `--http ${path}`)
    // A folder at `/debian` is all that is below `/debian/`.
    return [tree.open('') === 'folder' && !path.endsWith('/') ? `${path}/` : path, { kind: 'files', tree }]
  })
  return {
    http: Object.fromEntries(sources),
    ...(tftp !== undefined && { tftp: servedFiles(tftp, '--tftp') }),
    ...(bootFiles && { bootFiles }),
  }
}

type BootFile = 'kernel' | 'initrd' | 'module' | 'BIOS' | 'boot ROM'

function readBootFile(path: string, as: BootFile): Uint8Array {
  checkBootFile(path, as)
  try {
    return readFileSync(path)
  } catch (error) {
    throw mediaError(error, `${as} ${JSON.stringify(path)}`, false)
  }
}

/** A kernel and its initrd must fit a machine of 3 GiB. */
const LARGEST_BOOT_FILE = 2 ** 31

/** Throws a MediaError unless the file could be a kernel, an initrd or a module by its type and size. */
export function checkBootFile(path: string, as: BootFile): void {
  const what = `${as} ${JSON.stringify(path)}`
  let stats: ReturnType<typeof statSync>
  try {
    stats = statSync(path)
  } catch (error) {
    throw mediaError(error, what, false)
  }
  if (stats.isDirectory()) throw new MediaError(`${what} is a directory; name the file in it`)
  if (!stats.isFile()) throw new MediaError(`${what} is not a regular file; save it to one first`)
  if (stats.size === 0) throw new MediaError(`${what} is empty; was it copied or downloaded completely?`)
  if (stats.size > LARGEST_BOOT_FILE) throw new MediaError(`${what} is larger than 2 GiB and would fit no machine here`)
}

/** SeaBIOS is one of them: whole 64 KiB, up to what fits below 4 GiB and above the PCI window's end. */
const BIOS_UNIT = 64 << 10
const LARGEST_BIOS = 16 << 20

/** Throws a MediaError unless the file could be a BIOS image by its size. */
export function checkBios(path: string): void {
  checkBootFile(path, 'BIOS')
  const { size } = statSync(path)
  if (size % BIOS_UNIT !== 0 || size > LARGEST_BIOS)
    throw new MediaError(
      `BIOS ${JSON.stringify(path)} has ${size} bytes; a BIOS image is whole 64 KiB, up to 16 MiB, as QEMU takes it`,
    )
}

function readFirmware(paths: FirmwareConfig | undefined): MachineOptions['firmware'] {
  if (paths?.bios !== undefined && !paths.uefi) checkBios(paths.bios)
  const { bios, vgaBios, variables } = firmwarePaths(paths)
  return {
    bios: readFileSync(bios),
    vgaBios: readFileSync(vgaBios),
    ...(variables !== undefined && { variables: readFileSync(variables) }),
    file: readRom,
  }
}

function readRom(name: string): Uint8Array | undefined {
  const path = romPath(name)
  return path === undefined ? undefined : readBootFile(path, 'boot ROM')
}

/** The fonts that the machine's VGA BIOS has. */
export function machineFonts(config: MachineConfig): BitmapFont[] {
  return romFonts(readFileSync(firmwarePaths(config.firmware).vgaBios))
}

/** Where a machine's firmware is: as it was named, or the host's. Throws a FirmwareMissingError. */
export function firmwarePaths({ bios, vgaBios, uefi, secureBoot, variables }: FirmwareConfig = {}): FirmwareConfig & {
  bios: string
  vgaBios: string
} {
  if (uefi) {
    const found = bios !== undefined && variables !== undefined ? { code: bios, variables } : findUefi(secureBoot)
    return {
      ...{ uefi, secureBoot, bios: found.code, variables: found.variables },
      vgaBios: vgaBios ?? findFirmware().vgaBios.path,
    }
  }
  if (bios !== undefined && vgaBios !== undefined) return { bios, vgaBios }
  const found = findFirmware()
  return { bios: bios ?? found.bios.path, vgaBios: vgaBios ?? found.vgaBios.path }
}

/** What a fork of it is made of: it writes no file that this one writes, and takes no port of the host's. */
export function forkConfig({ record: _, log: __, nics, ...config }: MachineConfig): MachineConfig {
  return { ...config, ...(nics && { nics: nics.map(forkNic) }) }
}

function forkNic({ pcap: _, user, ...nic }: NicConfig): NicConfig {
  if (!user) return nic
  const { forwards: __, ...rest } = user
  return { ...nic, user: rest }
}

/** Without what is undefined, in whose place a default stands. */
function defined<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T
}
