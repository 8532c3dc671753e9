/**
 * A machine as files name it: snapshots and recordings. What may do something to the host is not taken from a file:
 * that images are written and input is recorded is said by whoever starts the machine.
 */
import { z } from 'zod'

const Path = z
  .string()
  .min(1)
  .max(4096)
  .refine((path) => !path.includes('\0'), 'a path cannot hold a zero byte')
const Text = z.string().max(1 << 20)
/** `write` is left out. */
const Medium = z.object({ path: Path })
const Kernel = z.object({
  path: Path,
  initrd: Path.optional(),
  modules: z
    .array(z.object({ path: Path, append: Text.optional() }))
    .max(64)
    .optional(),
  append: Text.optional(),
})

/** `record` is left out. */
export const SavedConfig = z.object({
  engine: z.enum(['auto', 'kvm', 'soft']).optional(),
  cpu: Text.optional(),
  cpus: z.int().min(1).max(32).optional(),
  memory: z
    .int()
    .min(1 << 20)
    .max(2 ** 32)
    .optional(),
  floppies: z.array(Medium).max(2).optional(),
  cdrom: Medium.optional(),
  disks: z.array(Medium).max(4).optional(),
  bootOrder: z
    .string()
    .regex(/^[acdn]{1,4}$/)
    .optional(),
  bootMenu: z
    .object({
      waitMs: z
        .number()
        .min(0)
        .max(2 ** 31)
        .optional(),
    })
    .optional(),
  floppyCheck: z.boolean().optional(),
  overlayLimit: z.number().min(0).optional(),
  kernel: Kernel.optional(),
  firmware: z.object({ bios: Path, vgaBios: Path }).optional(),
  epoch: z
    .number()
    .min(-(2 ** 40))
    .max(2 ** 40)
    .optional(),
})

export const SavedMedia = z.object({ a: Medium.optional(), b: Medium.optional(), cdrom: Medium.optional() })

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
