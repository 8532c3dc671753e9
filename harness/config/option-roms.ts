/** The ROMs of a machine's devices: files of the host's, which are a part of what the machine is as its BIOS is one. */
import { existsSync } from 'node:fs'
import { deviceTable } from '../../machine/boards/pc-i440fx.js'
import { parseDevice } from '../../machine/devices/catalogue.js'
import { findCardRom, findOptionRom } from '../../machine/firmware/find-firmware.js'
import type { MachineOptions } from '../../machine/machine.js'

/** A ROM by its name in a package, or by a path to it: one with a slash, or with the ending of the cards' ROMs. */
export function romPath(name: string): string | undefined {
  if (!name.includes('/') && !name.endsWith('.rom')) return findOptionRom(name).path
  const path = name.includes('/') || existsSync(name) ? name : findCardRom(name)
  return path !== undefined && existsSync(path) ? path : undefined
}

/** Those that the machine has, each once. Throws a FirmwareMissingError or a DeviceError. */
export function optionRoms({
  vga,
  devices,
  nics,
}: Partial<Pick<MachineOptions, 'vga' | 'devices' | 'nics'>>): { name: string; path: string }[] {
  const names = deviceTable({ floppies: [], disks: [], vga, devices, nics }).flatMap((spec) => {
    const { type, options } = parseDevice(spec)
    const name = (options as { romfile?: string }).romfile ?? type.rom
    return name ? [name] : []
  })
  return [...new Set(names)].flatMap((name) => {
    const path = romPath(name)
    return path === undefined ? [] : [{ name, path }]
  })
}
