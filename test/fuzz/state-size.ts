/** How much a state holds. */

/** In bytes, with eight for a number. */
export function sizeOfState(value: unknown): number {
  if (value instanceof Uint8Array) return value.length
  if (typeof value === 'string') return value.length
  if (typeof value !== 'object' || value === null) return 8
  return Object.values(value).reduce<number>((sum, one) => sum + sizeOfState(one), 0)
}
