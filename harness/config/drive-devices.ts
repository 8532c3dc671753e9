/** Where each disk is plugged in: what `--drive` says by `if`, `index` and `id` as devices, which the board plugs in. */
import type { DeviceSpec } from '../../machine/devices/catalogue.js'
import { CDROM_PLACE, type CdConfig, type DiskConfig, IDE_PLACES } from '../options/media-config.js'
import { OptionError } from '../options/option-error.js'

interface Drives {
  disks?: readonly DiskConfig[]
  cdrom?: CdConfig
  devices?: readonly DeviceSpec[]
}

/**
 * All devices of the machine, those of its drives first.
 * @throws OptionError where two are in one place, or a disk is in none.
 */
export function driveDevices({ disks = [], cdrom, devices = [] }: Drives): DeviceSpec[] {
  const ids = disks.map((disk, i) => disk.id ?? `disk${i}`)
  const twice = ids.find((id, i) => ids.indexOf(id) !== i)
  if (twice !== undefined) throw new OptionError(`two drives have the id '${twice}'; give one another`)
  const asked = devices.map((device) => {
    const drive = device.options?.drive
    const at = ids.indexOf(String(drive))
    return at < 0 ? device : { ...device, options: { ...device.options, drive: `disk${at}` } }
  })
  const taken = new Set<unknown>()
  for (const drive of asked.flatMap(({ options }) => options?.drive ?? [])) {
    const at = ids.findIndex((_, i) => drive === `disk${i}`)
    if (at >= 0 && taken.has(drive))
      throw new OptionError(`two devices are given the drive '${ids[at]}'; give one another`)
    taken.add(drive)
  }
  const own: DeviceSpec[] = []
  let sata = 0
  const ide = new IdePlaces(asked)
  if (cdrom) ide.take(cdrom.index ?? CDROM_PLACE, 'the CD drive')
  const left = disks.flatMap((disk, i) => (taken.has(`disk${i}`) ? [] : [{ ...disk, drive: `disk${i}`, name: ids[i] }]))
  for (const { if: bus = 'ide', index, name } of left)
    if (bus === 'ide' && index !== undefined) ide.take(index, `the disk '${name}'`)
  for (const { if: bus = 'ide', index, drive, name, serial } of left) {
    const options = { drive, ...(serial !== undefined && { serial }) }
    if (bus === 'ahci')
      own.push({ type: 'ide-hd', id: drive, options: { ...options, bus: 'sata', unit: index ?? sata++ } })
    else if (bus === 'scsi')
      own.push({
        type: 'scsi-hd',
        id: drive,
        options: { ...options, ...(index !== undefined && { 'scsi-id': index }) },
      })
    else if (bus === 'virtio') own.push({ type: 'virtio-blk-pci', options })
    else if (bus === 'ide')
      own.push({ type: 'ide-hd', id: drive, options: { ...options, unit: index ?? ide.free(name) } })
    else
      throw new OptionError(
        `the drive '${name}' is plugged into nothing (if=none); add a device for it, as in virtio-blk-pci,drive=${name}`,
      )
  }
  const all = [...own, ...devices]
  const adapterFor = (isOnIt: boolean, adapter: string) => {
    if (isOnIt && !devices.some(({ type }) => type === adapter)) own.push({ type: adapter })
  }
  adapterFor(
    own.some(({ options }) => options?.bus === 'sata'),
    'ahci',
  )
  adapterFor(
    all.some(({ type }) => type === 'scsi-hd'),
    'virtio-scsi-pci',
  )
  const cd = cdrom?.index === undefined ? [] : [{ type: 'ide-cd', id: 'cdrom', options: { unit: cdrom.index } }]
  return [...cd, ...own, ...asked]
}

class IdePlaces {
  private readonly taken = new Map<number, string>()

  constructor(devices: readonly DeviceSpec[]) {
    for (const { type, options } of devices)
      if (type === 'ide-hd' && options?.unit !== undefined) this.take(Number(options.unit), `the device ${type}`)
  }

  take(place: number, who: string): void {
    const other = this.taken.get(place)
    if (other !== undefined) throw new OptionError(`${other} and ${who} are both to be at IDE index ${place}; move one`)
    this.taken.set(place, who)
  }

  /** The CD drive's last, where no CD is in it. */
  free(name: string): number {
    const order = [...Array(IDE_PLACES).keys()].filter((n) => n !== CDROM_PLACE)
    const place = [...order, CDROM_PLACE].find((n) => !this.taken.has(n))
    if (place === undefined)
      throw new OptionError(
        `IDE has four places, and none is left for the disk '${name}'; give it by --drive with if=virtio`,
      )
    this.take(place, `the disk '${name}'`)
    return place
  }
}
