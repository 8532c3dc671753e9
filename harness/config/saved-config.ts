/**
 * A machine as files name it: snapshots and recordings. What may do something to the host is not taken from a file:
 * that images are written and input is recorded is said by whoever starts the machine.
 */
import * as z from 'zod'
import { Path, SavedMedium } from '../options/machine-spec.js'
import { savedShape } from '../options/read-options.js'

/** `record` is left out. */
export const SavedConfig = z.object(savedShape())

export const SavedMedia = z.object({
  floppy0: SavedMedium.optional(),
  floppy1: SavedMedium.optional(),
  cdrom: SavedMedium.optional(),
})

/** Files that the machine reads, by hash. */
export const SavedInputs = z
  .array(
    z.object({
      what: z.string().max(64),
      path: Path,
      size: z.number().min(0),
      sha256: z.string().regex(/^[\da-f]{64}$/),
    }),
  )
  .max(128)
