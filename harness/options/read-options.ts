/** What the surfaces do with the table of options: the command line, `launch()`, guests, snapshots, stages, the matrix. */
import * as z from 'zod'
import { schemaWords } from '../../reports/schema-words.js'
import type { KernelConfig, MachineConfig } from '../config/machine-config.js'
import { nearest } from '../words/nearest.js'
import type { DeviceWords } from './device-words.js'
import { parseDrive, placeDrives, type Typed } from './drive-words.js'
import {
  type Flag,
  MACHINE_OPTIONS,
  MACHINE_ROWS,
  type MachineOption,
  type MachineOptionName,
  type MachinePart,
  type MachineValues,
} from './machine-spec.js'
import type { CdConfig, DiskConfig, MediumConfig } from './media-config.js'
import { networkOfFlags } from './network-words.js'
import { cardOfDevice, type NicWords } from './nic-words.js'
import { OptionError } from './option-error.js'
import { joinNetdevs } from './qemu-nic-words.js'

/** `--drive` says which of the drives' options is meant. */
export const DRIVE_FLAG = {
  long: '--drive',
  value: '<drive>',
  help: 'a drive: file=FILE, or size=8G for an empty disk, and after commas if=ide, virtio, scsi, ahci, floppy or none, index=N (or bus=N,unit=N), media=cdrom, readonly=on, snapshot=on, id=ID, format=, serial=',
  many: true,
  qemu: { drive: (value: string) => value },
} as const satisfies Flag

/** QEMU's other half of a card that `--device` plugs in. */
export const NETDEV_FLAG = {
  long: '--netdev',
  value: '<net>',
  help: "what a card of --device TYPE,netdev=ID is plugged into, in QEMU's words: user,id=ID is the LAN",
  many: true,
  qemu: { netdev: (value: string) => value },
} as const satisfies Flag

/** The other part of what the LAN serves. */
export const TFTP_FLAG = {
  long: '--tftp',
  value: '<folder>',
  help: 'a folder that the LAN serves by TFTP; behind commas bootfile= and efi-bootfile=, which DHCP tells',
} as const satisfies Flag

/** Flags that say something of several options, behind the one that they are most like. */
const BESIDE: { readonly [name in MachineOptionName]?: Flag } = {
  disks: DRIVE_FLAG,
  nic: NETDEV_FLAG,
  network: TFTP_FLAG,
}

/** All flags of the machine, in the order of help. */
export const FLAGS: readonly Flag[] = MACHINE_ROWS.flatMap(([name, { flag }]) => [flag, BESIDE[name] ?? []].flat())

/** Flags as commander hands them over, by attribute: `smp`, `disk`, `fdCheck`. */
export type Flags = { readonly [attribute: string]: unknown }

/** Commander's name for a flag's value. */
export function attributeOf(long: string): string {
  return long.replace(/^--(no-)?/, '').replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())
}

/** A flag as users know it: `-m`, `--smp`. */
export function flagName(name: MachineOptionName): string {
  const { flag } = MACHINE_OPTIONS[name]
  return flag.short ?? flag.long
}

export type FlagValues = MachineValues<Typed<MediumConfig>, Typed<DiskConfig>>

/**
 * The values of `launch()` for what was typed, drives in their places.
 * @throws OptionError
 */
export function flagValues(flags: Flags): FlagValues {
  const values: { [name: string]: unknown } = {}
  for (const [name, option] of MACHINE_ROWS) {
    const typed = flags[attributeOf(option.flag.long)]
    if (typed === undefined) continue
    if (option.flag.long.startsWith('--no-')) {
      if (typed === false) values[name] = false
      continue
    }
    const value = typedValue(option, typed as string | string[], flagName(name))
    if (value !== undefined) values[name] = value
  }
  let tftp = flags.tftp as string | undefined
  const netdevs = (flags.netdev ?? []) as string[]
  if (netdevs.length > 0) {
    const { nics, devices, tftp: joined } = joinNetdevs(netdevs, (values.devices ?? []) as string[], NETDEV_FLAG.long)
    values.nic = [...((values.nic ?? []) as string[]), ...nics]
    if (devices.length > 0) values.devices = devices
    else delete values.devices
    tftp ??= joined
  }
  if (values.network !== undefined || tftp !== undefined)
    values.network = networkOfFlags(values.network as string[] | undefined, tftp)
  const drives = ((flags.drive ?? []) as string[]).map((text) => ({ ...parseDrive(text, '--drive'), text }))
  const { floppy, cdrom, disks } = values as {
    floppy?: MediumConfig[]
    cdrom?: CdConfig
    disks?: DiskConfig[]
  }
  // Too many of them is told in their own words.
  readOptions({ ...(floppy && { floppy }), ...(disks && { disks }) }, flagName)
  return { ...values, ...placeDrives({ floppy, cdrom, disks }, drives, '--drive') }
}

function typedValue(option: MachineOption, typed: string | string[], where: string): unknown {
  if (option.schema === 'media') return Array.isArray(typed) ? typed.map((path) => ({ path })) : { path: typed }
  return Array.isArray(typed) || !option.fromText ? typed : option.fromText(typed, where)
}

/**
 * What these options say of a machine.
 *
 * @param nameOf What an option is called where it was given.
 * @throws OptionError
 */
export function readOptions(values: FlagValues, nameOf: (name: MachineOptionName) => string): MachinePart {
  for (const [name, { schema }] of MACHINE_ROWS) {
    const value = values[name]
    const wrong = value === undefined || schema === 'media' ? undefined : misfit(schema, value, nameOf(name))
    if (wrong !== undefined) throw new OptionError(wrong)
  }
  const whole = withCards(values, nameOf('devices'))
  let part: MachinePart = {}
  for (const [name, option] of MACHINE_ROWS) {
    const value = whole[name]
    if (value !== undefined) part = combine(part, option.read(value, nameOf(name)))
  }
  return part
}

/** Network cards among the devices are cards like those of `--nic`, with addresses of their own. */
function withCards(values: FlagValues, where: string): FlagValues {
  const given = [values.devices ?? []].flat() as DeviceWords[]
  const cards = given.map((device) => cardOfDevice(device, where))
  if (!cards.some((card) => card)) return values
  const { devices: _, ...rest } = values
  const others = given.filter((_, i) => !cards[i])
  const nic = [...([values.nic ?? []].flat() as NicWords[]), ...cards.flatMap((card) => card ?? [])]
  return { ...rest, ...(others.length > 0 && { devices: others }), nic }
}

/** What is wrong with a value, a sentence. */
export function misfit(schema: z.ZodType, value: unknown, whole: string): string | undefined {
  // Under the option's name, so that what is inside it is named by its whole path.
  const named = z.object({ [whole]: schema })
  const checked = named.safeParse({ [whole]: value })
  return checked.success ? undefined : schemaWords(named, { [whole]: value }, checked.error, { whole, nearest })
}

function combine(under: MachinePart, over: MachinePart): MachinePart {
  return {
    ...under,
    ...over,
    ...(over.kernel && { kernel: { ...under.kernel, ...over.kernel } }),
    ...(over.firmware && { firmware: { ...under.firmware, ...over.firmware } }),
  }
}

/** A machine with what was said to be otherwise: another kernel comes with an initrd and a command line of its own. */
export function withPart(machine: MachineConfig, part: MachinePart): MachineConfig {
  const { kernel, ...rest } = part
  const base = kernel?.path === undefined ? machine.kernel : undefined
  const whole = kernel || base ? ({ ...base, ...kernel } as KernelConfig) : undefined
  return { ...machine, ...rest, ...(whole && { kernel: whole }) }
}

/** Throws an OptionError where there is an initrd or a command line, and no kernel for them. */
export function checkKernel(values: FlagValues, hasKernel: boolean, nameOf: (name: MachineOptionName) => string): void {
  for (const option of ['initrd', 'append'] as const) {
    if (values[option] !== undefined && !hasKernel)
      throw new OptionError(`${nameOf(option)} goes with a kernel; add ${nameOf('kernel')}`)
  }
}

/** Throws an OptionError where something is served on a LAN that no card is plugged into. */
export function checkNetwork(machine: MachineConfig, nameOf: (name: MachineOptionName) => string): void {
  if (!machine.network || machine.nics?.some(({ net }) => net !== 'none')) return
  throw new OptionError(
    `${nameOf('network')} serves guests on the LAN, and no card is plugged into it; add ${nameOf('nic')}`,
  )
}

/** Throws an OptionError for an option that a snapshot's machine has already. */
export function checkSnapshotValues(
  values: FlagValues,
  snapshot: string,
  nameOf: (name: MachineOptionName) => string,
): void {
  for (const [name, option] of MACHINE_ROWS) {
    if (values[name] !== undefined && option.snapshot === 'own')
      throw new OptionError(`${nameOf(name)} is the snapshot's own, ${snapshot}; leave it out`)
  }
}

/** The options of a guest's `machine` that are no media: by their names there. */
export function guestShape(): { [name: string]: z.ZodType } {
  return Object.fromEntries(
    MACHINE_ROWS.flatMap(([name, { guest, schema }]) =>
      guest === false || schema === 'media' ? [] : [[guest ?? name, schema.optional()]],
    ),
  )
}

/** What a guest's `machine` says beside its media. Throws an OptionError. */
export function readGuest(machine: { readonly [name: string]: unknown }): MachinePart {
  const nameOf = (name: MachineOptionName) => `machine.${MACHINE_OPTIONS[name].guest || name}`
  const values = Object.fromEntries(
    MACHINE_ROWS.flatMap(([name, { guest }]) => (guest === false ? [] : [[name, machine[guest ?? name]]])),
  )
  return readOptions(values as FlagValues, nameOf)
}

/** A machine as files name it. What may do something to the host is not taken from a file. */
export function savedShape(): { [field in keyof MachinePart]: z.ZodOptional<z.ZodType> } {
  const fields = MACHINE_ROWS.flatMap(([, { saved }]) => Object.entries(saved))
  return Object.fromEntries(fields.map(([field, schema]) => [field, schema.optional()]))
}

/** All that a stage depends on of its machine but the contents of files. */
export function stageKeyPart(config: MachineConfig): { [name: string]: unknown } {
  const fieldsOf = (option: MachineOption) =>
    Object.keys(option.saved).map((field) => config[field as keyof MachineConfig])
  return Object.fromEntries(
    MACHINE_ROWS.map(([name, option]) => [name, option.stageKey ? option.stageKey(config) : fieldsOf(option)]),
  )
}

/** The column of the matrix that this machine is in: what it has otherwise than the standard PC. */
export function matrixColumn(part: MachinePart): { id: string; title: string } {
  const words = MACHINE_ROWS.flatMap(([, option]) => option.column?.(part) ?? [])
  if (words.length === 0) return { id: 'standard', title: 'standard PC' }
  return { id: words.join('; '), title: `PC with ${words.join(', ')}` }
}
