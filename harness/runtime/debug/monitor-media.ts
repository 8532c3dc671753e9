/** A monitor's hand at drives and cables: `info block`, `eject`, `change`, `set_link`, in QEMU's words. */
import { resolve } from 'node:path'
import type { MachineParts } from '../../../machine/debug/machine-parts.js'
import { REMOVABLE_DRIVES, type RemovableDrive } from '../../../machine/media/drive-id.js'
import { MediaError } from '../../../machine/media/open-medium.js'
import type { MachineConfig, OpenedMachine } from '../../config/machine-config.js'
import { nearest } from '../../words/nearest.js'

/** What was put into the machine, and what can be changed. */
export interface MonitoredMedia {
  readonly config: Pick<MachineConfig, 'disks'>
  readonly opened: Pick<OpenedMachine, 'media' | 'insert' | 'setLink'>
}

/** QEMU's names of what is here by another. */
const QEMU_NAMES: { readonly [name: string]: RemovableDrive } = { 'ide1-cd0': 'cdrom', a: 'floppy0', b: 'floppy1' }

const isRemovable = (name: string): name is RemovableDrive => (REMOVABLE_DRIVES as readonly string[]).includes(name)

const error = (text: string): string => `Error: ${text}\n`

/** The drives with their files. */
export function blockLines({ config, opened }: MonitoredMedia, { media, tray }: MachineParts): string {
  const paths = new Map<string, string | undefined>([
    ...REMOVABLE_DRIVES.map((drive) => [drive, opened.media[drive]?.path] as const),
    ...(config.disks ?? []).map((disk, i) => [`disk${i}`, disk.path] as const),
  ])
  const ids = (config.disks ?? []).map(({ id }, i) => [`disk${i}`, id] as const)
  const empty = REMOVABLE_DRIVES.filter(
    (drive) => !media.some((one) => one.drive === drive) && (drive !== 'cdrom' || tray !== undefined),
  )
  const filled = media.map(({ drive, size, readOnly }) => {
    const id = ids.find(([name]) => name === drive)?.[1]
    const what = `${paths.get(drive) ?? 'an empty disk'} (${size} bytes${readOnly ? ', read-only' : ''})`
    return `${drive}${id === undefined ? '' : ` (${id})`}: ${what}\n${isRemovable(drive) ? trayLine(drive, tray) : ''}`
  })
  return [...filled, ...empty.map((drive) => `${drive}: [not inserted]\n${trayLine(drive, tray)}`)].join('\n')
}

function trayLine(drive: RemovableDrive, tray: MachineParts['tray']): string {
  if (drive !== 'cdrom') return '    Removable device\n'
  return `    Removable device: ${tray?.locked ? '' : 'not '}locked, tray ${tray?.trayOpen ? 'open' : 'closed'}\n`
}

/** Takes out what is in a drive. @param text `[-f] DRIVE`. */
export function eject(held: MonitoredMedia, parts: MachineParts, text: string): string {
  const [, force, name = ''] = /^(-f )?(\S*)$/.exec(text) ?? []
  if (name === '') return 'eject wants a drive, as in eject cdrom\n'
  return onDrive(held, parts, name, force !== undefined, (drive) => held.opened.insert(drive))
}

/** Puts another medium into a drive. @param text `[-f] DRIVE FILE`. */
export function change(held: MonitoredMedia, parts: MachineParts, text: string): string {
  const [, force, name = '', file = ''] = /^(-f )?(\S*) ?(.*)$/.exec(text) ?? []
  if (file === '') return 'change wants a drive and a file, as in change cdrom disc2.iso\n'
  return onDrive(held, parts, name, force !== undefined, (drive) => held.opened.insert(drive, { path: resolve(file) }))
}

function onDrive(
  { config }: MonitoredMedia,
  { tray }: MachineParts,
  name: string,
  force: boolean,
  act: (drive: RemovableDrive) => void,
): string {
  const known = QEMU_NAMES[name] ?? name
  const fixed = (config.disks ?? []).flatMap(({ id }, i) => [`disk${i}`, id])
  if (!isRemovable(known)) {
    if (fixed.includes(name)) return error(`Device '${name}' is not removable`)
    const near = nearest(name, REMOVABLE_DRIVES)
    return error(
      `Device '${name}' not found${near ? `; did you mean '${near}'?` : `; there are ${REMOVABLE_DRIVES.join(', ')}`}`,
    )
  }
  if (known === 'cdrom' && tray?.locked && !force)
    return error(`Device '${name}' is locked by the guest; have the guest eject it, or say -f`)
  try {
    act(known)
    return ''
  } catch (failed) {
    if (failed instanceof MediaError || (failed as Error).name === 'DeviceError')
      return error((failed as Error).message)
    throw failed
  }
}

/** Plugs a card's cable in or pulls it out. @param text `NAME on|off`. */
export function setLink({ opened }: MonitoredMedia, text: string): string {
  const [name, state, ...rest] = text.split(' ')
  if ((state !== 'on' && state !== 'off') || rest.length > 0)
    return 'set_link wants a card and on or off, as in set_link net0 off\n'
  try {
    opened.setLink(state === 'on', name)
    return ''
  } catch (failed) {
    if (failed instanceof MediaError) return error(failed.message)
    throw failed
  }
}
