/** What guests of UEFI firmware share. */
import { built, type GuestDefinition, type GuestMedium, packageFile } from 'bootwright'
import { buildDisk } from '../fixtures/disk.js'

export interface EfiFile {
  /** On the EFI system partition. */
  path: string
  medium?: GuestMedium
  text?: string
}

/** A disk with one partition, from whose usual place the firmware starts a loader. */
export function efiDisk(name: string, loader: GuestMedium, files: readonly EfiFile[] = []): GuestMedium {
  const media = files.flatMap(({ medium }) => medium ?? [])
  return built(`${name}.img`, [loader, ...media], ([boot, ...rest]) =>
    buildDisk({
      partitions: [
        {
          megabytes: 34,
          files: [
            { path: 'EFI/BOOT/BOOTX64.EFI', data: boot },
            ...files.map(({ path, medium, text: words = '' }) => ({
              path,
              data: medium ? rest[media.indexOf(medium)] : Buffer.from(words),
            })),
          ],
        },
      ],
    }),
  )
}

/** The firmware, so that it is got with guests' media, and a guest is skipped where it is missing. */
export const ovmf = packageFile('ovmf', '/usr/share/OVMF/OVMF_CODE_4M.fd')

export const UEFI = { firmware: 'uefi', memory: 256 } satisfies GuestDefinition['machine']
