/** Sizes of memory as people write them: `512` (MiB, as in QEMU), `512M`, `1G`, `1.5G`, `65536K`. */

const MIB = 1 << 20
const SMALLEST = MIB
const LARGEST = 3072 * MIB

/**
 * @param option What the size belongs to, for errors: `-m`.
 * @returns Bytes, a whole number of MiB.
 * @throws Error with one sentence.
 */
export function parseMemorySize(size: string | number, option: string): number {
  const bytes = parseByteSize(size, option)
  if (bytes < SMALLEST) throw new Error(`${option} ${size} is too small; 1M is the least`)
  if (bytes > LARGEST) throw new Error(`${option} ${size} is too large; 3G is the most`)
  if (bytes % MIB !== 0) throw new Error(`${option} ${size} is not a whole number of MiB`)
  return bytes
}

/** Bytes, of any number. Throws an Error with one sentence. */
export function parseByteSize(size: string | number, option: string): number {
  const found = /^(\d+(?:\.\d+)?)\s*([KMG])?i?B?$/i.exec(String(size).trim())
  if (!found)
    throw new Error(`${option} '${size}' is not a size; write MiB as a number, or with a unit as in 512M or 1G`)
  const unit = { K: 1024, M: MIB, G: 1024 * MIB }[(found[2] ?? 'M').toUpperCase()] as number
  return Math.round(Number(found[1]) * unit)
}
