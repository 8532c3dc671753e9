/** The words of `qemu-img` that `bootwright image` shares: formats, sizes, lists of options, and what it leaves to qemu-img. */
import { type Command, Option } from 'commander'
import type { WrittenFormat } from '../../machine/media/copy-disk.js'
import { type DiskFormat, FORMAT_NAMES, formatNamed } from '../../machine/media/disk-format.js'
import type { Qcow2Options } from '../../machine/media/qcow2/create.js'
import { LARGEST_DISK } from '../options/drive-words.js'
import { nearest } from '../words/nearest.js'
import { UsageError } from './errors.js'

const WRITTEN: readonly WrittenFormat[] = ['raw', 'qcow2']

export function readFormat(name: string | undefined, option: string): DiskFormat['name'] | undefined {
  if (name === undefined) return undefined
  if (FORMAT_NAMES.some((known) => known === name)) return formatNamed(name)?.name
  const near = nearest(name, FORMAT_NAMES)
  throw new UsageError(
    `${option} '${name}' is no format of images here; ${near ? `did you mean '${near}'?` : `there are ${FORMAT_NAMES.join(', ')}`}`,
  )
}

export function writtenFormat(name: string, option: string): WrittenFormat {
  const found = WRITTEN.find((known) => known === name)
  if (found) return found
  readFormat(name, option)
  throw new UsageError(`${option} ${name}: images of that format are only read here; write raw or qcow2`)
}

/** In bytes where there is no unit; hexadecimal without one, as qemu-img has it. */
function byteSize(text: string): number {
  if (/^0x[\da-f]+$/i.test(text.trim())) return Number(text)
  const [, amount, unit] = /^(\d+(?:\.\d*)?|\.\d+)\s*([bkmgtpe]?)(?:i?b)?$/i.exec(text.trim()) ?? []
  if (amount === undefined) throw new UsageError(`'${text}' is no size; write bytes, or a unit as in 512M, 8G or 1T`)
  const power = ['', 'k', 'm', 'g', 't', 'p', 'e'].indexOf(unit.toLowerCase().replace('b', ''))
  return Number(amount) * 1024 ** power
}

/** Of a disk, in whole sectors. */
export function diskSize(text: string): number {
  const size = Math.ceil(byteSize(text) / 512) * 512
  if (size < 512 || size > LARGEST_DISK)
    throw new UsageError(`'${text}' is no size of a disk; those are 512 bytes to 2T`)
  return size
}

export function sizeWords(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  const power = Math.min(4, Math.max(0, Math.floor(Math.log2(Math.max(bytes, 1)) / 10)))
  const amount = bytes / 1024 ** power
  return `${amount >= 100 ? Math.round(amount) : Number(amount.toPrecision(3))} ${units[power]} (${bytes} bytes)`
}

/** What -o says of a new image. */
export interface ImageOptions extends Omit<Qcow2Options, 'size'> {
  size?: string
}

interface ImageOption {
  help: string
  /** qcow2's alone. */
  ofQcow2?: boolean
  read(value: string, wrong: (words: string) => UsageError): ImageOptions
}

const TRUE = ['on', 'yes', 'true', 'y']
const FALSE = ['off', 'no', 'false', 'n']

/** What is written anyway may be said. */
function fixed(value: string, help: string, ofQcow2 = true): ImageOption {
  return {
    ...{ help: `${help}: ${value}`, ofQcow2 },
    read(given, wrong) {
      if (given === value || (value === 'off' && FALSE.includes(given))) return {}
      throw wrong(`it is ${value} here; leave it out, or make the image with qemu-img`)
    },
  }
}

function log2(number: number, least: number, most: number, error: UsageError): number {
  const bits = Math.log2(number)
  if (!Number.isInteger(bits) || bits < least || bits > most) throw error
  return bits
}

/** qemu-img's names. */
const IMAGE_OPTIONS: { readonly [name: string]: ImageOption } = {
  size: { help: "the disk's size, in place of the argument", read: (size) => ({ size }) },
  backing_file: { help: 'as -b', ofQcow2: true, read: (backingFile) => ({ backingFile }) },
  backing_fmt: { help: 'as -F', ofQcow2: true, read: (backingFormat) => ({ backingFormat }) },
  cluster_size: {
    ...{ help: 'a power of two from 512 to 2M; 64k', ofQcow2: true },
    read: (value, wrong) => ({
      clusterBits: log2(byteSize(value), 9, 21, wrong('it is a power of two from 512 to 2M')),
    }),
  },
  refcount_bits: {
    ...{ help: '1, 2, 4, 8, 16, 32 or 64; 16', ofQcow2: true },
    read: (value, wrong) => ({ refcountOrder: log2(Number(value), 0, 6, wrong('it is 1, 2, 4, 8, 16, 32 or 64')) }),
  },
  compat: {
    ...{ help: '0.10 (v2) or 1.1 (v3); 1.1', ofQcow2: true },
    read(value, wrong) {
      if (!['0.10', '1.1', 'v2', 'v3'].includes(value)) throw wrong('it is 0.10 or 1.1')
      return { version: value === '0.10' || value === 'v2' ? 2 : 3 }
    },
  },
  lazy_refcounts: {
    ...{ help: 'on or off; off', ofQcow2: true },
    read(value, wrong) {
      if (![...TRUE, ...FALSE].includes(value)) throw wrong('it is on or off')
      return { lazyRefcounts: TRUE.includes(value) }
    },
  },
  preallocation: fixed('off', 'room is taken when it is written', false),
  nocow: fixed('off', "no attribute of the host's file system", false),
  compression_type: fixed('zlib', 'of compressed clusters, which are read'),
  extended_l2: fixed('off', 'no subclusters'),
}

const namesFor = (format: WrittenFormat) =>
  Object.keys(IMAGE_OPTIONS).filter((name) => format === 'qcow2' || !IMAGE_OPTIONS[name].ofQcow2)

/** What `-o help` asks for. */
export function asksForHelp(lists: readonly string[]): boolean {
  return lists.flatMap((list) => list.split(',')).some((part) => part === 'help' || part === '?')
}

export function optionsHelp(format: WrittenFormat): string {
  const rows = namesFor(format).map((name) => `  ${name.padEnd(16)} ${IMAGE_OPTIONS[name].help}\n`)
  return `Options of ${format} images, for -o NAME=VALUE,…:\n${rows.join('')}`
}

/** @param lists Of each -o. */
export function imageOptions(lists: readonly string[], format: WrittenFormat): ImageOptions {
  const options: ImageOptions = {}
  for (const list of lists)
    for (const part of list.split(',')) {
      if (part === '') throw new UsageError(`-o '${list}' has an empty part; write it as cluster_size=64k,compat=1.1`)
      const at = part.indexOf('=')
      const name = at < 0 ? part : part.slice(0, at)
      const wrong = (words: string) => new UsageError(`-o ${part}: ${words}`)
      const option = Object.hasOwn(IMAGE_OPTIONS, name) ? IMAGE_OPTIONS[name] : undefined
      const names = namesFor(format)
      if (!option) {
        const near = nearest(name, names)
        throw wrong(near ? `did you mean ${near}?` : `options of ${format} images are ${names.join(', ')}`)
      }
      if (!names.includes(name)) throw wrong('a raw image has no such option; make a qcow2 one')
      // Alone it is a switch that is on.
      const value = at < 0 && name === 'lazy_refcounts' ? 'on' : part.slice(at + 1)
      if (value === '' || (at < 0 && value === part)) throw wrong(`it needs a value, as in ${name}=…`)
      Object.assign(options, option.read(value, wrong))
    }
  if (options.version === 2 && ((options.refcountOrder ?? 4) !== 4 || options.lazyRefcounts))
    throw new UsageError('-o compat=0.10 has reference counts of 16 bits, and none that are lazy; leave the others out')
  return options
}

/** `-o` may be given more than once. */
export function optionsOption(): Option {
  return new Option('-o, --options <list>', "the new image's, as in cluster_size=64k,compat=1.1; -o help lists them")
    .argParser((list: string, before: string[]) => [...before, list])
    .default([], 'none')
}

/** `--json`, and as qemu-img says it. */
export function outputOption(): Option {
  return new Option('--output <how>', 'human or json').argParser((how: string) => {
    if (how !== 'human' && how !== 'json') throw new UsageError(`--output '${how}': it is human or json`)
    return how
  })
}

const BY_PATH = 'an image is named by its path here; give that'
const COPIES = 'each image is copied whole into a new one; leave it out, or use qemu-img'

/** qemu-img's options that a command does not have: what to do in their place. */
const REFUSED: { readonly [command: string]: { readonly [flags: string]: string } } = {
  create: { '--object <what>': BY_PATH },
  info: { '--object <what>': BY_PATH, '--image-opts': BY_PATH },
  convert: {
    '-c': 'compressed clusters are read here and not written; leave it out, or use qemu-img',
    '-B <file>': "what is converted has no backing file; 'create -b' makes an image that has one",
    '-F <format>': "what is converted has no backing file; 'create -b' makes an image that has one",
    '-l <snapshot>': 'snapshots within an image are not read here; use qemu-img',
    ...{ '-n': COPIES, '-C': COPIES, '--salvage': COPIES, '--bitmaps': COPIES, '--target-is-zero': COPIES },
    ...{ '--object <what>': BY_PATH, '--image-opts': BY_PATH, '--target-image-opts': BY_PATH },
    '-U, --force-share': 'an image that is being written is not copied here; wait until that has ended',
  },
  check: {
    '-r <what>': "images are not repaired here; 'qemu-img check -r' does it",
    '-U, --force-share': 'an image that is being written is never sound; wait until that has ended',
    ...{ '--object <what>': BY_PATH, '--image-opts': BY_PATH },
  },
  resize: { '--object <what>': BY_PATH, '--image-opts': BY_PATH },
}

/** Those that concern the host's speed alone. */
const WITHOUT_EFFECT: { readonly [command: string]: readonly string[] } = {
  convert: ['-W', '-m <number>', '-t <cache>', '-T <cache>', '-S <size>', '-r <rate>'],
  check: ['-T <cache>'],
}

/** A subcommand with the options that people know from qemu-img. */
export function asQemuImg(command: Command): Command {
  const name = command.name()
  for (const [flags, words] of Object.entries(REFUSED[name] ?? {})) {
    const option = new Option(flags).hideHelp()
    command.addOption(option)
    command.on(`option:${option.name()}`, () => {
      throw new UsageError(`${option.short ?? option.long}: ${words}`)
    })
  }
  for (const flags of WITHOUT_EFFECT[name] ?? []) command.addOption(new Option(flags).hideHelp())
  return command
}

/** qemu-img's other commands. */
const ELSEWHERE = ['amend', 'bench', 'bitmap', 'commit', 'compare', 'dd', 'map', 'measure', 'rebase', 'snapshot']

export function unknownCommand(name: string, commands: readonly string[]): UsageError {
  if (ELSEWHERE.includes(name))
    return new UsageError(`'${name}' is left to qemu-img; 'bootwright image' has ${commands.join(', ')}`)
  const near = nearest(name, commands)
  return new UsageError(
    `'bootwright image' has no command '${name}'; ${near ? `did you mean '${near}'?` : `there are ${commands.join(', ')}`}`,
  )
}
