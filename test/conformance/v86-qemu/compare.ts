/** Compares two outputs of test-i386 line by line; what stands first in a line, mostly an instruction, names its group. */

export interface LineDifference {
  expected: string | undefined
  actual: string | undefined
}

export interface GroupResult {
  name: string
  /** Lines of the reference. */
  lines: number
  differences: LineDifference[]
}

/** The kernel's messages: `[    1.234567] ...`. */
const KERNEL_MESSAGE = /^\[ *\d+\.\d{6}\] /

/** How far a line may have moved, and how many equal lines show that it has. */
const MOST_MOVED = 40
const SURE = 3

/** What each maker's CPUs do in their own way, because Intel's manual leaves it open. */
export const LEFT_OPEN: readonly { lines: RegExp; why: string }[] = [
  { lines: /^sh[lr]dw .* C=0000001[1-9a-f] /, why: 'SHLD and SHRD of 16 bits by more than 16' },
  { lines: /^(rcp|rsqrt)[ps]s /, why: 'approximations' },
]

/** `actual` may have a kernel's messages in front of its lines, between them and after them. */
export function compareLines(expected: string, actual: string): GroupResult[] {
  const defined = (line: string) => line !== '' && !LEFT_OPEN.some(({ lines }) => lines.test(line))
  const wanted = expected.split('\n').filter(defined)
  const got = actual.split('\n').filter((line) => defined(line) && !KERNEL_MESSAGE.test(line))
  const groups = new Map<string, GroupResult>()
  const groupOf = (line: string): GroupResult => {
    const name = line.split(/[\s:=(]/, 1)[0]
    let group = groups.get(name)
    if (!group) {
      group = { name, lines: 0, differences: [] }
      groups.set(name, group)
    }
    return group
  }
  const differ = (line: string | undefined, other: string | undefined) =>
    groupOf(line ?? other ?? '').differences.push({ expected: line, actual: other })
  let i = 0
  let k = 0
  while (i < wanted.length || k < got.length) {
    if (wanted[i] !== got[k]) {
      const [missing, surplus] = moved(wanted, i, got, k)
      for (let n = 0; n < Math.max(missing, surplus); n++) {
        const line = n < missing ? wanted[i + n] : undefined
        const other = n < surplus ? got[k + n] : undefined
        if (line !== other) differ(line, other)
      }
      for (let n = 0; n < missing; n++) groupOf(wanted[i + n]).lines++
      i += missing
      k += surplus
    } else {
      groupOf(wanted[i]).lines++
      i++
      k++
    }
  }
  return [...groups.values()]
}

/** The fewest lines to leave out on both sides so that the next ones are equal again. */
function moved(wanted: readonly string[], i: number, got: readonly string[], k: number): [number, number] {
  if (i >= wanted.length) return [0, 1]
  if (k >= got.length) return [1, 0]
  for (let total = 1; total <= 2 * MOST_MOVED; total++) {
    for (let missing = 0; missing <= total; missing++) {
      const surplus = total - missing
      let equal = 0
      while (equal < SURE && wanted[i + missing + equal] === got[k + surplus + equal]) equal++
      if (equal === SURE) return [missing, surplus]
    }
  }
  return [1, 1]
}
