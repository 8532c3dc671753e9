/** `--symbols vmlinux`, `efi-app.efi@0x7e4a5000`: a file, and where the guest has its first byte. */
import * as z from 'zod'
import type { SymbolsConfig } from '../config/symbol-files.js'
import { OptionError } from './option-error.js'

/** As `launch()` takes them. */
export type SymbolWords = string | { readonly path: string; readonly at?: string | number }

export const SymbolValue = z
  .union([z.string(), z.strictObject({ path: z.string(), at: z.union([z.string(), z.number()]).optional() })])
  .describe("a file with symbols, as in 'vmlinux' or 'kernel.elf@0x100000'")

export const SavedSymbols = z.object({
  path: z
    .string()
    .min(1)
    .max(4096)
    .refine((path) => !path.includes('\0'), 'a path cannot hold a zero byte'),
  at: z
    .string()
    .regex(/^0x[\da-f]{1,16}$/)
    .optional(),
})

/** Throws an OptionError. */
export function readSymbolWords(words: SymbolWords, where: string): SymbolsConfig {
  const { path, at } = typeof words === 'string' ? parted(words) : words
  if (path === '')
    throw new OptionError(`${where} '${String(words)}' names no file; give one as in kernel.elf@0x100000`)
  if (at === undefined) return { path }
  const isNumber =
    typeof at === 'number' ? Number.isSafeInteger(at) && at >= 0 : /^(0x[\da-f]{1,16}|\d{1,19})$/i.test(at)
  if (!isNumber)
    throw new OptionError(
      `${where}: '${at}' is no address; behind the @ stands where the guest has the file's first byte, as in kernel.elf@0x100000`,
    )
  return { path, at: `0x${BigInt(at).toString(16)}` }
}

/** A path may have an @ of its own: what stands behind the last one counts where it begins as a number does. */
function parted(text: string): { path: string; at?: string } {
  const [, path, at] = /^(.*)@(\d\w*)$/.exec(text) ?? []
  return path === undefined ? { path: text } : { path, at }
}
