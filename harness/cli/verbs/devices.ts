/** `bootwright devices`: the types of devices that there are, as `qemu-system-x86_64 -device help` lists them. */
import { Command } from 'commander'
import { DEVICE_TYPES } from '../../../machine/devices/catalogue.js'
import type { DeviceType } from '../../../machine/devices/device-type.js'
import { nearest } from '../../words/nearest.js'
import { UsageError } from '../errors.js'
import { paragraphs } from '../help.js'

export function devicesCommand(): Command {
  return new Command('devices')
    .description('list the types of devices, or the options of one')
    .argument('[type]', 'whose options are listed')
    .option('--json', 'print them as JSON')
    .addHelpText('after', () => paragraphs(HELP))
    .action((type: string | undefined, { json }: { json?: boolean }) => {
      const types = type === undefined ? DEVICE_TYPES : [typeNamed(type)]
      process.stdout.write(
        json
          ? `${JSON.stringify(types.map(plain), undefined, 2)}\n`
          : type === undefined
            ? listTypes()
            : listOptions(types[0]),
      )
    })
}

const HELP = `
'run' and 'codegen' plug one in by --device TYPE,option=value, and launch() by devices: ['TYPE,option=value'].`

function typeNamed(name: string): DeviceType {
  const names = DEVICE_TYPES.map(({ type }) => type)
  const found = DEVICE_TYPES.find(({ type }) => type === name)
  if (found) return found
  const near = nearest(name, names)
  throw new UsageError(
    `there is no device type '${name}'; ${near ? `did you mean '${near}'?` : `types are ${names.join(', ')}`}`,
  )
}

/** By category, in the catalogue's order. */
export function listTypes(): string {
  const width = Math.max(...DEVICE_TYPES.map(({ type }) => type.length))
  const categories = [...new Set(DEVICE_TYPES.map(({ category }) => category))]
  const sections = categories.map((category) => {
    const rows = DEVICE_TYPES.filter((type) => type.category === category).map(
      ({ type, title, bus }) => `  ${type.padEnd(width)}  ${title} (${bus})`,
    )
    return `${category}\n${rows.join('\n')}\n`
  })
  return sections.join('\n')
}

/** A type's options with their defaults. */
export function listOptions(type: DeviceType): string {
  const options = plain(type).options
  const width = Math.max(0, ...options.map(({ name }) => name.length))
  const rows = options.map(({ name, help, default: value }) => {
    const said = value === undefined ? '' : ` (default: ${value})`
    return `  ${name.padEnd(width)}  ${help}${said}\n`
  })
  return `${type.type}: ${type.title} (${type.category}, ${type.bus})\n${rows.length > 0 ? rows.join('') : '  no options\n'}`
}

function plain(type: DeviceType) {
  const options = Object.entries(type.options).map(([name, { help, preset: value }]) => ({
    name,
    help,
    ...(value !== undefined && { default: /base$/.test(name) ? `0x${Number(value).toString(16)}` : String(value) }),
  }))
  return { type: type.type, title: type.title, category: type.category, bus: type.bus, options }
}
