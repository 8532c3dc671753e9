/** A medium as a test author may give it: a path, a path with options, or a guest's medium. */

import type { MediumConfig } from '../config/machine-config.js'
import { findMedium, type GuestMedium } from './guest-media.js'

export type MediumSource = string | MediumConfig | GuestMedium

/** Rejects with a MissingMediaError. */
export async function mediumConfig(source: MediumSource): Promise<MediumConfig> {
  if (typeof source === 'string') return { path: source }
  return 'kind' in source ? { path: await findMedium(source) } : source
}
