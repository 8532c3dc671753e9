/** QEMU's `-drive`: an image and the drive that it is in, `file=disk.img,if=ide,index=1,media=disk,readonly=on,format=raw`. */
import type { MediumConfig } from '../config/machine-config.js'
import { nearest } from '../words/nearest.js'
import { commaParts } from './device-words.js'
import { OptionError } from './option-error.js'

export interface DriveWords {
  kind: 'floppy' | 'cdrom' | 'disk'
  path: string
  /** Place on the bus: of floppies A: and B:, of IDE primary master and slave, secondary master and slave. */
  index: number | undefined
  /** Not written, whatever `--write` says. */
  readonly: boolean
}

/** Of QEMU's, those that a guest sees something of, and those that are the host's own matter. */
const PARTS = ['file', 'if', 'index', 'media', 'readonly', 'format', 'id']
const HOST_ONLY = ['cache', 'aio', 'discard', 'detect-zeroes', 'snapshot', 'werror', 'rerror', 'bus', 'unit']

/** IDE places of disks in their order; the CD drive is secondary master. */
export const DISK_PLACES: readonly number[] = [0, 1, 3]
export const CDROM_PLACE = 2

/** @throws OptionError */
export function parseDrive(text: string, where: string): DriveWords {
  const wrong = (what: string) => new OptionError(`${where} ${text}${what}`)
  const given = new Map<string, string>()
  for (const part of commaParts(text)) {
    const [name, value] = part.split(/=(.*)/s, 2)
    if (value === undefined) throw wrong(`: '${part}' has no value; the image is file=PATH`)
    if (!PARTS.includes(name) && !HOST_ONLY.includes(name)) {
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
  const path = given.get('file')
  if (!path) throw wrong(' names no image; add file=PATH')
  if (![undefined, 'raw'].includes(given.get('format'))) throw wrong(': images are raw here; convert it with qemu-img')
  const bus = choice('if', ['ide', 'floppy'], 'drives here are ide or floppy') ?? 'ide'
  const media = choice('media', ['disk', 'cdrom'], 'media is disk or cdrom') ?? 'disk'
  const readonly = choice('readonly', ['on', 'off'], 'readonly is on or off') === 'on'
  const kind = bus === 'floppy' ? 'floppy' : media
  const most = kind === 'floppy' ? 1 : 3
  const written = given.get('index')
  if (written !== undefined && !(/^\d$/.test(written) && Number(written) <= most))
    throw wrong(`: index is 0 to ${most} on ${bus}, not ${written}`)
  const index = written === undefined ? undefined : Number(written)
  if (kind === 'cdrom' && index !== undefined && index !== CDROM_PLACE)
    throw wrong(`: the CD drive is secondary master here; write index=${CDROM_PLACE}, or leave it out`)
  if (kind === 'disk' && index === CDROM_PLACE)
    throw wrong(': secondary master is the CD drive here; give index 0, 1 or 3, or leave it out')
  return { kind, path, index, readonly }
}

export interface DriveMedium extends MediumConfig {
  readonly?: true
}
interface Placed {
  floppy?: DriveMedium[]
  cdrom?: DriveMedium
  disks?: DriveMedium[]
}

/**
 * The drives with those that were given by options of their own, each in its place.
 * @throws OptionError
 */
export function placeDrives(given: Placed, drives: readonly (DriveWords & { text: string })[], where: string): Placed {
  const medium = ({ path, readonly }: DriveWords): DriveMedium => ({
    path,
    ...(readonly && { readonly: true as const }),
  })
  const place = (kind: 'floppy' | 'disk', places: readonly number[], first: DriveMedium[] = []) => {
    const media: (DriveMedium | undefined)[] = [...first]
    const own = drives.filter((drive) => drive.kind === kind)
    for (const drive of own.filter(({ index }) => index !== undefined)) {
      const i = places.indexOf(drive.index as number)
      if (media[i]) throw new OptionError(`${where} ${drive.text}: there is another ${kind} at index ${drive.index}`)
      media[i] = medium(drive)
    }
    for (const drive of own.filter(({ index }) => index === undefined)) {
      const free = places.findIndex((_, i) => media[i] === undefined)
      if (free < 0)
        throw new OptionError(`${where} ${drive.text}: there is room for ${places.length} ${kind}s, and they are there`)
      media[free] = medium(drive)
    }
    const gap = Array.from(media).indexOf(undefined)
    if (gap >= 0)
      throw new OptionError(
        `${where}: there is a ${kind} at index ${places[media.length - 1]} and none at ${places[gap]}; fill the places in order`,
      )
    return media.length > 0 ? { [kind === 'floppy' ? 'floppy' : 'disks']: media as DriveMedium[] } : {}
  }
  const cds = drives.filter(({ kind }) => kind === 'cdrom')
  const cdrom = given.cdrom ?? (cds[0] && medium(cds[0]))
  const second = given.cdrom ? cds[0] : cds[1]
  if (second) throw new OptionError(`${where} ${second.text}: there is one CD drive, and another image is in it`)
  return {
    ...place('floppy', [0, 1], given.floppy),
    ...(cdrom && { cdrom }),
    ...place('disk', DISK_PLACES, given.disks),
  }
}
