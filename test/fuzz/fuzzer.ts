/**
 * What a fuzzer is. A file `NAME.fuzz.ts` in this folder whose default export is a `Fuzzer` is found by itself: by
 * `npm run fuzz`, by the small dose in `npm test`, and by the long one.
 *
 * A case is made from its seed alone, so a failure is repeated by the seed that is printed with it.
 */
import type { Random } from '../random.js'

export interface Fuzzer {
  /** As in `npm run fuzz -- NAME`. */
  readonly name: string
  /** What it throws at what, for the name of its test. */
  readonly title: string
  /** Cases that `npm test` runs: a few seconds of them. */
  readonly dose: number
  /** Why it cannot run on this host. */
  skip?(): string | undefined
  /** What a case is many of: `accesses`. */
  readonly unit?: string
  /** Makes one case of `random` alone and tries it; throws (best a `FuzzFailure`) where something is wrong. */
  run(random: Random, budget: Budget): void | Promise<void>
  /** After the last case: ends what cases share. */
  close?(): void | Promise<void>
}

export interface Budget {
  /** How large a case may be, beside the usual size: 1, and more where there is time. A part of what repeats a case. */
  readonly size: number
  /** So many of the fuzzer's units were done. */
  count(units: number): void
}

/** Something is wrong with what was fuzzed; `input` is the smallest that still shows it, as a person can read it. */
export class FuzzFailure extends Error {
  override readonly name = 'FuzzFailure'

  constructor(
    what: string,
    readonly input: string,
  ) {
    super(what)
  }
}

/**
 * The smallest part of `list` that still fails, by leaving out ever smaller runs of it (Zeller's ddmin).
 *
 * @param fails Must have no memory: each call is a try of its own.
 * @param tries Most calls of `fails`.
 */
export async function shrink<T>(
  list: readonly T[],
  fails: (part: readonly T[]) => boolean | Promise<boolean>,
  tries = 300,
): Promise<readonly T[]> {
  let part = list
  let run = part.length >> 1
  while (run >= 1) {
    let smaller = false
    for (let at = 0; at < part.length && tries > 0; tries--) {
      const rest = [...part.slice(0, at), ...part.slice(at + run)]
      if (await fails(rest)) {
        part = rest
        smaller = true
      } else at += run
    }
    if (tries <= 0) break
    if (!smaller || run > part.length) run >>= 1
  }
  return part
}
