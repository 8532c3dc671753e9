/** The formats of disk images, a row each, by QEMU's names: how one is known, and how it is opened. */
import { realpathSync } from 'node:fs'
import { basename, dirname, isAbsolute, join, resolve } from 'node:path'
import type { BlockDevice } from './block-device.js'
import { VDI_SIGNATURE, VdiImage } from './formats/vdi.js'
import { isVhdFooter, VHD_COOKIE, VhdImage } from './formats/vhd.js'
import { VHDX_SIGNATURE, VhdxImage } from './formats/vhdx.js'
import { openVmdk, VMDK_DESCRIPTOR, VMDK_MAGIC, vmdkExtents } from './formats/vmdk.js'
import { HostFile } from './host-file.js'
import { ImageError } from './image-error.js'
import { isQcow2, readHeader } from './qcow2/header.js'
import { Qcow2Image } from './qcow2/qcow2-image.js'
import { RawImage } from './raw-image.js'

/** Of a file that a format is known by: its first bytes and its last sector. */
export const HEAD = 512

export interface DiskFormat {
  /** QEMU's. */
  readonly name: 'raw' | 'qcow2' | 'vmdk' | 'vdi' | 'vpc' | 'vhdx'
  /** As in "a qcow2 image". */
  readonly title: string
  readonly isWritten: boolean
  probe(head: Uint8Array, tail: Uint8Array): boolean
  /** Throws an ImageError, or what opening a file of its throws. `before`: paths of the images that it is behind. */
  open(file: HostFile, before?: readonly string[]): BlockDevice
  /** Other files that it is made of, by their names in it. */
  others?(file: HostFile): { name: string; format?: string }[]
}

/** Of backing files. */
const DEEPEST = 64

/** Of a whole chain of backing files; not said once more by each of them. */
class ChainError extends ImageError {}

const text = (bytes: Uint8Array, length: number) => Buffer.from(bytes.subarray(0, length)).toString('latin1')

export const DISK_FORMATS: readonly DiskFormat[] = [
  {
    ...{ name: 'qcow2', title: 'qcow2', isWritten: true },
    probe: isQcow2,
    open: (file, before = []) =>
      new Qcow2Image(file, (name, format) =>
        openOther(backingPath(file.path, name), formatNamed(format), [...before, realpathSync.native(file.path)]),
      ),
    others(file) {
      const { backingFile: name, backingFormat: format } = readHeader(file)
      return name === undefined ? [] : [{ name, format }]
    },
  },
  {
    ...{ name: 'vmdk', title: 'VMDK', isWritten: false },
    probe: (head) => text(head, 4) === VMDK_MAGIC || text(head, VMDK_DESCRIPTOR.length) === VMDK_DESCRIPTOR,
    open: (file) => openVmdk(file, (name) => new HostFile(inFolderOf(file.path, name))),
    others: (file) => vmdkExtents(file).map((name) => ({ name, format: 'raw' })),
  },
  {
    ...{ name: 'vdi', title: 'VDI', isWritten: false },
    probe: (head) =>
      head.length >= 0x44 && new DataView(head.buffer, head.byteOffset).getUint32(0x40, true) === VDI_SIGNATURE,
    open: (file) => new VdiImage(file),
  },
  {
    ...{ name: 'vhdx', title: 'VHDX', isWritten: false },
    probe: (head) => text(head, 8) === VHDX_SIGNATURE,
    open: (file) => new VhdxImage(file),
  },
  {
    ...{ name: 'vpc', title: 'VHD', isWritten: false },
    // A fixed disk has its footer alone.
    probe: (head, tail) => text(head, 8) === VHD_COOKIE || isVhdFooter(tail),
    open: (file) => new VhdImage(file),
  },
  {
    ...{ name: 'raw', title: 'raw', isWritten: true },
    probe: () => true,
    open: (file) => new RawImage(file),
  },
]

export function formatNamed(name: string | undefined): DiskFormat | undefined {
  if (name === undefined) return undefined
  const found = DISK_FORMATS.find((format) => format.name === name)
  if (found) return found
  throw new ImageError(`is of the format '${name}', which is not read here; formats are ${FORMAT_NAMES.join(', ')}`)
}

export const FORMAT_NAMES = DISK_FORMATS.map(({ name }) => name)

/** What its bytes say; raw where they say nothing. */
export function probeFormat(head: Uint8Array, tail: Uint8Array): DiskFormat {
  return DISK_FORMATS.find((format) => format.probe(head, tail)) as DiskFormat
}

export function probeFile(file: HostFile): DiskFormat {
  return probeFormat(file.bytes(0, Math.min(HEAD, file.size)), file.bytes(Math.max(0, file.size - HEAD), HEAD))
}

/** A backing file: read alone, and what its bytes say where nobody says its format. */
function openOther(path: string, format: DiskFormat | undefined, before: readonly string[]): BlockDevice {
  if (before.length > DEEPEST)
    throw new ChainError(`has more than ${DEEPEST} backing files behind one another; join some by 'qemu-img commit'`)
  let file: HostFile | undefined
  try {
    file = new HostFile(path)
    if (before.includes(realpathSync.native(path)))
      throw new ChainError(
        `has backing files that lead in a circle, back to ${JSON.stringify(path)}; rebase one of them`,
      )
    return (format ?? probeFile(file)).open(file, before)
  } catch (error) {
    file?.close()
    if (error instanceof ChainError) throw error
    if (error instanceof ImageError)
      throw new ImageError(`has a backing file, ${JSON.stringify(path)}, that ${error.message}`)
    throw new ImageError(
      `has a backing file, ${JSON.stringify(path)}, that cannot be opened: ${(error as Error).message}`,
    )
  }
}

/**
 * Where an image's backing file is, whose name stands as seen from the image. Not made shorter, since a folder before `..` may be a
 * link. Throws an ImageError for what is no file of this host.
 */
export function backingPath(image: string, name: string): string {
  const plain = name.replace(/^file:(?!\/\/)/, '')
  if (/^(json|nbd|https?|ftp|ssh|rbd|iscsi|fat|blkdebug):/.test(plain))
    throw new ImageError(`has a backing file that is no file of this host, ${JSON.stringify(name)}; copy it to one`)
  const folder = dirname(image)
  return isAbsolute(plain) || folder === '.' ? plain : `${folder}/${plain}`
}

/**
 * A descriptor names what lies beside it; another one would read what its maker likes, by a link that came along, too. Whose
 * descriptor is a link itself has the others where that leads, or links to there.
 */
function inFolderOf(path: string, name: string): string {
  const elsewhere = () =>
    new ImageError(`has an extent in another folder, ${JSON.stringify(name)}; put it beside its descriptor`)
  if (/[/\\]/.test(name) || name === '..') throw elsewhere()
  const extent = join(dirname(path), name)
  if (dirname(realOf(extent)) !== dirname(realOf(path))) throw elsewhere()
  return extent
}

/** Of one that is not there, itself: opening it says so. */
function realOf(path: string): string {
  try {
    return realpathSync.native(path)
  } catch {
    return join(realpathSync.native(dirname(path)), basename(path))
  }
}

/** Paths of all files that an image is made of, itself first. Throws what opening it throws. */
export function filesOfImage(path: string, format?: string): string[] {
  const files = new Set<string>()
  const add = (one: string, named: string | undefined, depth: number) => {
    // A folder before `..` may be a link.
    const whole = one.includes('..') ? realpathSync.native(one) : resolve(one)
    if (files.has(whole) || depth > DEEPEST) return
    files.add(whole)
    const file = new HostFile(whole)
    try {
      const kind = formatNamed(named) ?? probeFile(file)
      for (const other of kind.others?.(file) ?? [])
        add(
          kind.name === 'qcow2' ? backingPath(whole, other.name) : inFolderOf(whole, other.name),
          other.format,
          depth + 1,
        )
    } finally {
      file.close()
    }
  }
  add(path, format, 0)
  return [...files]
}
