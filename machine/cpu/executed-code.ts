/** Which bytes of a guest's code have been executed, by linear address: a bit each, for whole instructions. */

const PAGE_BITS = 12n
const PAGE = 4096

export class ExecutedCode {
  /** Bits by page number. Its first byte is bit 0 of the first byte. */
  private readonly pages = new Map<bigint, Uint8Array>()

  add(linear: bigint, bytes: number): void {
    let left = bytes
    for (let at = linear; left > 0; ) {
      const start = Number(at & BigInt(PAGE - 1))
      const count = Math.min(left, PAGE - start)
      const bits = this.page(at >> PAGE_BITS)
      for (let i = start; i < start + count; i++) bits[i >> 3] |= 1 << (i & 7)
      at = BigInt.asUintN(64, at + BigInt(count))
      left -= count
    }
  }

  private page(number: bigint): Uint8Array {
    let bits = this.pages.get(number)
    if (!bits) {
      bits = new Uint8Array(PAGE / 8)
      this.pages.set(number, bits)
    }
    return bits
  }

  /** Stretches of executed bytes, upward: the first address of each and the first one behind it. */
  *stretches(): Generator<[bigint, bigint]> {
    const numbers = [...this.pages.keys()].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
    let start: bigint | undefined
    let end = 0n
    for (const number of numbers) {
      const bits = this.pages.get(number) as Uint8Array
      const base = number << PAGE_BITS
      if (start !== undefined && end !== base) {
        yield [start, end]
        start = undefined
      }
      for (let i = 0; i < PAGE; i++) {
        if ((bits[i >> 3] >> (i & 7)) & 1) {
          start ??= base + BigInt(i)
          end = base + BigInt(i) + 1n
        } else if (start !== undefined) {
          yield [start, end]
          start = undefined
        }
      }
    }
    if (start !== undefined) yield [start, end]
  }
}
