/** QEMU's `-device` and `-vga` in words: `isa-debug-exit,iobase=0x501,id=exit`. */
import * as z from 'zod'
import { chosenOptions, DEVICE_TYPES, type DeviceSpec, deviceTypeNamed } from '../../machine/devices/catalogue.js'
import { nearest } from '../words/nearest.js'
import { OptionError } from './option-error.js'

/** A device as `launch()` and guests take it. */
export type DeviceWords = string | DeviceSpec

const OptionValue = z.union([z.string(), z.number(), z.boolean()])
export const DeviceValue = z
  .union([
    z.string(),
    z.strictObject({
      type: z.string(),
      id: z.string().optional(),
      options: z.record(z.string(), OptionValue).optional(),
    }),
  ])
  .describe("a device as in 'isa-debug-exit,iobase=0x501', or { type, id, options }")

/** As files name it. */
export const SavedDevice = z.object({
  type: z.string().max(64),
  id: z.string().max(64).optional(),
  options: z.record(z.string().max(64), z.union([z.string().max(4096), z.number(), z.boolean()])).optional(),
})

/** Buses whose devices come with their media. */
const DRIVES = ['ide', 'floppy']

function typesOf(category: string): string {
  return DEVICE_TYPES.filter((type) => type.category === category)
    .map(({ type }) => type)
    .join(', ')
}

/** QEMU's options that are said otherwise here, or not at all. */
const INSTEAD: { readonly [option: string]: string } = {
  bootindex: '--boot says what is booted first, as in --boot n',
  addr: 'its slot follows from the order of the devices; leave it out',
  rombar: 'romfile= alone leaves its ROM out',
}

/** Families of QEMU's that this machine lacks, and what to do in their place. */
const LACKING: readonly [family: RegExp, words: string][] = [
  [/usb|hci/, 'this machine has no USB; its keyboard and mouse are PS/2, so leave it out'],
  [/^(e1000e|igb|i8255|tulip|vmxnet)/, `this machine has no such network card yet; it has ${typesOf('Network')}`],
  [
    /^(ac97|sb16|intel-hda|hda-|es1370|adlib|gus|cs4231a|ich9-intel|virtio-sound)/i,
    'this machine has no such sound card yet; leave it out',
  ],
  [/^scsi-cd/, 'the CD drive here is an IDE one; give the image by --cdrom'],
  [/^scsi-/, 'SCSI disks here are scsi-hd; give the image by --drive file=F,if=scsi'],
]

/** Other names that QEMU has for types: its aliases, and virtio's without the bus or with a generation, of which the guest takes one. */
export function typeNamed(name: string, known: readonly string[]): string {
  if (name === 'ich9-ahci') return 'ahci'
  const whole = name.replace(/^(virtio-\w+?)(-pci)?(-non-transitional|-transitional)?$/, '$1-pci')
  return !known.includes(name) && known.includes(whole) ? whole : name
}

/**
 * QEMU's names of a device's place. `bus=pci.0` is the one PCI bus that there is; `bus=ide.1,unit=0` is the secondary master;
 * `bus=ahci.2` is the third port of the adapter whose id stands there; a SCSI disk is on the one adapter that there is.
 */
function placed({ type, options, ...rest }: DeviceSpec): DeviceSpec {
  const { bus, ...onBus } = options ?? {}
  const { unit = 0, channel, ...others } = onBus
  const [, adapter, number] = /^([\w-]+)\.(\d)$/.exec(String(bus)) ?? []
  if (number === undefined) return { type, ...(options && { options }), ...rest }
  if (bus === 'pci.0') return { type, options: onBus, ...rest }
  if (type === 'scsi-hd') return { type, options: others, ...rest }
  if (type !== 'ide-hd') return { type, options, ...rest }
  if (adapter !== 'ide') return { type, options: { ...others, bus: 'sata', unit: Number(number) }, ...rest }
  if (Number(number) > 1 || !['0', '1'].includes(String(unit))) return { type, options, ...rest }
  return { type, options: { ...others, unit: Number(number) * 2 + Number(unit) }, ...rest }
}

/**
 * The device, its type known and its options right.
 *
 * @param others Words that are said with it and are none of its type's, for the sentence.
 * @throws OptionError
 */
export function readDevice(words: DeviceWords, where: string, others: readonly string[] = []): DeviceSpec {
  const given = typeof words === 'string' ? parseDeviceWords(words, where) : words
  const known = DEVICE_TYPES.map(({ type }) => type)
  const spec = placed({ ...given, type: typeNamed(given.type, known) })
  const what = `${where} ${typeof words === 'string' ? words : given.type}`
  if (!known.includes(spec.type)) {
    const lacking = LACKING.find(([family]) => family.test(spec.type))
    if (lacking) throw new OptionError(`${what}: ${lacking[1]}`)
    const near = nearest(spec.type, known)
    throw new OptionError(
      `${what}: this machine has no device type '${spec.type}'; ${near ? `did you mean '${near}'? ` : ''}` +
        "'bootwright devices' lists them",
    )
  }
  const type = deviceTypeNamed(spec.type)
  if (DRIVES.includes(type.bus) && spec.options?.drive === undefined)
    throw new OptionError(
      `${what}: drives come with their media; give the image by --drive, --disk, --cdrom or --floppy, or name a disk by drive=`,
    )
  const names = Object.keys(type.options)
  if (spec.options && 'chardev' in spec.options && !names.includes('chardev'))
    throw new OptionError(`${what}: the device is there; --serial FILE or --debugcon FILE keeps what it says`)
  for (const option of Object.keys(spec.options ?? {})) {
    if (names.includes(option)) continue
    const all = [...others, ...names.filter((name) => !others.includes(name))]
    const near = nearest(option, all)
    const there = near ? `did you mean '${near}'?` : all.length > 0 ? `options are ${all.join(', ')}` : 'it has none'
    const why = Object.hasOwn(INSTEAD, option) ? INSTEAD[option] : there
    throw new OptionError(`${what}: ${spec.type} has no option '${option}'; ${why}`)
  }
  const read = chosenOptions(type, spec.options)
  if ('chosen' in read) return spec
  const { option, must } = read.misfit
  const value = spec.options?.[option]
  throw new OptionError(
    value === undefined
      ? `${what} needs ${option}; it must be ${must}`
      : `${what}: ${option} is '${value}'; it must be ${must}`,
  )
}

/** @param what It is, for the sentence. Throws an OptionError. */
export function parseDeviceWords(text: string, where: string, what = 'device'): DeviceSpec {
  if (text.startsWith('{')) throw new OptionError(`${where} ${text}: JSON is not taken; write TYPE,OPTION=VALUE`)
  const [type, ...parts] = commaParts(text)
  if (!type) throw new OptionError(`${where} '${text}' names no ${what}; 'bootwright devices' lists them`)
  const options: { [option: string]: string } = {}
  let id: string | undefined
  for (const part of parts) {
    const [name, value] = part.split(/=(.*)/s, 2)
    if (value === undefined)
      throw new OptionError(`${where} ${text}: '${part}' has no value; write ${part || 'OPTION'}=VALUE`)
    if (name in options || (name === 'id' && id !== undefined))
      throw new OptionError(`${where} ${text} has ${name} twice`)
    if (name === 'id') id = value
    else options[name] = value
  }
  return { type, ...(id !== undefined && { id }), ...(parts.length > 0 && { options }) }
}

/** QEMU's lists: commas part, and a comma doubled stands for itself. */
export function commaParts(text: string): string[] {
  return text
    .replaceAll(',,', '\0')
    .split(',')
    .map((part) => part.replaceAll('\0', ','))
}

/** Parts as such a list. */
export function joined(parts: readonly string[]): string {
  return parts.map((part) => part.replaceAll(',', ',,')).join(',')
}

/** QEMU's short words for display adapters. */
const VGA_WORDS: { readonly [word: string]: string } = { std: 'VGA', cirrus: 'cirrus-vga', none: 'none' }

/** Words and types that `--vga` takes here. */
export function vgaNames(): string[] {
  const displays = DEVICE_TYPES.filter(({ category }) => category === 'Display').map(({ type }) => type)
  const words = Object.keys(VGA_WORDS).filter((word) => word === 'none' || displays.includes(VGA_WORDS[word]))
  return [...words, ...displays.filter((type) => !words.some((word) => VGA_WORDS[word] === type))]
}

/**
 * The display adapter's type, or `none`.
 * @throws OptionError
 */
export function readVga(word: string, where: string): string {
  const type = VGA_WORDS[word] ?? word
  const names = vgaNames()
  if (type === 'none' || DEVICE_TYPES.some((known) => known.type === type && known.category === 'Display')) return type
  const near = nearest(word, names)
  throw new OptionError(
    `${where} '${word}' is no display adapter of this machine; ${near ? `did you mean '${near}'? ` : ''}it has ${names.join(', ')}`,
  )
}
