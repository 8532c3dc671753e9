/** CDs that Syslinux's own programs are on: ISOLINUX, its menus and the Hardware Detection Tool. */
import { built, type GuestDefinition, type GuestMedium, packageFile } from 'bootwright'
import { buildIso } from '../fixtures/iso.js'

const isolinux = packageFile('isolinux', '/usr/lib/ISOLINUX/isolinux.bin')
const module = (name: string): GuestMedium =>
  packageFile('syslinux-common', `/usr/lib/syslinux/modules/bios/${name}.c32`)

export const SYSLINUX = { family: 'boot loader', licence: 'GPL-2.0-or-later' } satisfies Partial<GuestDefinition>

/** @param name Of the CD's file, one for each use. */
export function isolinuxCd(name: string, config: string, modules: readonly string[]): GuestMedium {
  return built(`${name}.iso`, [isolinux, ...modules.map(module)], ([loader, ...programs]) =>
    buildIso({
      volumeId: 'SYSLINUX',
      files: [
        { path: 'ISOLINUX/ISOLINUX.CFG', data: Buffer.from(config) },
        ...modules.map((one, i) => ({ path: `ISOLINUX/${one.toUpperCase()}.C32`, data: programs[i] })),
      ],
      boot: { image: loader, emulation: 'none', loadSectors: 4, infoTable: true },
    }),
  )
}
