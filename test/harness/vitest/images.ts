/** For tests of real guests: they are skipped by name where BOOTWRIGHT_IMAGES has no such image. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'

export function withoutImage(file: string): boolean {
  const folder = process.env.BOOTWRIGHT_IMAGES
  return !folder || !existsSync(join(folder, file))
}
