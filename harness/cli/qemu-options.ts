/**
 * QEMU's own options for what `run` and `codegen` have as well, so that what its users' hands know works:
 * `bootwright run -hda disk.img -cdrom install.iso -boot d -m 512 -nographic`.
 */
import { UsageError } from './errors.js'

/** QEMU's debug-exit device where this machine has it. */
const DEBUG_EXIT = /^isa-debug-exit(,iobase=0xf4)?(,iosize=(0x0?[1248]|[1248]))?$/

const toFloppy = (file: string) => ['--floppy', file]
const toDisk = (file: string) => ['--disk', file]
const same = (option: string) => (value: string) => [`--${option}`, value]

const SAME = ['cdrom', 'kernel', 'initrd', 'append', 'boot', 'cpu', 'smp', 'vnc']
const OWN = [...SAME, 'serial', 'debugcon', 'snapshot']

/** By name without its dash: what stands for the option and its value. */
const WITH_VALUE: { readonly [name: string]: (value: string) => string[] } = {
  ...{ fda: toFloppy, fdb: toFloppy, hda: toDisk, hdb: toDisk, hdc: toDisk, hdd: toDisk },
  ...Object.fromEntries(SAME.map((name) => [name, same(name)])),
  drive: (value) => drive(value),
  serial: (value) => characters('serial', value),
  debugcon: (value) => characters('debugcon', value),
  accel: (value) => ['--engine', value.split(',')[0] === 'tcg' ? 'soft' : value.split(',')[0]],
  display: (value) => (value.startsWith('vnc=') ? ['--vnc', value.slice(4)] : only('display', value, /^none$/)),
  device: (value) => only('device', value, DEBUG_EXIT),
  machine: (value) => only('machine', value, /^(pc|pc-i440fx-[\d.]+)$/),
  M: (value) => only('M', value, /^(pc|pc-i440fx-[\d.]+)$/),
  vga: (value) => only('vga', value, /^std$/),
  monitor: (value) => only('monitor', value, /^none$/),
}

const ALONE: { readonly [name: string]: readonly string[] } = {
  nographic: ['--serial', 'stdio'],
  'enable-kvm': ['--engine', 'kvm'],
  'no-reboot': ['--until-exit'],
  // Nothing is written without --write.
  snapshot: [],
}

/**
 * The arguments with QEMU's options in this command's words. Throws a UsageError for a value that this machine has not.
 *
 * @param takesValue Of this command's own options, by name with its dashes: what follows them is left alone.
 */
export function fromQemu(args: readonly string[], takesValue: (option: string) => boolean): string[] {
  const translated: string[] = []
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]
    const name = nameOf(arg)
    if (name !== undefined && Object.hasOwn(ALONE, name)) translated.push(...ALONE[name])
    else if (name !== undefined && Object.hasOwn(WITH_VALUE, name)) {
      const value = args[++i]
      if (value === undefined)
        throw new UsageError(`${arg} needs a value, as in QEMU; 'bootwright run --help' shows what there is`)
      translated.push(...WITH_VALUE[name](value))
    } else {
      translated.push(arg)
      if (takesValue(arg) && i + 1 < args.length) translated.push(args[++i])
    }
  }
  return translated
}

/** QEMU takes one dash or two; with two, a name that is this command's own is that. */
function nameOf(arg: string): string | undefined {
  const [, dashes, name] = /^(--?)([a-zA-Z][\w-]*)$/.exec(arg) ?? []
  return dashes === '--' && OWN.includes(name) ? undefined : name
}

/** What this machine is anyway. */
function only(option: string, value: string, known: RegExp): string[] {
  if (known.test(value)) return []
  throw new UsageError(`-${option} ${value} is nothing that this machine has; leave it out`)
}

/** `stdio`, `mon:stdio`, `file:out.txt`, `none`. */
function characters(option: string, value: string): string[] {
  if (value === 'none') return []
  if (value === 'stdio' || value === 'mon:stdio') return [`--${option}`, 'stdio']
  if (value.startsWith('file:')) return [`--${option}`, value.slice(5)]
  throw new UsageError(`-${option} ${value} is not known here; it takes stdio, file:PATH or none`)
}

/** `file=disk.img,format=raw,if=ide,media=cdrom`. */
function drive(value: string): string[] {
  const given = new Map(value.split(',').map((part) => part.split(/=(.*)/s, 2) as [string, string]))
  const file = given.get('file')
  if (!file) throw new UsageError(`-drive ${value} names no image; add file=PATH`)
  const format = given.get('format') ?? 'raw'
  if (format !== 'raw') throw new UsageError(`-drive ${value}: images are raw here; convert it with qemu-img`)
  const bus = given.get('if') ?? 'ide'
  if (bus === 'floppy') return toFloppy(file)
  if (bus !== 'ide') throw new UsageError(`-drive ${value}: drives here are ide or floppy, not ${bus}`)
  return given.get('media') === 'cdrom' ? ['--cdrom', file] : toDisk(file)
}
