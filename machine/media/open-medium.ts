/**
 * Opens the media a user names, and refuses what no drive could take with one sentence that says what is wrong, with
 * which file, and what to do.
 */

import { type Stats, statSync } from 'node:fs'
import { UsageError } from '../errors.js'
import { type BlockDevice, MediumError } from './block-device.js'
import { type DiskFormat, formatNamed, HEAD, probeFile, probeFormat } from './disk-format.js'
import {
  FLOPPY_GEOMETRIES,
  type FloppyGeometry,
  floppyGeometry,
  floppySize,
  paddedFloppyGeometry,
} from './floppy-geometry.js'
import { HostFile } from './host-file.js'
import { ImageError } from './image-error.js'
import { foreignFormat, hasMagic } from './image-format.js'
import { ImageLockedError } from './image-lock.js'
import { Overlay } from './overlay.js'
import { RawImage } from './raw-image.js'

export type MediumKind = 'floppy' | 'cdrom' | 'disk'

export interface OpenMedium {
  readonly path: string
  readonly as: MediumKind
  readonly format: DiskFormat['name']
  /** What the drive is given: the overlay, or the file itself for a CD and where `write` or `readonly` was asked. */
  readonly device: BlockDevice
  /** Holds what the guest changed; undefined for a CD and where `write` or `readonly` was asked. */
  readonly overlay: Overlay | undefined
  /** Floppies only. */
  readonly geometry: FloppyGeometry | undefined
  /** A sentence where the file is shorter or longer than what it stands for: it is used all the same. */
  readonly warning: string | undefined
}

/** A medium that cannot be used. The message is for people: what is wrong, with which file, and what to do. */
export class MediaError extends UsageError {
  override readonly name = 'MediaError'
}

const LARGEST = 2 * 2 ** 40
const SECTOR = 512
const CD_SECTOR = 2048

/**
 * Opens the image at `path` for a drive. Without `write`, the guest's writes go to an overlay in memory and the file is
 * never changed; with `readonly` there are none. `briefly`: it is only looked at, and closed again at once; `unlocked`:
 * while another process writes it, too. Throws a `MediaError`.
 */
export function openMedium(
  path: string,
  options: {
    as: MediumKind
    write?: boolean
    readonly?: boolean
    briefly?: boolean
    unlocked?: boolean
    overlayLimit?: number
    format?: DiskFormat['name']
  },
): OpenMedium {
  const { as, write = false, readonly = false, briefly, unlocked } = options
  const what = `${as} ${JSON.stringify(path)}`
  if (write && readonly) throw new MediaError(`${what}: what is read-only cannot be written; leave out one of both`)
  if (write && as === 'cdrom') throw new MediaError(`${what}: a CD cannot be written; leave out "write"`)
  checkFileType(statOrRefuse(path, what), what)
  let file: HostFile
  try {
    file = new HostFile(path, { write, briefly, unlocked })
  } catch (error) {
    throw mediaError(error, what, write)
  }
  let base: BlockDevice | undefined
  try {
    checkSize(file.size, what)
    const { format, device, geometry, warning } = openImage(file, options, what)
    base = device
    const overlay =
      write || readonly || as === 'cdrom' ? undefined : new Overlay(device, { limit: options.overlayLimit })
    return { path, as, format: format.name, device: overlay ?? device, overlay, geometry, warning }
  } catch (error) {
    if (base) base.close()
    else file.close()
    throw error instanceof MediaError ? error : mediaError(error, what, write)
  }
}

function openImage(
  file: HostFile,
  { as, write = false, format: named }: { as: MediumKind; write?: boolean; format?: DiskFormat['name'] },
  what: string,
) {
  const format = formatNamed(named) ?? probeFile(file)
  if (format.name === 'raw') {
    const device = new RawImage(file)
    const { geometry, size } = contents({ ...picture(device), path: file.path }, as, what, named)
    const warning = sizeWarning(device.size, size, what, as, geometry)
    device.standFor(size)
    if (named === undefined) device.guard = (offset, bytes) => checkStaysRaw(device, offset, bytes)
    return { format, device, geometry, warning }
  }
  if (write && !format.isWritten)
    throw new MediaError(
      `${what} is a ${format.title} image, and those are only read here; leave out "write", or convert it: ` +
        `bootwright image convert -O qcow2 ${JSON.stringify(file.path)} disk.qcow2`,
    )
  const device = format.open(file)
  if (device.size === 0 || device.size > LARGEST)
    throw new MediaError(`${what} is an image of a disk of ${bytes(device.size)}; disks have up to 2 TiB here`)
  if (as === 'disk') return { format, device, geometry: undefined, warning: undefined }
  const { geometry, size } = contents({ ...picture(device), path: file.path }, as, what, format.name)
  if (size !== device.size)
    throw new MediaError(
      `${what} is an image of ${bytes(device.size)}, which is no size of a ${as}; convert it to a raw one`,
    )
  return { format, device, geometry, warning: undefined }
}

/** An image as those see it who look at what is in it. */
interface Picture {
  path: string
  size: number
  read(offset: number, into: Uint8Array): void
}

const picture = (device: BlockDevice) => ({
  size: device.size,
  read: (offset: number, into: Uint8Array) => device.read(offset, into),
})

/**
 * A guest that writes another format's header into a raw image would have it opened as that the next time, with files of
 * the host's behind it that the header names.
 */
function checkStaysRaw(device: RawImage, offset: number, written: Uint8Array): void {
  const tailAt = Math.max(0, device.size - HEAD)
  if (offset >= HEAD && offset + written.length <= tailAt) return
  const after = (at: number) => {
    const sector = new Uint8Array(Math.min(HEAD, device.size))
    device.read(at, sector)
    const [from, to] = [Math.max(at, offset), Math.min(at + sector.length, offset + written.length)]
    if (from < to) sector.set(written.subarray(from - offset, to - offset), from - at)
    return sector
  }
  const format = probeFormat(after(0), after(tailAt))
  if (format.name === 'raw') return
  throw new MediumError(
    `${device.path}: the guest would make a ${format.title} image of this raw one; say that it is raw: format=raw`,
  )
}

function statOrRefuse(path: string, what: string): Stats {
  if (path === '') throw new MediaError(`${what}: the path is empty; name an image file`)
  try {
    return statSync(path)
  } catch (error) {
    throw mediaError(error, what, false)
  }
}

function checkFileType(stats: Stats, what: string): void {
  if (stats.isDirectory()) throw new MediaError(`${what} is a directory; name the image file in it`)
  if (stats.isFIFO()) throw new MediaError(`${what} is a pipe, which cannot be read at random; save it to a file first`)
  if (stats.isSocket()) throw new MediaError(`${what} is a socket; name an image file`)
  if (stats.isBlockDevice())
    throw new MediaError(`${what} is a device of this host; copy it to an image file first, for example with dd`)
  if (!stats.isFile()) throw new MediaError(`${what} is a special file; name an image file`)
}

function checkSize(size: number, what: string): void {
  if (size === 0) throw new MediaError(`${what} is empty; was it copied or downloaded completely?`)
  if (size > LARGEST)
    throw new MediaError(`${what} is ${number(size)} bytes long; images over 2 TiB (${number(LARGEST)}) are refused`)
}

interface Contents {
  geometry?: FloppyGeometry
  /** Bytes of the medium. */
  size: number
}

/** What the file stands for; throws where the drive can make nothing of it. */
function contents(file: Picture, as: MediumKind, what: string, named: string | undefined): Contents {
  const head = bytesAt(file, 0, SECTOR)
  const tail = bytesAt(file, Math.max(0, file.size - SECTOR), SECTOR)
  const foreign = named === undefined ? foreignFormat(head, tail) : undefined
  if (foreign)
    throw new MediaError(
      `${what} is ${foreign.name}, no image that is read here; convert it first: ${foreign.convert(file.path)}`,
    )
  if (as === 'cdrom') return { size: cdSize(file, what) }
  if (as === 'floppy') return floppyContents(file, head, what)
  return { size: diskSize(file, head) }
}

/** Less than a sector over or short of what the file stands for is nobody's concern. */
function sizeWarning(
  fileSize: number,
  size: number,
  what: string,
  as: MediumKind,
  geometry: FloppyGeometry | undefined,
): string | undefined {
  if (Math.ceil(fileSize / SECTOR) * SECTOR === size) return undefined
  const says = {
    floppy: `it is read as a floppy of ${geometry?.name}`,
    cdrom: 'its volume descriptor says',
    disk: 'its partition table says',
  }[as]
  if (size < fileSize)
    return `${what} has ${bytes(fileSize)}, and ${says}, which has ${number(size)}: the rest is not used`
  const why = as === 'floppy' ? `${says}, which has ${number(size)}` : `${says} that it has ${number(size)}`
  return `${what} has only ${bytes(fileSize)}, and ${why}: what is missing reads as zeros; is the file complete?`
}

function floppyContents(file: Picture, boot: Uint8Array, what: string): Contents {
  const geometry = floppyGeometry(file.size)
  if (geometry) return { geometry, size: floppySize(geometry) }
  if (isIso(file)) throw new MediaError(`${what} is a CD image (ISO 9660); open it as "cdrom"`)
  const padded = paddedFloppyGeometry(file.size, boot)
  if (padded) return { geometry: padded, size: floppySize(padded) }
  const sizes = FLOPPY_GEOMETRIES.map((known) => known.name).join(', ')
  throw new MediaError(
    `${what} is ${bytes(file.size)} long, more than any floppy (${sizes}); a hard disk image is opened as "disk"`,
  )
}

/** Sector 16 and up hold volume descriptors, ECMA-119, section 6.7.1 and ECMA-167, part 2, section 8.3.1. */
function cdSize(file: Picture, what: string): number {
  const whole = Math.ceil(file.size / CD_SECTOR) * CD_SECTOR
  if (file.size >= 17 * CD_SECTOR) {
    const descriptor = bytesAt(file, 16 * CD_SECTOR, CD_SECTOR)
    if (hasMagic(descriptor, 1, 'BEA01')) return whole
    if (hasMagic(descriptor, 1, 'CD001')) return Math.max(whole, volumeSize(file))
  } else if (file.size < 16 * CD_SECTOR) {
    throw new MediaError(
      `${what} is ${bytes(file.size)} long; an ISO 9660 image has its descriptor at byte 32,768: ` +
        'is the file complete, and is it a CD image?',
    )
  }
  const hint = floppyGeometry(file.size)
    ? 'open it as "floppy", or'
    : 'if it is a hard disk image open it as "disk", or'
  throw new MediaError(
    `${what} is neither ISO 9660 nor UDF (no "CD001" or "BEA01" at byte 32,769); ${hint} make an ISO of it`,
  )
}

/** What the primary volume descriptor says, in bytes; 0 where it says nothing that could be. */
function volumeSize(file: Picture): number {
  for (let sector = 16; sector < 32 && (sector + 1) * CD_SECTOR <= file.size; sector++) {
    const descriptor = bytesAt(file, sector * CD_SECTOR, CD_SECTOR)
    if (!hasMagic(descriptor, 1, 'CD001') || descriptor[0] === 255) return 0
    if (descriptor[0] !== 1) continue
    const view = new DataView(descriptor.buffer)
    const size = view.getUint32(80, true) * (view.getUint16(128, true) || CD_SECTOR)
    return size <= LARGEST ? Math.ceil(size / CD_SECTOR) * CD_SECTOR : 0
  }
  return 0
}

/** What is there or, where a sound partition table says more, that. */
function diskSize(file: Picture, head: Uint8Array): number {
  const whole = Math.ceil(file.size / SECTOR) * SECTOR
  const view = new DataView(head.buffer)
  if (view.getUint16(510, true) !== 0xaa55) return whole
  // Boot code of an unpartitioned disk may stand where the table would be: only a table that is sound in all four
  // entries counts.
  const partitions: { type: number; end: number }[] = []
  for (let entry = 446; entry < 510; entry += 16) {
    const type = head[entry + 4]
    const [start, count] = [view.getUint32(entry + 8, true), view.getUint32(entry + 12, true)]
    if (head[entry] & 0x7f || (type !== 0 && count === 0)) return whole
    if (type !== 0) partitions.push({ type, end: (start + count) * SECTOR })
  }
  const ends = partitions.map(({ type, end }) => (type === 0xee ? gptEnd(file) : end))
  return Math.max(whole, ...ends.filter((end) => end <= LARGEST))
}

/** A protective MBR covers what it likes; the GPT header's alternate LBA is the disk's last sector. */
function gptEnd(file: Picture): number {
  if (file.size < 2 * SECTOR) return 0
  const header = bytesAt(file, SECTOR, SECTOR)
  if (!hasMagic(header, 0, 'EFI PART')) return 0
  return (Number(new DataView(header.buffer).getBigUint64(32, true)) + 1) * SECTOR
}

function isIso(file: Picture): boolean {
  return file.size >= 17 * CD_SECTOR && hasMagic(bytesAt(file, 16 * CD_SECTOR, 8), 1, 'CD001')
}

/** Up to `length` bytes in a buffer of that length, zeros past the end of the file. */
function bytesAt(file: Picture, offset: number, length: number): Uint8Array {
  const into = new Uint8Array(length)
  file.read(offset, into.subarray(0, Math.min(length, file.size - offset)))
  return into
}

function lockedError({ holder, writes }: ImageLockedError, what: string, write: boolean): MediaError {
  const who = holder ?? 'another process'
  if (!write) return new MediaError(`${what} is being written by ${who}; wait until it has ended, or copy the image`)
  return new MediaError(
    `${what} is being ${writes ? 'written' : 'read'} by ${who}, and whoever writes to an image must be alone with it; ` +
      'copy it, or leave out "write"',
  )
}

/** @internal Turns the host's error into a sentence; exported for tests, which may run as root. */
export function mediaError(error: unknown, what: string, write: boolean): MediaError {
  if (error instanceof ImageError) return new MediaError(`${what} ${error.message}`)
  if (error instanceof ImageLockedError) return lockedError(error, what, write)
  const { code, path } = error as NodeJS.ErrnoException
  switch (code) {
    case 'ENOENT':
      if (/^[a-z][\w+.-]+:/.test(path ?? ''))
        return new MediaError(`${what} is no file of this host, and addresses are not opened; name a file`)
      return new MediaError(`${what} does not exist; check the path`)
    case 'EISDIR':
      return new MediaError(`${what} is a directory; name a file in it`)
    case 'ENOTDIR':
      return new MediaError(`${what} does not exist: a part of its path is not a directory; check the path`)
    case 'ELOOP':
      return new MediaError(`${what} is a symbolic link that leads in a circle; name the image file itself`)
    case 'ENAMETOOLONG':
      return new MediaError(`${what} cannot be opened: its path is too long; move it or use a shorter one`)
    case 'ERR_INVALID_ARG_VALUE':
      return new MediaError(`${what} cannot be opened: a path cannot hold a zero byte; check the path`)
    case 'EACCES':
    case 'EPERM':
      return write
        ? new MediaError(
            `${what} may not be written by this user; make it writable (chmod u+w), or leave out "write" so that ` +
              'changes stay in memory',
          )
        : new MediaError(`${what} may not be read by this user; make it readable (chmod u+r)`)
    case 'EROFS':
      return new MediaError(
        `${what} is on a read-only file system; copy it elsewhere, or leave out "write" so that changes stay in memory`,
      )
    case 'EMFILE':
    case 'ENFILE':
      return new MediaError(`${what} cannot be opened: too many open files; close some or raise ulimit -n`)
    default:
      return new MediaError(`${what} cannot be read (${(error as Error).message}); check the file and its disk`)
  }
}

function number(value: number): string {
  return value.toLocaleString('en-US')
}

function bytes(count: number): string {
  return count === 1 ? '1 byte' : `${number(count)} bytes`
}
