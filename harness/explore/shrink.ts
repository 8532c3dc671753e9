/**
 * Delta debugging: the fewest parts of a list with which something still fails. Zeller and Hildebrandt, "Simplifying and
 * Isolating Failure-Inducing Input", 2002: ddmin.
 */

/**
 * @param tries Whether it fails with these parts of the list, in their order.
 * @param most So often it is asked at the most: of a long list that hangs together each part is tried alone.
 * @returns Parts of which none can be left out, or what so many tries have left. The whole list where it does not fail at all.
 */
export async function shrink<T>(
  list: readonly T[],
  tries: (parts: readonly T[]) => Promise<boolean>,
  most = Number.POSITIVE_INFINITY,
): Promise<T[]> {
  let asked = 0
  const fails = async (parts: readonly T[]) => asked++ < most && tries(parts)
  if (list.length > 0 && (await fails([]))) return []
  let parts = list.slice(0, await needed(list, fails))
  for (let pieces = 2; parts.length >= 2 && asked < most; ) {
    const chunks = split(parts, pieces)
    const smaller = await firstOf(chunks, fails)
    if (smaller) {
      parts = [...smaller]
      pieces = 2
      continue
    }
    const without = chunks.map((_, i) => chunks.filter((_, j) => j !== i).flat())
    // Of two pieces the rest of one is the other.
    const rest = pieces > 2 ? await firstOf(without, fails) : undefined
    if (rest) {
      parts = [...rest]
      pieces = Math.max(pieces - 1, 2)
      continue
    }
    if (pieces >= parts.length) break
    pieces = Math.min(pieces * 2, parts.length)
  }
  return parts
}

/** How many from the first on are enough: a failure that has come needs nothing of what follows. By halves. */
async function needed<T>(list: readonly T[], fails: (parts: readonly T[]) => Promise<boolean>): Promise<number> {
  let few = 0
  let enough = list.length
  while (enough - few > 1) {
    const middle = (few + enough) >> 1
    if (await fails(list.slice(0, middle))) enough = middle
    else few = middle
  }
  return enough
}

function split<T>(list: readonly T[], pieces: number): T[][] {
  return Array.from({ length: pieces }, (_, i) =>
    list.slice(Math.floor((i * list.length) / pieces), Math.floor(((i + 1) * list.length) / pieces)),
  )
}

async function firstOf<T>(
  lists: readonly T[][],
  fails: (parts: readonly T[]) => Promise<boolean>,
): Promise<T[] | undefined> {
  // What comes last is nearest to the failure.
  for (const list of [...lists].reverse()) if (list.length > 0 && (await fails(list))) return list
  return undefined
}
