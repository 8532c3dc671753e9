/** How a function's caller is found, as compilers write it down: the rule for an address, whatever table it stands in. */

export interface UnwindStep {
  /** The stack pointer as it was before the call: this register and so much more. */
  readonly base: 'sp' | 'fp'
  readonly offset: bigint
  /** It is not that, but what stands there, and so much more. */
  readonly indirect?: bigint
  /** How far from it stands where the caller goes on. */
  readonly pc: bigint
  /** How far from it, or from the frame pointer, the caller's frame pointer stands; undefined: the register has it still. */
  readonly fp?: { readonly base: 'cfa' | 'fp'; readonly offset: bigint }
  /** It was interrupted, and its stack pointer stands so far from there. */
  readonly sp?: bigint
}

/** `end`: nobody called it. */
export type UnwindRule = UnwindStep | 'end'

export interface UnwindTable {
  /** Bytes of a word of the stack. */
  readonly word: 4 | 8
  /** @param linked As the file has it. undefined: it says nothing of it. */
  at(linked: bigint): UnwindRule | undefined
}

/** The first of several tables that knows an address. */
export function anyOf(word: 4 | 8, tables: readonly UnwindTable[]): UnwindTable | undefined {
  if (tables.length === 0) return undefined
  return {
    word,
    at(linked) {
      for (const table of tables) {
        const rule = table.at(linked)
        if (rule) return rule
      }
      return undefined
    },
  }
}

/** The last of what is sorted by `start` that begins at `address` or before. */
export function lastBefore<T extends { readonly start: bigint }>(sorted: readonly T[], address: bigint): T | undefined {
  let from = 0
  let to = sorted.length
  while (from < to) {
    const middle = (from + to) >> 1
    if (sorted[middle].start <= address) from = middle + 1
    else to = middle
  }
  return sorted[from - 1]
}
