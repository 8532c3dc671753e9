/** `bootwright image`: disk images made, looked at, converted and checked, in `qemu-img`'s words. */
import { existsSync, statSync } from 'node:fs'
import { Command, Option } from 'commander'
import { HostError } from '../../../machine/errors.js'
import { checkOutputFile } from '../../../machine/host/output-file.js'
import { MediumError } from '../../../machine/media/block-device.js'
import { copyDisk, createImage } from '../../../machine/media/copy-disk.js'
import { backingPath, type DiskFormat, filesOfImage, probeFile } from '../../../machine/media/disk-format.js'
import { HostFile } from '../../../machine/media/host-file.js'
import { ImageLockedError } from '../../../machine/media/image-lock.js'
import { MediaError, mediaError, openMedium } from '../../../machine/media/open-medium.js'
import { checkQcow2, type Qcow2Check } from '../../../machine/media/qcow2/check.js'
import { DIRTY, isMarkedCorrupt, LAZY_REFCOUNTS, readHeader } from '../../../machine/media/qcow2/header.js'
import { Qcow2Image } from '../../../machine/media/qcow2/qcow2-image.js'
import { LARGEST_DISK } from '../../options/drive-words.js'
import { nearest } from '../../words/nearest.js'
import { complain, UsageError } from '../errors.js'
import { paragraphs } from '../help.js'
import {
  asksForHelp,
  asQemuImg,
  diskSize,
  imageOptions,
  optionsHelp,
  optionsOption,
  outputOption,
  readFormat,
  sizeWords,
  unknownCommand,
  writtenFormat,
} from '../image-words.js'
import { printJson } from '../run-report.js'

export function imageCommand(): Command {
  const commands = [createCommand(), infoCommand(), convertCommand(), checkCommand(), resizeCommand()].map(asQemuImg)
  const all = new Command('image').description('make disk images, look at them, convert, check and resize them')
  for (const command of commands) all.addCommand(command)
  all.on('command:*', ([name]: string[]) => {
    throw unknownCommand(
      name,
      commands.map((one) => one.name()),
    )
  })
  return all.addHelpText('after', () => paragraphs(HELP))
}

const HELP = `
Formats are raw, qcow2, vmdk, vdi, vpc (VHD) and vhdx; raw and qcow2 are written, the others read. An image is what its
first bytes say, unless -f says otherwise.`

function createCommand(): Command {
  return new Command('create')
    .description('make an empty image')
    .argument('[file]')
    .argument('[size]', 'as in 8G; with a backing file by default its size')
    .option('-f, --format <format>', 'raw or qcow2', 'raw')
    .option('-b, --backing <file>', 'what it shows where nothing was written (qcow2)')
    .option('-F, --backing-format <format>', "the backing file's format")
    .option('-u', 'the backing file need not be there')
    .addOption(optionsOption())
    .option('-q, --quiet', 'say nothing')
    .action(create)
}

interface CreateFlags {
  format: string
  backing?: string
  backingFormat?: string
  u?: boolean
  options: string[]
  quiet?: boolean
}

function create(file: string | undefined, sizeArgument: string | undefined, flags: CreateFlags): void {
  const format = writtenFormat(flags.format, '-f')
  if (asksForHelp(flags.options)) {
    process.stdout.write(optionsHelp(format))
    return
  }
  if (file === undefined)
    throw new UsageError('create needs a file, as in: bootwright image create -f qcow2 disk.qcow2 8G')
  const { size: sizeOption, backingFile, backingFormat, ...options } = imageOptions(flags.options, format)
  const backing = flags.backing ?? backingFile
  const kind = flags.backingFormat ?? backingFormat
  const sizeText = sizeArgument ?? sizeOption
  if (sizeArgument !== undefined && sizeOption !== undefined)
    throw new UsageError(`the size is said twice, '${sizeArgument}' and -o size=${sizeOption}; leave one of them out`)
  if (format === 'raw' && backing !== undefined)
    throw new UsageError('a raw image has no backing file; make a qcow2 one with -f qcow2')
  if (kind !== undefined && backing === undefined)
    throw new UsageError(`-F ${kind} is of a backing file, and there is none; name it with -b`)
  if (sizeText === undefined && (backing === undefined || flags.u))
    throw new UsageError(`'${file}' needs a size, as in: bootwright image create -f ${format} ${file} 8G`)
  const behind = backing === undefined || flags.u ? undefined : backingOf(file, backing, kind)
  if (behind?.files.some((one) => isSameFile(one, file)))
    throw new UsageError(`'${file}' is a part of its own backing file; name another file`)
  const size = sizeText === undefined ? (behind?.size as number) : diskSize(sizeText)
  checkOutputFile(file)
  const whole = {
    ...{ ...options, size },
    ...(backing !== undefined && { backingFile: backing, backingFormat: behind?.format ?? readFormat(kind, '-F') }),
  }
  guarded(file, true, () => createImage(file, format, whole).close())
  say(flags, `${file}: ${format}, ${sizeWords(size)}`)
}

/** What went well. */
function say({ quiet }: { quiet?: boolean }, words: string): void {
  if (!quiet) process.stdout.write(`${words}\n`)
}

function backingOf(file: string, backing: string, named: string | undefined) {
  const path = guarded(file, true, () => backingPath(file, backing))
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

interface OutputFlags {
  json?: boolean
  output?: string
}

const asJson = ({ json, output }: OutputFlags) => json || output === 'json'

interface InfoFlags extends OutputFlags {
  format?: string
  backingChain?: boolean
  forceShare?: boolean
}

function infoCommand(): Command {
  return new Command('info')
    .description('say what an image is')
    .argument('<file>')
    .option('-f, --format <format>', 'its format, in place of what it looks like')
    .option('--backing-chain', 'and what the images behind it are')
    .option('-U, --force-share', 'even while it is being written')
    .option('--json', 'print it as JSON, with the names of qemu-img')
    .addOption(outputOption())
    .action((file: string, flags: InfoFlags) => {
      const all = [imageInfo(file, readFormat(flags.format, '-f'), flags)]
      for (let behind = flags.backingChain ? backingIn(all[0]) : undefined; behind; ) {
        const info = imageInfo(behind.path, behind.format, flags)
        all.push(info)
        behind = backingIn(info)
      }
      if (asJson(flags)) printJson(flags.backingChain ? all : all[0])
      else process.stdout.write(all.map(infoWords).join('\n'))
    })
}

type ImageInfo = ReturnType<typeof imageInfo>

function imageInfo(path: string, named: DiskFormat['name'] | undefined, { forceShare }: InfoFlags) {
  const { device, format } = openMedium(path, { as: 'disk', format: named, unlocked: forceShare })
  const { size } = device
  device.close()
  const header =
    format === 'qcow2'
      ? guarded(path, false, () => withFile(path, { unlocked: forceShare }, (file) => readHeader(file)))
      : undefined
  const { backingFile, backingFormat } = header ?? {}
  return {
    'virtual-size': size,
    filename: path,
    format,
    'actual-size': statSync(path).blocks * 512,
    ...(header && {
      'cluster-size': 2 ** header.clusterBits,
      ...(backingFile !== undefined && {
        'backing-filename': backingFile,
        'full-backing-filename': backingPath(path, backingFile),
      }),
      ...(backingFormat !== undefined && { 'backing-filename-format': backingFormat }),
      'format-specific': {
        type: 'qcow2',
        data: {
          compat: header.version === 3 ? '1.1' : '0.10',
          'compression-type': 'zlib',
          ...(header.version === 3 && { 'lazy-refcounts': (header.compatible & LAZY_REFCOUNTS) !== 0 }),
          'refcount-bits': 2 ** header.refcountOrder,
          ...(header.version === 3 && { corrupt: isMarkedCorrupt(header), 'extended-l2': false }),
        },
      },
    }),
    'dirty-flag': header !== undefined && (header.incompatible & DIRTY) !== 0,
  }
}

function backingIn(info: ImageInfo) {
  const path = info['full-backing-filename']
  if (path === undefined) return undefined
  return { path, format: readFormat(info['backing-filename-format'], `${info.filename}: backing format`) }
}

/** In qemu-img's own lines, as scripts look for them. */
function infoWords(info: ImageInfo): string {
  const { 'backing-filename': backing, 'full-backing-filename': whole, 'format-specific': own } = info
  const row = (name: string, value: unknown, indent = '') =>
    value === undefined ? [] : [`${indent}${name}: ${value}\n`]
  return [
    row('image', info.filename),
    row('file format', info.format),
    row('virtual size', sizeWords(info['virtual-size'])),
    row('disk size', sizeWords(info['actual-size']).replace(/ \(.*/, '')),
    info['dirty-flag'] ? ['cleanly shut down: no\n'] : [],
    row('cluster_size', info['cluster-size']),
    row('backing file', backing !== whole ? `${backing} (actual path: ${whole})` : backing),
    row('backing file format', info['backing-filename-format']),
    own ? ['Format specific information:\n'] : [],
    ...Object.entries(own?.data ?? {}).map(([name, value]) => row(name.replaceAll('-', ' '), value, '    ')),
  ]
    .flat()
    .join('')
}

interface ConvertFlags {
  format?: string
  outputFormat: string
  options: string[]
  progress?: boolean
  quiet?: boolean
}

function convertCommand(): Command {
  return new Command('convert')
    .description('write the contents of an image to a new one')
    .argument('[from]')
    .argument('[to]')
    .option('-f, --format <format>', "the first one's format, in place of what it looks like")
    .option('-O, --output-format <format>', 'raw or qcow2', 'raw')
    .addOption(optionsOption())
    .option('-p, --progress', 'say how far it is')
    .option('-q, --quiet', 'say nothing')
    .action(convert)
}

function convert(from: string | undefined, to: string | undefined, flags: ConvertFlags): void {
  const format = writtenFormat(flags.outputFormat, '-O')
  if (asksForHelp(flags.options)) {
    process.stdout.write(optionsHelp(format))
    return
  }
  if (from === undefined || to === undefined)
    throw new UsageError('convert needs two files, as in: bootwright image convert -O qcow2 disk.vmdk disk.qcow2')
  const { size, backingFile, backingFormat, ...options } = imageOptions(flags.options, format)
  if (size !== undefined) throw new UsageError("-o size: a copy is as large as what it is of; 'resize' makes it larger")
  if (backingFile !== undefined || backingFormat !== undefined)
    throw new UsageError("-o backing_file: what is converted has none; 'create -b' makes an image that has one")
  if (isSameFile(from, to)) throw new UsageError(`'${to}' is the image itself; name another file`)
  checkOutputFile(to)
  const { device } = openMedium(from, { as: 'disk', format: readFormat(flags.format, '-f') })
  const tell = (done: number) => process.stdout.write(`    (${((100 * done) / device.size).toFixed(2)}/100%)\r`)
  try {
    guarded(to, true, () => copyDisk(device, to, format, options, flags.progress && !flags.quiet ? tell : undefined))
  } finally {
    device.close()
  }
  if (flags.progress) say(flags, '    (100.00/100%)')
}

/** qemu-img's exit codes of `check`, so that 2 and 3 say what was found and nothing else. */
const CHECK = { failed: 1, corrupt: 2, leaks: 3, unsupported: 63 } as const

interface CheckFlags extends OutputFlags {
  format?: string
  quiet?: boolean
}

function checkCommand(): Command {
  return new Command('check')
    .description(
      'say whether a qcow2 image is sound: exit code 0, 2 where it is not, 3 where only room is lost, 1 where it ' +
        'cannot be read, 63 for other formats',
    )
    .argument('<file>')
    .option('-f, --format <format>', 'its format, in place of what it looks like')
    .option('--json', 'print it as JSON, with the names of qemu-img')
    .addOption(outputOption())
    .option('-q, --quiet', 'say nothing')
    .action(check)
}

function check(file: string, flags: CheckFlags): void {
  const named = readFormat(flags.format, '-f')
  let found: Qcow2Check | undefined
  try {
    found = guarded(file, false, () =>
      withFile(file, {}, (open) => ((named ?? probeFile(open).name) === 'qcow2' ? checkQcow2(open) : undefined)),
    )
  } catch (error) {
    complain(error)
    process.exitCode = CHECK.failed
    return
  }
  if (!found) {
    complain(new UsageError(`'${file}' is no qcow2 image; images of other formats have nothing to check`))
    process.exitCode = CHECK.unsupported
    return
  }
  const { corruptions, leaks, findings } = found
  if (asJson(flags))
    printJson({
      ...{ filename: file, format: 'qcow2', 'check-errors': 0, 'image-end-offset': found.endOffset },
      ...{ 'total-clusters': found.totalClusters, 'allocated-clusters': found.allocatedClusters },
      ...{ 'compressed-clusters': found.compressedClusters, corruptions, leaks },
    })
  else say(flags, [...findings, checkWords(corruptions, leaks), ...usageWords(found)].join('\n'))
  if (corruptions > 0) process.exitCode = CHECK.corrupt
  else if (leaks > 0) process.exitCode = CHECK.leaks
}

function checkWords(corruptions: number, leaks: number): string {
  if (corruptions > 0) return `${corruptions} errors were found on the image; repair it with 'qemu-img check -r all'`
  if (leaks > 0) return `${leaks} leaked clusters were found on the image: room is lost, and no data`
  return 'No errors were found on the image.'
}

function usageWords({ totalClusters, allocatedClusters, compressedClusters, endOffset }: Qcow2Check): string[] {
  const percent = (part: number, of: number) => `${((100 * part) / Math.max(of, 1)).toFixed(2)}%`
  return [
    `${allocatedClusters}/${totalClusters} = ${percent(allocatedClusters, totalClusters)} allocated, ` +
      `${percent(compressedClusters, allocatedClusters)} compressed clusters`,
    `Image end offset: ${endOffset}`,
  ]
}

interface ResizeFlags {
  format?: string
  shrink?: boolean
  quiet?: boolean
  preallocation?: string
}

function resizeCommand(): Command {
  return (
    new Command('resize')
      .description('make the disk of a raw or qcow2 image larger, or smaller with --shrink')
      .argument('[file]')
      .argument('[size]', 'as in 16G, +8G or -8G')
      .option('-f, --format <format>', 'its format, in place of what it looks like')
      .option('--shrink', 'what is behind the new end may be lost')
      .option('-q, --quiet', 'say nothing')
      .addOption(new Option('--preallocation <mode>').hideHelp())
      // A size may begin with a minus.
      .allowUnknownOption()
      .allowExcessArguments()
      .action((_file, _size, flags: ResizeFlags, command: Command) => resize(command.args, flags))
  )
}

const SHRINKS = /^-[\d.]/

function resize(args: readonly string[], flags: ResizeFlags): void {
  const unknown = args.find((one) => one.startsWith('-') && !SHRINKS.test(one))
  if (unknown !== undefined) {
    const near = nearest(unknown, ['--shrink', '--format', '--quiet'])
    const hint = near ? `did you mean ${near}?` : "'bootwright image resize --help' shows what there is"
    throw new UsageError(`unknown option '${unknown}'; ${hint}`)
  }
  if (args.length !== 2)
    throw new UsageError('resize needs a file and a size, as in: bootwright image resize disk.qcow2 +8G')
  const [file, sizeText] = args
  if ((flags.preallocation ?? 'off') !== 'off')
    throw new UsageError(`--preallocation ${flags.preallocation}: room is taken when it is written; leave it out`)
  const { device, format } = openMedium(file, { as: 'disk', format: readFormat(flags.format, '-f') })
  const before = device.size
  device.close()
  const size = newSize(sizeText, before)
  if (size < before && !flags.shrink)
    throw new UsageError(`${sizeWords(size)} is less than it has, and what is behind is lost; say --shrink for that`)
  if (format !== 'raw' && format !== 'qcow2')
    throw new UsageError(`'${file}' is a ${format} image, and those are only read here; convert it first`)
  guarded(file, true, () =>
    withFile(file, { write: true }, (open) => {
      if (format === 'raw') open.truncate(size)
      else {
        const image = new Qcow2Image(open, (name, kind) => {
          return openMedium(backingPath(file, name), { as: 'disk', format: readFormat(kind, '-F') }).device
        })
        image.resize(size)
        image.backing?.close()
      }
    }),
  )
  say(flags, `${file}: ${sizeWords(size)}`)
}

/** `16G`, or `+8G` and `-8G` from what it is. */
function newSize(text: string, before: number): number {
  if (!/^[+-]/.test(text)) return diskSize(text)
  const by = diskSize(text.slice(1))
  const size = text.startsWith('-') ? before - by : before + by
  if (size <= 0)
    throw new UsageError(`'${text}' is all that it has and more, which is ${sizeWords(before)}; take away less`)
  if (size > LARGEST_DISK)
    throw new UsageError(`'${text}' would make it ${sizeWords(size)}; disks have up to 2 TiB here`)
  return size
}

function withFile<T>(path: string, options: { write?: boolean; unlocked?: boolean }, action: (file: HostFile) => T): T {
  const file = new HostFile(path, options)
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
