/** A medium as a test author may give it: a path, a path with options, or a guest's medium. */

import { readDiskSize } from '../options/drive-words.js'
import type { CdConfig, DiskConfig, DiskPlace, MediumConfig } from '../options/media-config.js'
import { findMedium, type GuestMedium } from './guest-media.js'

export type MediumSource = string | MediumConfig | CdConfig | GuestMedium
/** A guest's disk: an image, or an empty one of a size as in `8G`, and where it is plugged in. */
export type GuestDisk = (GuestMedium | { size: string | number }) & DiskPlace
export type DiskSource = MediumSource | DiskConfig | GuestDisk

/** Rejects with a MissingMediaError. */
export async function mediumConfig(source: MediumSource): Promise<MediumConfig> {
  if (typeof source === 'string') return { path: source }
  return 'kind' in source ? { path: await findMedium(source) } : source
}

/** Rejects with a MissingMediaError, or an OptionError for a size that is none. */
export async function diskConfig(
  source: DiskSource,
  where: string,
  find: (medium: GuestMedium) => Promise<string> = findMedium,
): Promise<DiskConfig> {
  if (typeof source === 'string') return { path: source }
  if ('kind' in source) return { path: await find(source), ...placeOf(source as DiskPlace) }
  if ('size' in source && source.size !== undefined)
    return { ...source, size: readDiskSize(source.size, where) } as DiskConfig
  return source as DiskConfig
}

function placeOf({ if: bus, id, index, serial }: DiskPlace): DiskPlace {
  const given = Object.entries({ if: bus, id, index, serial }).filter(([, value]) => value !== undefined)
  return Object.fromEntries(given)
}
