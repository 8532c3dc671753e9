/**
 * A place in DWARF's bytes that is read on from, and never beyond its end.
 * Specification: DWARF Debugging Information Format, version 5, 7.6 "Variable Length Data".
 */
import { textAt } from './file-text.js'

/** What is wrong with a program's bytes: it counts as none. */
export class Malformed extends Error {}

export class Cursor {
  private readonly view: DataView

  constructor(
    private readonly bytes: Uint8Array,
    public at: number,
    readonly end: number,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  private take(count: number): number {
    const { at } = this
    if (count > this.end - at) throw new Malformed()
    this.at += count
    return at
  }

  u8 = () => this.bytes[this.take(1)]
  i8 = () => this.view.getInt8(this.take(1))
  u16 = () => this.view.getUint16(this.take(2), true)
  u32 = () => this.view.getUint32(this.take(4), true)
  u64 = () => this.view.getBigUint64(this.take(8), true)
  skip = (count: number) => {
    this.take(count)
  }
  offset = (wide: boolean) => (wide ? Number(this.u64()) : this.u32())

  uleb(): bigint {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.u8()
      if (shift < 64n) value |= BigInt(byte & 0x7f) << shift
      if (!(byte & 0x80)) return BigInt.asUintN(64, value)
    }
  }

  sleb(): number {
    let value = 0n
    let shift = 0n
    for (;;) {
      const byte = this.u8()
      if (shift < 64n) value |= BigInt(byte & 0x7f) << shift
      shift += 7n
      if (!(byte & 0x80)) return Number(BigInt.asIntN(Number(shift < 64n ? shift : 64n), value))
    }
  }

  text(): string {
    const length = this.bytes.subarray(this.at, this.end).indexOf(0)
    if (length < 0) throw new Malformed()
    const text = textAt(this.bytes, this.at)
    this.at += length + 1
    return text
  }
}
