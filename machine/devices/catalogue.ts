/** Every type of device there is, one row each. A new device is its own file and a row here. */

import { readOptions } from './device-option.js'
import { DeviceError, type DeviceType } from './device-type.js'
import { cirrusVga } from './display/cirrus-vga.js'
import { vga } from './display/vga-adapter.js'
import { e1000, e1000_82544gc, e1000_82545em, e1000_82573l } from './net/e1000/e1000.js'
import { ne2kIsa } from './net/ne2000/ne2k-isa.js'
import { ne2kPci } from './net/ne2000/ne2k-pci.js'
import { pcnet } from './net/pcnet/pcnet.js'
import { rtl8139 } from './net/rtl8139/rtl8139.js'
import { isaDebugcon } from './serial/debug-console.js'
import { isaParallel } from './serial/parallel.js'
import { isaSerial } from './serial/uart16550.js'
import { ahci } from './storage/ahci.js'
import { ideHd } from './storage/ata-disk.js'
import { ideCd } from './storage/atapi-cd.js'
import { isaFdc } from './storage/fdc82077.js'
import { floppy } from './storage/floppy-drive.js'
import { nvme } from './storage/nvme.js'
import { scsiHd } from './storage/scsi-disk.js'
import { hpet } from './timer/hpet.js'
import { virtio9p } from './virtio/virtio-9p.js'
import { virtioBalloon } from './virtio/virtio-balloon.js'
import { virtioBlk } from './virtio/virtio-blk.js'
import { virtioNet } from './virtio/virtio-net.js'
import { virtioRng } from './virtio/virtio-rng.js'
import { virtioScsi } from './virtio/virtio-scsi.js'
import { virtconsole, virtioSerial, virtserialport } from './virtio/virtio-serial.js'
import { i6300esb } from './watchdog/i6300esb.js'
import { ib700 } from './watchdog/ib700.js'
import { isaDebugExit } from './watchdog/isa-debug-exit.js'
import { pcTestdev } from './watchdog/pc-testdev.js'

export { DeviceError }

export const DEVICE_TYPES: readonly DeviceType[] = [
  ...[ideHd, ideCd, floppy, isaFdc, ahci, scsiHd, virtioBlk, virtioScsi, nvme, virtio9p],
  ...[vga, cirrusVga],
  ...[ne2kIsa, ne2kPci, pcnet, rtl8139, e1000, e1000_82544gc, e1000_82545em, e1000_82573l, virtioNet],
  ...[isaSerial, isaParallel, isaDebugcon, virtioSerial, virtconsole, virtserialport],
  ...[hpet, isaDebugExit, pcTestdev, virtioRng, virtioBalloon],
  ...[i6300esb, ib700],
]

/** A device to plug in: its type, its name (QEMU's `id`) and its options. */
export interface DeviceSpec {
  type: string
  id?: string
  options?: { readonly [option: string]: unknown }
}

/** The type of this name. Throws a DeviceError. */
export function deviceTypeNamed(name: string): DeviceType {
  const found = DEVICE_TYPES.find(({ type }) => type === name)
  if (found) return found
  throw new DeviceError(
    `there is no device type '${name}'; types are ${DEVICE_TYPES.map(({ type }) => type).join(', ')}`,
  )
}

/** Options as a type has them, with what stands where none was given; or the first that does not fit, and what it must be. */
export function chosenOptions(
  type: DeviceType,
  given: { readonly [option: string]: unknown } = {},
): ReturnType<typeof readOptions> {
  const read = readOptions(type.options, given)
  const misfit = 'chosen' in read && type.clash?.(read.chosen)
  return misfit ? { misfit } : read
}

/** The options with their defaults filled in. Throws a DeviceError that names the option. */
export function parseDevice({ type: name, options = {} }: DeviceSpec): { type: DeviceType; options: object } {
  const type = deviceTypeNamed(name)
  const known = Object.keys(type.options)
  for (const option of Object.keys(options)) {
    if (!known.includes(option))
      throw new DeviceError(
        `the device ${name} has no option '${option}'; ${known.length > 0 ? `options are ${known.join(', ')}` : 'it has none'}`,
      )
  }
  const read = chosenOptions(type, options)
  if ('chosen' in read) return { type, options: read.chosen }
  const { option, must } = read.misfit
  const value = options[option]
  throw new DeviceError(
    value === undefined
      ? `the device ${name} needs ${option}`
      : `the device ${name}: ${option} is '${value}'; it must be ${must}`,
  )
}
