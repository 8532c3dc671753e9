/**
 * QEMU's `-drive`: an image, or an empty disk, and the drive that it is in: `file=disk.img,if=virtio,readonly=on`,
 * `size=8G,if=ide,index=1`.
 */
import * as z from 'zod'
import { parseByteSize } from '../units/memory-size.js'
import { nearest } from '../words/nearest.js'
import { commaParts } from './device-words.js'
import {
  CDROM_PLACE,
  type CdConfig,
  DISK_BUSES,
  type DiskConfig,
  IDE_PLACES,
  IMAGE_FORMATS,
  type ImageFormat,
  type MediumConfig,
} from './media-config.js'
import { OptionError } from './option-error.js'

const BUSES = [...DISK_BUSES, 'floppy'] as const
type Bus = (typeof BUSES)[number]

export interface DriveWords {
  kind: 'floppy' | 'cdrom' | 'disk'
  /** undefined: an empty disk. */
  path: string | undefined
  size: number | undefined
  bus: Bus
  /** Place on the bus: of floppies A: and B:, of IDE primary master and slave, secondary master and slave. */
  index: number | undefined
  id: string | undefined
  /** What the guest writes to it goes not to the image, whatever `--write` says. */
  isKept: boolean
  /** And the guest finds it write-protected; ATA has no such disks. */
  readonly: boolean
  format: ImageFormat | undefined
  serial: string | undefined
}

/** Of QEMU's, those that a guest sees something of, and those that are the host's own matter. */
const PARTS = ['file', 'if', 'index', 'bus', 'unit', 'media', 'readonly', 'snapshot', 'format', 'id', 'size', 'serial']
/** Which QEMU takes without a value, too. */
const SWITCHES = ['readonly', 'snapshot']
const HOST_ONLY: { readonly [name: string]: readonly string[] } = {
  cache: ['none', 'writeback', 'writethrough', 'directsync', 'unsafe'],
  aio: ['threads', 'native', 'io_uring'],
  discard: ['ignore', 'off', 'unmap', 'on'],
  'detect-zeroes': ['off', 'on', 'unmap'],
  werror: ['ignore', 'stop', 'report', 'enospc'],
  rerror: ['ignore', 'stop', 'report'],
}

const MOST_INDEX: { readonly [bus in Bus]: number } = {
  ide: IDE_PLACES - 1,
  floppy: 1,
  virtio: 31,
  scsi: 31,
  ahci: 5,
  none: 31,
}

/** An index is so many times the bus, and the unit. */
const UNITS: { readonly [bus in Bus]: number } = { ide: 2, floppy: 2, ahci: 1, virtio: 32, scsi: 32, none: 32 }

/** @throws OptionError */
export function parseDrive(text: string, where: string): DriveWords {
  const wrong = (what: string) => new OptionError(`${where} ${text}${what}`)
  const given = new Map<string, string>()
  for (const part of commaParts(text)) {
    const [name, value = SWITCHES.includes(part) ? 'on' : undefined] = part.split(/=(.*)/s, 2)
    if (value === undefined) throw wrong(`: '${part}' has no value; the image is file=PATH`)
    if (!PARTS.includes(name) && !HOST_ONLY[name]) {
      const near = nearest(name, PARTS)
      throw wrong(`: there is no '${name}'; ${near ? `did you mean '${near}'?` : `it takes ${PARTS.join(', ')}`}`)
    }
    if (given.has(name)) throw wrong(` has ${name} twice`)
    given.set(name, value)
  }
  const choice = <C extends string>(name: string, choices: readonly C[], words: string): C | undefined => {
    const value = given.get(name)
    if (value === undefined) return undefined
    const found = choices.find((one) => one === value)
    if (found === undefined) throw wrong(`: ${words}, not ${value}`)
    return found
  }
  const [path, sizeText, id] = [given.get('file'), given.get('size'), given.get('id')]
  if (!path && sizeText === undefined) throw wrong(' names no image; add file=PATH, or size=8G for an empty disk')
  if (path && sizeText !== undefined) throw wrong(': an image has its own size; leave out size=, or file=')
  const bus = choice('if', BUSES, `drives here are ${oneOf(BUSES)}`) ?? 'ide'
  const media = choice('media', ['disk', 'cdrom'], 'media is disk or cdrom') ?? 'disk'
  const readonly = choice('readonly', ['on', 'off'], 'readonly is on or off') === 'on'
  const snapshot = choice('snapshot', ['on', 'off'], 'snapshot is on or off') === 'on'
  for (const [name, values] of Object.entries(HOST_ONLY)) choice(name, values, `${name} is ${oneOf(values)}`)
  const format = choice('format', IMAGE_FORMATS, `image formats here are ${oneOf(IMAGE_FORMATS)}`)
  const kind = bus === 'floppy' ? 'floppy' : media
  if (kind === 'cdrom' && bus !== 'ide') throw wrong(': the CD drive here is an IDE one; leave out if=')
  if (kind !== 'disk' && sizeText !== undefined) throw wrong(': only a disk can be empty; give a file=')
  if (bus === 'none' && id === undefined) throw wrong(': a device finds it by its id; add id=NAME')
  const place = (name: string, most: number): number | undefined => {
    const written = given.get(name)
    if (written === undefined) return undefined
    if (/^\d{1,2}$/.test(written) && Number(written) <= most) return Number(written)
    throw wrong(`: ${name} is 0 to ${most} on ${bus}, not ${written}`)
  }
  const most = MOST_INDEX[bus]
  const index = place('index', most)
  const [onBus, unit] = [place('bus', Math.floor(most / UNITS[bus])), place('unit', UNITS[bus] - 1)]
  const isByUnit = onBus !== undefined || unit !== undefined
  if (index !== undefined && isByUnit) throw wrong(': index says what bus and unit say; leave out one of them')
  return {
    ...{ kind, path: path || undefined, bus, id, format, serial: given.get('serial') },
    isKept: readonly || snapshot,
    readonly: readonly && bus !== 'ide' && bus !== 'ahci',
    size: sizeText === undefined ? undefined : readDiskSize(sizeText, `${where} size`),
    index: isByUnit ? (onBus ?? 0) * UNITS[bus] + (unit ?? 0) : index,
  }
}

function oneOf(words: readonly string[]): string {
  return words.length === 1 ? words[0] : `${words.slice(0, -1).join(', ')} or ${words[words.length - 1]}`
}

const SECTOR = 512
export const LARGEST_DISK = 2 * 2 ** 40

/** Bytes of an empty disk. Throws an OptionError. */
export function readDiskSize(size: string | number, where: string): number {
  let bytes: number
  try {
    bytes = parseByteSize(size, where)
  } catch (error) {
    throw new OptionError((error as Error).message)
  }
  if (bytes < SECTOR || bytes > LARGEST_DISK || bytes % SECTOR !== 0)
    throw new OptionError(`${where} ${size} is no size of a disk; give whole sectors of 512 bytes, 2T at most`)
  return bytes
}

/** A disk as `launch()` and guests take it, beside its image. */
export const DISK_PLACE = {
  if: z.enum(DISK_BUSES).optional().describe(oneOf(DISK_BUSES)),
  id: z.string().max(64).optional().describe('a name'),
  index: z.int().min(0).max(31).optional().describe('a place on IDE, 0 to 3, AHCI, 0 to 5, or SCSI, 0 to 31'),
  serial: z.string().max(20).optional().describe('a serial number of up to 20 characters'),
}
export const CD_PLACE = { index: DISK_PLACE.index }
export const IMAGE_FORMAT = z.enum(IMAGE_FORMATS).optional().describe(oneOf(IMAGE_FORMATS))
export const DISK_SIZE = z.union([z.string(), z.number()]).describe("a size, as in '8G'")

export type Typed<M> = M & { isKept?: true }
interface Placed {
  floppy?: Typed<MediumConfig>[]
  cdrom?: CdConfig
  disks?: Typed<DiskConfig>[]
}

/**
 * The drives with those that were given by options of their own.
 * @throws OptionError
 */
export function placeDrives(given: Placed, drives: readonly (DriveWords & { text: string })[], where: string): Placed {
  const of = (kind: DriveWords['kind']) => drives.filter((drive) => drive.kind === kind)
  const floppies = placeFloppies(given.floppy ?? [], of('floppy'), where)
  const cds = of('cdrom')
  const cdrom = given.cdrom ?? (cds[0] && cd(cds[0]))
  const second = given.cdrom ? cds[0] : cds[1]
  if (second) throw new OptionError(`${where} ${second.text}: there is one CD drive, and another image is in it`)
  const disks = [...(given.disks ?? []), ...inPlaces(of('disk')).map(disk)]
  return {
    ...(floppies.length > 0 && { floppy: floppies }),
    ...(cdrom && { cdrom }),
    ...(disks.length > 0 && { disks }),
  }
}

/** Disks count as their places do, where they have some. */
function inPlaces<D extends DriveWords>(disks: readonly D[]): D[] {
  const last = IDE_PLACES * 8
  return [...disks].sort((a, b) => (a.bus === b.bus ? (a.index ?? last) - (b.index ?? last) : 0))
}

function medium({ path, isKept, readonly, format }: DriveWords): Typed<MediumConfig> {
  return {
    path: path as string,
    ...(format && { format }),
    ...(readonly && { readonly }),
    ...(isKept && { isKept: true as const }),
  }
}

function cd({ path, index }: DriveWords): CdConfig {
  return { path: path as string, ...(index !== undefined && index !== CDROM_PLACE && { index }) }
}

function disk(words: DriveWords): Typed<DiskConfig> {
  const { size, bus, id, index, serial } = words
  return {
    ...(size === undefined ? medium(words) : { size }),
    ...(bus !== 'ide' && bus !== 'floppy' && { if: bus }),
    ...(id !== undefined && { id }),
    ...((bus === 'ide' || bus === 'ahci' || bus === 'scsi') && index !== undefined && { index }),
    ...(serial !== undefined && { serial }),
  }
}

function placeFloppies(
  first: readonly Typed<MediumConfig>[],
  drives: readonly (DriveWords & { text: string })[],
  where: string,
): Typed<MediumConfig>[] {
  const media: (Typed<MediumConfig> | undefined)[] = [...first]
  for (const drive of drives) {
    const free = [0, 1].findIndex((i) => media[i] === undefined)
    const at = drive.index ?? free
    if (at < 0) throw new OptionError(`${where} ${drive.text}: there is room for 2 floppies, and they are there`)
    if (media[at]) throw new OptionError(`${where} ${drive.text}: there is another floppy at index ${at}`)
    media[at] = medium(drive)
  }
  if (media.length > 0 && !media[0])
    throw new OptionError(`${where}: there is a floppy at index 1 and none at 0; fill the places in order`)
  return media as Typed<MediumConfig>[]
}
