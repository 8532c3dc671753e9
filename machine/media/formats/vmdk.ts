/**
 * VMware's "Virtual Disk Format 5.0": hosted sparse extents, the stream-optimized ones with deflated grains among them,
 * flat ones, and descriptors that join several to a disk.
 */
import { inflateSync } from 'node:zlib'
import { type BlockDevice, MediumError } from '../block-device.js'
import type { HostFile } from '../host-file.js'
import { ImageError } from '../image-error.js'
import { checkRange } from '../memory.js'
import { MappedImage } from './mapped-image.js'

export const VMDK_MAGIC = 'KDMV'
export const VMDK_DESCRIPTOR = '# Disk DescriptorFile'
const SECTOR = 512
const LONGEST_DESCRIPTOR = 1 << 20
const LARGEST_DIRECTORY = 64 << 20
/** The grain directory's place is in the footer. */
const AT_END = 0xffff_ffff_ffff_ffffn
const FOOTER_FROM_END = 1024
const ZERO_GRAINS = 1 << 2
const COMPRESSED = 1 << 16
const DEFLATE = 1
/** Tables of grains and inflated grains that are held. */
const TABLES = 256
const INFLATED = 16

/** Opens the file of an extent by its name in the descriptor. */
export type OpenExtent = (name: string) => HostFile

/** Throws an ImageError. */
export function openVmdk(file: HostFile, extent: OpenExtent): BlockDevice {
  if (Buffer.from(file.bytes(0, 4)).toString('latin1') !== VMDK_MAGIC) return new JoinedExtents(file, extent)
  const descriptor = embeddedDescriptor(file)
  if (descriptor !== undefined) checkParent(descriptor)
  return new SparseExtent(file)
}

/** The names of the files that a descriptor joins. */
export function vmdkExtents(file: HostFile): string[] {
  if (Buffer.from(file.bytes(0, 4)).toString('latin1') === VMDK_MAGIC) return []
  return [...extentLines(readText(file, 0, Math.min(file.size, LONGEST_DESCRIPTOR)))].flatMap(({ name }) => name ?? [])
}

function readText(file: HostFile, offset: number, length: number): string {
  return Buffer.from(file.bytes(offset, length)).toString('utf8').split('\0', 1)[0]
}

function embeddedDescriptor(file: HostFile): string | undefined {
  const view = new DataView(file.bytes(0, SECTOR).buffer)
  const [offset, length] = [Number(view.getBigUint64(28, true)) * SECTOR, Number(view.getBigUint64(36, true)) * SECTOR]
  return offset > 0 && length <= LONGEST_DESCRIPTOR ? readText(file, offset, length) : undefined
}

function checkParent(descriptor: string): void {
  const parent = /^\s*parentCID\s*=\s*([\da-f]+)/im.exec(descriptor)?.[1]
  if (parent !== undefined && parent.toLowerCase() !== 'ffffffff')
    throw new ImageError('is a VMDK image that holds what differs from another one; merge it first')
}

interface ExtentLine {
  sectors: number
  kind: string
  name: string | undefined
  offset: number
}

function* extentLines(descriptor: string): Generator<ExtentLine> {
  for (const line of descriptor.split(/\r?\n/)) {
    const found = /^(RW|RDONLY|NOACCESS)\s+(\d+)\s+(\w+)(?:\s+"([^"]*)"(?:\s+(\d+))?)?/.exec(line)
    if (found) yield { sectors: Number(found[2]), kind: found[3], name: found[4], offset: Number(found[5] ?? 0) }
  }
}

class SparseExtent extends MappedImage {
  private readonly directory: DataView
  private readonly tables = new Map<number, DataView>()
  private readonly inflated = new Map<number, Uint8Array>()
  private readonly perTable: number
  private readonly hasZeroGrains: boolean
  private readonly isCompressed: boolean

  constructor(file: HostFile) {
    let header = new DataView(file.bytes(0, SECTOR).buffer)
    if (header.getBigUint64(56, true) === AT_END) {
      header = new DataView(file.table(file.size - FOOTER_FROM_END, SECTOR).buffer)
      if (Buffer.from(header.buffer, 0, 4).toString('latin1') !== VMDK_MAGIC)
        throw new ImageError('is a damaged VMDK image: its footer is not there; was it downloaded completely?')
    }
    const version = header.getUint32(4, true)
    if (version > 3) throw new ImageError(`is a VMDK image of version ${version}; versions 1 to 3 are read here`)
    const long = (at: number) => Number(header.getBigUint64(at, true))
    const [sectors, grain, flags] = [long(12), long(20), header.getUint32(8, true)]
    const perTable = header.getUint32(44, true)
    const isSound = grain > 0 && grain <= 2 ** 16 && (grain & (grain - 1)) === 0 && perTable > 0 && perTable <= 512
    const entries = Math.ceil(sectors / (grain * perTable))
    if (!isSound || entries * 4 > LARGEST_DIRECTORY)
      throw new ImageError('is a damaged VMDK image: its grains or tables have no size')
    if (flags & COMPRESSED && header.getUint16(77, true) !== DEFLATE)
      throw new ImageError('is a VMDK image with a compression that is unknown')
    super(file, sectors * SECTOR, grain * SECTOR)
    this.perTable = perTable
    this.hasZeroGrains = (flags & ZERO_GRAINS) !== 0
    this.isCompressed = (flags & COMPRESSED) !== 0
    this.directory = new DataView(file.table(long(56) * SECTOR, entries * 4).buffer)
  }

  protected place(grain: number): number | undefined {
    const index = Math.floor(grain / this.perTable)
    const table = this.tables.get(index) ?? this.load(index)
    const sector = table?.getUint32(4 * (grain % this.perTable), true) ?? 0
    return sector === 0 || (sector === 1 && this.hasZeroGrains) ? undefined : sector * SECTOR
  }

  private load(index: number): DataView | undefined {
    const sector = this.directory.getUint32(4 * index, true)
    if (sector === 0) return undefined
    if (this.tables.size >= TABLES) this.tables.delete(this.tables.keys().next().value as number)
    const table = new DataView(this.file.bytes(sector * SECTOR, this.perTable * 4).buffer)
    this.tables.set(index, table)
    return table
  }

  protected override readBlock(grain: number, within: number, into: Uint8Array): void {
    const place = this.isCompressed ? this.place(grain) : undefined
    if (place === undefined) super.readBlock(grain, within, into)
    else into.set(this.inflate(place).subarray(within, within + into.length))
  }

  /** Its sector, its length, and zlib's data. */
  private inflate(place: number): Uint8Array {
    const held = this.inflated.get(place)
    if (held) return held
    const { file, blockSize } = this
    const length = new DataView(file.bytes(place, 12).buffer).getUint32(8, true)
    const grain = new Uint8Array(blockSize)
    try {
      if (length > 2 * blockSize + SECTOR) throw new Error('it is too long')
      grain.set(inflateSync(file.bytes(place + 12, length), { maxOutputLength: blockSize }))
    } catch (error) {
      throw new MediumError(`${file.path} is damaged: a grain at ${place}: ${(error as Error).message}`)
    }
    if (this.inflated.size >= INFLATED) this.inflated.delete(this.inflated.keys().next().value as number)
    this.inflated.set(place, grain)
    return grain
  }
}

interface Extent {
  from: number
  size: number
  /** undefined: zeros. */
  read: ((offset: number, into: Uint8Array) => void) | undefined
}

/** A descriptor in a file of its own, and the extents that it names. */
class JoinedExtents implements BlockDevice {
  readonly readOnly = true
  readonly size: number
  private readonly extents: Extent[] = []
  private readonly files: HostFile[]
  /** By their names: several extents may be of one. */
  private readonly named = new Map<string, HostFile>()

  constructor(descriptor: HostFile, open: OpenExtent) {
    this.files = [descriptor]
    const text = readText(descriptor, 0, Math.min(descriptor.size, LONGEST_DESCRIPTOR))
    checkParent(text)
    let from = 0
    try {
      for (const { sectors, kind, name, offset } of extentLines(text)) {
        const size = sectors * SECTOR
        this.extents.push({
          from,
          size,
          read: kind === 'ZERO' ? undefined : this.reader(kind, name, offset, size, open),
        })
        from += size
      }
    } catch (error) {
      this.close()
      throw error
    }
    if (this.extents.length === 0) throw new ImageError('is a VMDK descriptor that names no extent')
    this.size = from
  }

  private reader(
    kind: string,
    name: string | undefined,
    offset: number,
    size: number,
    open: OpenExtent,
  ): Extent['read'] {
    if (!['FLAT', 'VMFS', 'SPARSE'].includes(kind))
      throw new ImageError(`is a VMDK descriptor with an extent of the kind ${kind}, which is not read here`)
    if (name === undefined) throw new ImageError(`is a VMDK descriptor with an extent (${kind}) that names no file`)
    const file = this.named.get(name) ?? open(name)
    if (!this.named.has(name)) this.files.push(file)
    this.named.set(name, file)
    if (kind === 'SPARSE') {
      const extent = new SparseExtent(file)
      return (at, into) => extent.read(at, into)
    }
    if (offset * SECTOR + size > file.size)
      throw new ImageError(`has an extent, ${JSON.stringify(name)}, that is shorter than it says`)
    return (at, into) => file.read(offset * SECTOR + at, into)
  }

  read(offset: number, into: Uint8Array): void {
    checkRange(this, offset, into.length)
    for (const { from, size, read } of this.extents) {
      const [start, end] = [Math.max(offset, from), Math.min(offset + into.length, from + size)]
      if (start >= end) continue
      const piece = into.subarray(start - offset, end - offset)
      if (read) read(start - from, piece)
      else piece.fill(0)
    }
  }

  get failure(): string | undefined {
    return this.files.find(({ failure }) => failure)?.failure
  }

  write(): void {
    throw new MediumError(`${this.files[0].path} is read only`)
  }

  flush(): void {}

  discard(): void {}

  close(): void {
    for (const file of this.files) file.close()
  }
}
