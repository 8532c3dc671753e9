/** `bootwright image`: disk images made, looked at, converted and checked, in `qemu-img`'s words. */
import { existsSync, statSync } from 'node:fs'
import { dirname, isAbsolute, join } from 'node:path'
import { Command } from 'commander'
import { HostError } from '../../../machine/errors.js'
import { checkOutputFile } from '../../../machine/host/output-file.js'
import { MediumError } from '../../../machine/media/block-device.js'
import { copyDisk, createImage, type WrittenFormat } from '../../../machine/media/copy-disk.js'
import {
  type DiskFormat,
  FORMAT_NAMES,
  filesOfImage,
  formatNamed,
  probeFile,
} from '../../../machine/media/disk-format.js'
import { HostFile } from '../../../machine/media/host-file.js'
import { ImageLockedError } from '../../../machine/media/image-lock.js'
import { MediaError, mediaError, openMedium } from '../../../machine/media/open-medium.js'
import { checkQcow2 } from '../../../machine/media/qcow2/check.js'
import { DIRTY, isMarkedCorrupt, LAZY_REFCOUNTS, readHeader } from '../../../machine/media/qcow2/header.js'
import { Qcow2Image } from '../../../machine/media/qcow2/qcow2-image.js'
import { LARGEST_DISK } from '../../options/drive-words.js'
import { nearest } from '../../words/nearest.js'
import { UsageError } from '../errors.js'
import { paragraphs } from '../help.js'
import { printJson } from '../run-report.js'

const WRITTEN: readonly WrittenFormat[] = ['raw', 'qcow2']

export function imageCommand(): Command {
  return new Command('image')
    .description('make disk images, look at them, convert, check and resize them')
    .addCommand(createCommand())
    .addCommand(infoCommand())
    .addCommand(convertCommand())
    .addCommand(checkCommand())
    .addCommand(resizeCommand())
    .addHelpText('after', () => paragraphs(HELP))
}

const HELP = `
Formats are raw, qcow2, vmdk, vdi, vpc (VHD) and vhdx; raw and qcow2 are written, the others read. An image is what its
first bytes say, unless -f says otherwise.`

function createCommand(): Command {
  return new Command('create')
    .description('make an empty image')
    .argument('<file>')
    .argument('[size]', 'as in 8G; with a backing file by default its size')
    .option('-f, --format <format>', 'raw or qcow2', 'raw')
    .option('-b, --backing <file>', 'what it shows where nothing was written (qcow2)')
    .option('-F, --backing-format <format>', "the backing file's format")
    .option('-o, --options <list>', "qcow2's, as in cluster_size=64k,refcount_bits=16,compat=1.1,lazy_refcounts=on")
    .action(create)
}

interface CreateFlags {
  format: string
  backing?: string
  backingFormat?: string
  options?: string
}

function create(file: string, sizeText: string | undefined, flags: CreateFlags): void {
  const format = writtenFormat(flags.format, '-f')
  const { backing } = flags
  if (format === 'raw' && (backing !== undefined || flags.options !== undefined))
    throw new UsageError('a raw image has no backing file and no options; make a qcow2 one with -f qcow2')
  if (sizeText === undefined && backing === undefined)
    throw new UsageError(`'${file}' needs a size, as in: bootwright image create -f ${format} ${file} 8G`)
  const behind = backing === undefined ? undefined : backingOf(file, backing, flags.backingFormat)
  if (behind?.files.some((one) => isSameFile(one, file)))
    throw new UsageError(`'${file}' is a part of its own backing file; name another file`)
  const size = sizeText === undefined ? (behind?.size as number) : diskSize(sizeText)
  const options = {
    ...qcow2Options(flags.options),
    ...(behind && { backingFile: backing, backingFormat: behind.format }),
  }
  checkOutputFile(file)
  guarded(file, true, () => createImage(file, format, { ...options, size }).close())
  process.stdout.write(`${file}: ${format}, ${sizeWords(size)}\n`)
}

function backingOf(file: string, backing: string, named: string | undefined) {
  const path = isAbsolute(backing) ? backing : join(dirname(file), backing)
  const { device, format } = openMedium(path, { as: 'disk', format: readFormat(named, '-F') })
  const { size } = device
  device.close()
  return { size, format: format as string, files: filesOfImage(path, format) }
}

function isSameFile(one: string, other: string): boolean {
  // Of what cannot be looked at, opening it says why.
  if (!existsSync(one) || !existsSync(other)) return false
  const [a, b] = [statSync(one), statSync(other)]
  return a.ino === b.ino && a.dev === b.dev
}

function infoCommand(): Command {
  return new Command('info')
    .description('say what an image is')
    .argument('<file>')
    .option('-f, --format <format>', 'its format, in place of what it looks like')
    .option('--json', 'print it as JSON, with the names of qemu-img')
    .action((file: string, flags: { format?: string; json?: boolean }) => {
      const info = imageInfo(file, readFormat(flags.format, '-f'))
      if (flags.json) printJson(info)
      else process.stdout.write(infoWords(info))
    })
}

function imageInfo(path: string, named: DiskFormat['name'] | undefined) {
  const { device, format } = openMedium(path, { as: 'disk', format: named })
  const { size } = device
  device.close()
  const header = format === 'qcow2' ? guarded(path, false, () => withFile(path, false, readHeader)) : undefined
  return {
    'virtual-size': size,
    filename: path,
    format,
    'actual-size': statSync(path).blocks * 512,
    ...(header && {
      'cluster-size': 2 ** header.clusterBits,
      ...(header.backingFile !== undefined && { 'backing-filename': header.backingFile }),
      ...(header.backingFormat !== undefined && { 'backing-filename-format': header.backingFormat }),
      'format-specific': {
        type: 'qcow2',
        data: {
          compat: header.version === 3 ? '1.1' : '0.10',
          'refcount-bits': 2 ** header.refcountOrder,
          ...(header.version === 3 && {
            'lazy-refcounts': (header.compatible & LAZY_REFCOUNTS) !== 0,
            corrupt: isMarkedCorrupt(header),
          }),
        },
      },
    }),
    'dirty-flag': header !== undefined && (header.incompatible & DIRTY) !== 0,
  }
}

function infoWords(info: ReturnType<typeof imageInfo>): string {
  const { 'format-specific': own } = info
  const rows: [string, string | undefined][] = [
    ['image', info.filename],
    ['file format', info.format],
    ['virtual size', sizeWords(info['virtual-size'])],
    ['disk size', sizeWords(info['actual-size']).replace(/ \(.*/, '')],
    ['cluster size', info['cluster-size']?.toString()],
    ['backing file', info['backing-filename']],
    ['backing file format', info['backing-filename-format']],
    ['compat', own?.data.compat],
    ['lazy refcounts', own?.data['lazy-refcounts']?.toString()],
    ['refcount bits', own?.data['refcount-bits'].toString()],
    ['corrupt', own?.data.corrupt?.toString()],
  ]
  return rows.flatMap(([name, value]) => (value === undefined ? [] : `${name}: ${value}\n`)).join('')
}

function convertCommand(): Command {
  return new Command('convert')
    .description('write the contents of an image to a new one')
    .argument('<from>')
    .argument('<to>')
    .option('-f, --format <format>', "the first one's format, in place of what it looks like")
    .option('-O, --output-format <format>', 'raw or qcow2', 'raw')
    .option('-o, --options <list>', "qcow2's, as for create")
    .action((from: string, to: string, flags: { format?: string; outputFormat: string; options?: string }) => {
      const format = writtenFormat(flags.outputFormat, '-O')
      if (flags.options !== undefined && format === 'raw')
        throw new UsageError('a raw image has no options; leave out -o, or write a qcow2 one with -O qcow2')
      if (isSameFile(from, to)) throw new UsageError(`'${to}' is the image itself; name another file`)
      checkOutputFile(to)
      const { device } = openMedium(from, { as: 'disk', format: readFormat(flags.format, '-f') })
      try {
        guarded(to, true, () => copyDisk(device, to, format, qcow2Options(flags.options)))
      } finally {
        device.close()
      }
    })
}

function checkCommand(): Command {
  return new Command('check')
    .description('say whether a qcow2 image is sound: exit code 0, 2 where it is not, 3 where only room is lost')
    .argument('<file>')
    .option('--json', 'print it as JSON, with the names of qemu-img')
    .action((file: string, { json }: { json?: boolean }) => {
      const found = guarded(file, false, () =>
        withFile(file, false, (open) => {
          if (probeFile(open).name !== 'qcow2')
            throw new UsageError(`'${file}' is no qcow2 image; images of other formats have nothing to check`)
          return checkQcow2(open)
        }),
      )
      const { corruptions, leaks, findings } = found
      if (json)
        printJson({
          ...{ filename: file, format: 'qcow2', 'check-errors': 0, 'image-end-offset': found.endOffset },
          ...{ 'total-clusters': found.totalClusters, 'allocated-clusters': found.allocatedClusters },
          ...{ 'compressed-clusters': found.compressedClusters, corruptions, leaks },
        })
      else process.stdout.write([...findings, checkWords(corruptions, leaks), ''].join('\n'))
      if (corruptions > 0) process.exitCode = 2
      else if (leaks > 0) process.exitCode = 3
    })
}

function checkWords(corruptions: number, leaks: number): string {
  if (corruptions > 0) return `${corruptions} errors were found on the image; repair it with 'qemu-img check -r all'`
  if (leaks > 0) return `${leaks} leaked clusters were found on the image: room is lost, and no data`
  return 'No errors were found on the image.'
}

function resizeCommand(): Command {
  return (
    new Command('resize')
      .description('make the disk of a raw or qcow2 image larger, or smaller with --shrink')
      .argument('<file>')
      .argument('<size>', 'as in 16G, +8G or -8G')
      .option('-f, --format <format>', 'its format, in place of what it looks like')
      .option('--shrink', 'what is behind the new end may be lost')
      // A size may begin with a minus.
      .allowUnknownOption()
      .action((file: string, sizeText: string, flags: { format?: string; shrink?: boolean }) => {
        const named = readFormat(flags.format, '-f')
        const { device, format } = openMedium(file, { as: 'disk', format: named })
        const before = device.size
        device.close()
        const relative = /^[+-]/.exec(sizeText)?.[0]
        const amount = diskSize(sizeText.replace(/^[+-]/, ''))
        const size = relative === '+' ? before + amount : relative === '-' ? before - amount : amount
        if (size <= 0 || size > LARGEST_DISK)
          throw new UsageError(`'${sizeText}' would make it ${size} bytes long; disks have 512 bytes to 2 TiB`)
        if (size < before && !flags.shrink)
          throw new UsageError(
            `${sizeWords(size)} is less than it has, and what is behind is lost; say --shrink for that`,
          )
        if (format !== 'raw' && format !== 'qcow2')
          throw new UsageError(`'${file}' is a ${format} image, and those are only read here; convert it first`)
        guarded(file, true, () =>
          withFile(file, true, (open) => {
            if (format === 'raw') open.truncate(size)
            else {
              const image = new Qcow2Image(open, (name, kind) => {
                const path = isAbsolute(name) ? name : join(dirname(file), name)
                return openMedium(path, { as: 'disk', format: readFormat(kind, '-F') }).device
              })
              image.resize(size)
              image.backing?.close()
            }
          }),
        )
        process.stdout.write(`${file}: ${sizeWords(size)}\n`)
      })
  )
}

function withFile<T>(path: string, write: boolean, action: (file: HostFile) => T): T {
  const file = new HostFile(path, { write })
  try {
    return action(file)
  } finally {
    file.close()
  }
}

/** What fails on the host's side, in a sentence with the file's name. */
function guarded<T>(path: string, write: boolean, action: () => T): T {
  try {
    return action()
  } catch (error) {
    if (error instanceof UsageError) throw error
    if (error instanceof MediumError) throw new HostError(error.message)
    if (error instanceof ImageLockedError && write)
      throw new MediaError(
        `image ${JSON.stringify(path)} is being ${error.writes ? 'written' : 'read'} by ${error.holder ?? 'another process'}; ` +
          'wait until it has ended, or name another file',
      )
    throw mediaError(error, `image ${JSON.stringify(path)}`, write)
  }
}

function readFormat(name: string | undefined, option: string): DiskFormat['name'] | undefined {
  if (name === undefined) return undefined
  if (FORMAT_NAMES.some((known) => known === name)) return formatNamed(name)?.name
  const near = nearest(name, FORMAT_NAMES)
  throw new UsageError(
    `${option} '${name}' is no format of images here; ${near ? `did you mean '${near}'?` : `there are ${FORMAT_NAMES.join(', ')}`}`,
  )
}

function writtenFormat(name: string, option: string): WrittenFormat {
  const found = WRITTEN.find((known) => known === name)
  if (found) return found
  readFormat(name, option)
  throw new UsageError(`${option} ${name}: images of that format are only read here; write raw or qcow2`)
}

/** In bytes where there is no unit, as qemu-img has it. */
function byteSize(text: string): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)\s*([bkmgt]?)(?:i?b)?$/i.exec(text.trim()) ?? []
  if (amount === undefined) throw new UsageError(`'${text}' is no size; write bytes, or a unit as in 512M, 8G or 1T`)
  const power = ['', 'k', 'm', 'g', 't'].indexOf(unit.toLowerCase().replace('b', ''))
  return Number(amount) * 1024 ** power
}

function diskSize(text: string): number {
  const size = Math.ceil(byteSize(text) / 512) * 512
  if (size < 512 || size > LARGEST_DISK)
    throw new UsageError(`'${text}' is no size of a disk; those are 512 bytes to 2T`)
  return size
}

function sizeWords(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  const power = Math.min(4, Math.max(0, Math.floor(Math.log2(Math.max(bytes, 1)) / 10)))
  const amount = bytes / 1024 ** power
  return `${amount >= 100 ? Math.round(amount) : Number(amount.toPrecision(3))} ${units[power]} (${bytes} bytes)`
}

function qcow2Options(text: string | undefined) {
  const options: { clusterBits?: number; refcountOrder?: number; version?: number; lazyRefcounts?: boolean } = {}
  for (const part of text?.split(',') ?? []) {
    const [name, value = ''] = part.split('=')
    const wrong = (words: string) => new UsageError(`-o ${part}: ${words}`)
    const log2 = (number: number, least: number, most: number, words: string) => {
      const bits = Math.log2(number)
      if (!Number.isInteger(bits) || bits < least || bits > most) throw wrong(words)
      return bits
    }
    switch (name) {
      case 'cluster_size':
        options.clusterBits = log2(byteSize(value), 9, 21, 'it is a power of two from 512 to 2M')
        break
      case 'refcount_bits':
        options.refcountOrder = log2(Number(value), 0, 6, 'it is 1, 2, 4, 8, 16, 32 or 64')
        break
      case 'compat':
        if (!['0.10', '1.1', 'v2', 'v3'].includes(value)) throw wrong('it is 0.10 or 1.1')
        options.version = value === '0.10' || value === 'v2' ? 2 : 3
        break
      case 'lazy_refcounts':
        if (value !== 'on' && value !== 'off') throw wrong('it is on or off')
        options.lazyRefcounts = value === 'on'
        break
      default:
        throw wrong('options are cluster_size, refcount_bits, compat and lazy_refcounts')
    }
  }
  if (options.version === 2 && ((options.refcountOrder ?? 4) !== 4 || options.lazyRefcounts))
    throw new UsageError('-o compat=0.10 has reference counts of 16 bits, and none that are lazy; leave the others out')
  return options
}
