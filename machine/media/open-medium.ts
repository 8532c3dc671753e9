/**
 * Opens the media a user names, and refuses what no drive could take with one sentence that says what is wrong, with
 * which file, and what to do.
 */
import { type Stats, statSync } from 'node:fs'
import type { BlockDevice } from './block-device.js'
import { FLOPPY_GEOMETRIES, type FloppyGeometry, floppyGeometry, floppySize } from './floppy-geometry.js'
import { foreignFormat, hasMagic } from './image-format.js'
import { Overlay } from './overlay.js'
import { Padded } from './padded.js'
import { RawImage } from './raw-image.js'

export type MediumKind = 'floppy' | 'cdrom' | 'disk'

export interface OpenMedium {
  readonly path: string
  readonly as: MediumKind
  readonly format: 'raw'
  /** What the drive is given: the overlay, or the file itself for a CD and where `write` was asked. */
  readonly device: BlockDevice
  /** Holds what the guest changed; undefined for a CD and where `write` was asked. */
  readonly overlay: Overlay | undefined
  /** Floppies only. */
  readonly geometry: FloppyGeometry | undefined
}

/** A medium that cannot be used. The message is for people: what is wrong, with which file, and what to do. */
export class MediaError extends Error {
  override readonly name = 'MediaError'
}

const LARGEST = 2 * 2 ** 40
const SECTOR = 512
const CD_SECTOR = 2048

/**
 * Opens the image at `path` for a drive. Without `write`, the guest's writes go to an overlay in memory and the file is
 * never changed. Throws a `MediaError`.
 */
export function openMedium(path: string, options: { as: MediumKind; write?: boolean }): OpenMedium {
  const { as, write = false } = options
  const what = `${as} ${JSON.stringify(path)}`
  if (write && as === 'cdrom') throw new MediaError(`${what}: a CD cannot be written; leave out "write"`)
  checkFileType(statOrRefuse(path, what), what)
  let file: RawImage
  try {
    file = new RawImage(path, { write })
  } catch (error) {
    throw mediaError(error, what, write)
  }
  try {
    checkSize(file.size, what)
    const geometry = checkContents(file, as, what)
    // A boot floppy that ends behind its last used sector (GRUB's rescue floppy) is read as the floppy it is written to.
    const short = geometry !== undefined && file.size < floppySize(geometry)
    if (short && write)
      throw new MediaError(
        `${what} is shorter than a ${geometry.name} floppy and cannot be written; pad it to ${number(floppySize(geometry))} bytes`,
      )
    const overlay =
      write || as === 'cdrom' ? undefined : new Overlay(short ? new Padded(file, floppySize(geometry)) : file)
    return { path, as, format: 'raw', device: overlay ?? file, overlay, geometry }
  } catch (error) {
    file.close()
    throw error instanceof MediaError ? error : mediaError(error, what, write)
  }
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
    throw new MediaError(
      `${what} is ${number(size)} bytes long; raw images over 2 TiB (${number(LARGEST)}) are refused`,
    )
}

/** What the drive needs the bytes to be. Returns the geometry of a floppy. */
function checkContents(file: RawImage, as: MediumKind, what: string): FloppyGeometry | undefined {
  const head = bytesAt(file, 0, SECTOR)
  const tail = bytesAt(file, Math.max(0, file.size - SECTOR), SECTOR)
  const foreign = foreignFormat(head, tail)
  if (foreign)
    throw new MediaError(`${what} is ${foreign.name}, not a raw image; convert it first: ${foreign.convert(file.path)}`)
  if (as === 'cdrom') return checkCd(file, what)
  if (as === 'floppy') return checkFloppy(file, what)
  return checkDisk(file, head, what)
}

function checkFloppy(file: RawImage, what: string): FloppyGeometry {
  const geometry = floppyGeometry(file.size)
  if (geometry) return geometry
  if (isIso(file)) throw new MediaError(`${what} is a CD image (ISO 9660); open it as "cdrom"`)
  const next = FLOPPY_GEOMETRIES.find((candidate) => floppySize(candidate) > file.size)
  if (next && isShortBootFloppy(file))
    return FLOPPY_GEOMETRIES.find(({ name }) => name === '1.44M' && floppySize(next) <= 1474560) ?? next
  const hint = next
    ? `the next larger floppy, ${next.name}, has ${number(floppySize(next))}: complete or pad the file`
    : 'a hard disk image is opened as "disk"'
  const sizes = FLOPPY_GEOMETRIES.map((known) => known.name).join(', ')
  throw new MediaError(`${what} is ${bytes(file.size)} long, which no floppy is (${sizes}); ${hint}`)
}

/** Whole sectors with a boot signature, and no FAT that says there should be more. */
function isShortBootFloppy(file: RawImage): boolean {
  if (file.size < SECTOR || file.size % SECTOR !== 0) return false
  const boot = bytesAt(file, 0, SECTOR)
  const view = new DataView(boot.buffer)
  if (view.getUint16(510, true) !== 0xaa55) return false
  const isFat = view.getUint16(11, true) === SECTOR && boot[16] > 0 && boot[16] <= 2 && boot[21] >= 0xf0
  return !isFat || view.getUint16(19, true) * SECTOR <= file.size
}

/** Sector 16 and up hold volume descriptors, ECMA-119, section 6.7.1 and ECMA-167, part 2, section 8.3.1. */
function checkCd(file: RawImage, what: string): undefined {
  if (file.size >= 17 * CD_SECTOR) {
    const descriptor = bytesAt(file, 16 * CD_SECTOR, CD_SECTOR)
    if (hasMagic(descriptor, 1, 'BEA01')) return undefined
    if (hasMagic(descriptor, 1, 'CD001')) {
      checkIsoLength(file, what)
      return undefined
    }
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

function checkIsoLength(file: RawImage, what: string): undefined {
  for (let sector = 16; sector < 32 && (sector + 1) * CD_SECTOR <= file.size; sector++) {
    const descriptor = bytesAt(file, sector * CD_SECTOR, CD_SECTOR)
    if (!hasMagic(descriptor, 1, 'CD001') || descriptor[0] === 255) return undefined
    if (descriptor[0] !== 1) continue
    const view = new DataView(descriptor.buffer)
    const wanted = view.getUint32(80, true) * (view.getUint16(128, true) || CD_SECTOR)
    if (wanted > file.size)
      throw new MediaError(
        `${what} is truncated: its ISO 9660 volume is ${number(wanted)} bytes, the file only ${number(file.size)}; ` +
          'copy or download it again',
      )
    return undefined
  }
  return undefined
}

function checkDisk(file: RawImage, head: Uint8Array, what: string): undefined {
  if (file.size % SECTOR !== 0)
    throw new MediaError(
      `${what} is ${bytes(file.size)} long, not a whole number of 512-byte sectors ` +
        `(${file.size % SECTOR} over); complete or pad the file`,
    )
  const sectors = file.size / SECTOR
  const view = new DataView(head.buffer)
  if (view.getUint16(510, true) !== 0xaa55) return undefined
  // Boot code of an unpartitioned disk may stand where the table would be: only a table that is sound in all four
  // entries counts.
  for (let i = 0; i < 4; i++) {
    const entry = 446 + 16 * i
    if (head[entry] & 0x7f) return undefined
    if (head[entry + 4] !== 0 && view.getUint32(entry + 12, true) === 0) return undefined
  }
  for (let i = 0; i < 4; i++) {
    const entry = 446 + 16 * i
    const type = head[entry + 4]
    if (type === 0) continue
    if (type === 0xee) return checkGpt(file, what)
    const end = view.getUint32(entry + 8, true) + view.getUint32(entry + 12, true)
    if (end > sectors)
      throw new MediaError(
        `${what} is truncated: its MBR partition ${i + 1} ends at byte ${number(end * SECTOR)}, ` +
          `the file has only ${number(file.size)}; copy or download it again, or pad the file to that size`,
      )
  }
  return undefined
}

/** A protective MBR covers what it likes; the GPT header's alternate LBA is the disk's last sector. */
function checkGpt(file: RawImage, what: string): undefined {
  if (file.size < 2 * SECTOR) return undefined
  const header = bytesAt(file, SECTOR, SECTOR)
  if (!hasMagic(header, 0, 'EFI PART')) return undefined
  const end = (Number(new DataView(header.buffer).getBigUint64(32, true)) + 1) * SECTOR
  if (end > file.size)
    throw new MediaError(
      `${what} is truncated: its partition table (GPT) says the disk has ${number(end)} bytes, ` +
        `the file has only ${number(file.size)}; copy or download it again, or pad the file to that size`,
    )
  return undefined
}

function isIso(file: RawImage): boolean {
  return file.size >= 17 * CD_SECTOR && hasMagic(bytesAt(file, 16 * CD_SECTOR, 8), 1, 'CD001')
}

/** Up to `length` bytes in a buffer of that length, zeros past the end of the file. */
function bytesAt(file: RawImage, offset: number, length: number): Uint8Array {
  const into = new Uint8Array(length)
  file.read(offset, into.subarray(0, Math.min(length, file.size - offset)))
  return into
}

/** @internal Turns the host's error into a sentence; exported for tests, which may run as root. */
export function mediaError(error: unknown, what: string, write: boolean): MediaError {
  const code = (error as NodeJS.ErrnoException).code
  switch (code) {
    case 'ENOENT':
      return new MediaError(`${what} does not exist; check the path`)
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
