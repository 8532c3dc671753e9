/**
 * States as bytes, one and only one way: for snapshot files, and to compare two machines by a hash. Keys are sorted, so
 * the order in which a device lists its fields does not matter.
 *
 * A value is a tag and what follows it; lengths and small integers are LEB128.
 */
import type { State, StateValue } from '../device.js'

const TAGS = {
  undefined: 0,
  null: 1,
  false: 2,
  true: 3,
  /** A non-negative integer below 2^32. */
  integer: 4,
  /** Any other number: 8 bytes, IEEE 754, little-endian. */
  double: 5,
  /** In decimal. */
  bigint: 6,
  string: 7,
  bytes: 8,
  list: 9,
  record: 10,
}

/** Deeper than any state; a broken file cannot exhaust the stack. */
const DEEPEST = 64

class Writer {
  private bytes = new Uint8Array(4096)
  private view = new DataView(this.bytes.buffer)
  private length = 0

  value(value: StateValue | undefined): void {
    if (value === undefined) this.byte(TAGS.undefined)
    else if (value === null) this.byte(TAGS.null)
    else if (typeof value === 'boolean') this.byte(value ? TAGS.true : TAGS.false)
    else if (typeof value === 'number') this.number(value)
    else if (typeof value === 'bigint') this.text(TAGS.bigint, value.toString())
    else if (typeof value === 'string') this.text(TAGS.string, value)
    else if (value instanceof Uint8Array) {
      this.byte(TAGS.bytes)
      this.raw(value)
    } else if (Array.isArray(value)) {
      this.byte(TAGS.list)
      this.count(value.length)
      for (const item of value) this.value(item)
    } else {
      const keys = Object.keys(value).sort()
      this.byte(TAGS.record)
      this.count(keys.length)
      for (const key of keys) {
        this.raw(Buffer.from(key))
        this.value(value[key])
      }
    }
  }

  done(): Uint8Array {
    return this.bytes.subarray(0, this.length)
  }

  private number(value: number): void {
    if (Number.isInteger(value) && value >= 0 && value < 2 ** 32 && !Object.is(value, -0)) {
      this.byte(TAGS.integer)
      this.count(value)
      return
    }
    this.byte(TAGS.double)
    this.room(8)
    this.view.setFloat64(this.length, value, true)
    this.length += 8
  }

  private text(tag: number, text: string): void {
    this.byte(tag)
    this.raw(Buffer.from(text))
  }

  private raw(bytes: Uint8Array): void {
    this.count(bytes.length)
    this.room(bytes.length)
    this.bytes.set(bytes, this.length)
    this.length += bytes.length
  }

  private count(value: number): void {
    let rest = value
    while (rest >= 0x80) {
      this.byte((rest % 0x80) | 0x80)
      rest = Math.floor(rest / 0x80)
    }
    this.byte(rest)
  }

  private byte(value: number): void {
    this.room(1)
    this.bytes[this.length++] = value
  }

  private room(wanted: number): void {
    if (this.length + wanted <= this.bytes.length) return
    const grown = new Uint8Array(Math.max(2 * this.bytes.length, this.length + wanted))
    grown.set(this.bytes)
    this.bytes = grown
    this.view = new DataView(grown.buffer)
  }
}

class Reader {
  private at = 0
  private readonly view: DataView

  constructor(private readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  whole(): StateValue {
    const value = this.value(0)
    if (this.at !== this.bytes.length) throw new RangeError('bytes are left over after the state')
    return value
  }

  private value(depth: number): StateValue {
    if (depth > DEEPEST) throw new RangeError('the state is nested too deeply')
    const tag = this.byte()
    switch (tag) {
      case TAGS.undefined:
        return undefined as unknown as StateValue
      case TAGS.null:
        return null
      case TAGS.false:
        return false
      case TAGS.true:
        return true
      case TAGS.integer:
        return this.count()
      case TAGS.double: {
        const at = this.skip(8)
        return this.view.getFloat64(at, true)
      }
      case TAGS.bigint:
        return BigInt(this.text())
      case TAGS.string:
        return this.text()
      case TAGS.bytes:
        return this.raw().slice()
      case TAGS.list:
        return Array.from({ length: this.items() }, () => this.value(depth + 1))
      case TAGS.record: {
        const record: State = {}
        for (let left = this.items(); left > 0; left--) {
          const key = this.text()
          // Not an assignment: a key of `__proto__` is data like any other.
          Object.defineProperty(record, key, {
            value: this.value(depth + 1),
            enumerable: true,
            writable: true,
            configurable: true,
          })
        }
        return record
      }
    }
    throw new RangeError(`tag ${tag} is unknown`)
  }

  /** A number of items, each of which takes a byte at least. */
  private items(): number {
    const count = this.count()
    if (count > this.bytes.length - this.at) throw new RangeError('the state ends too early')
    return count
  }

  private text(): string {
    return Buffer.from(this.raw()).toString()
  }

  private raw(): Uint8Array {
    const length = this.count()
    const at = this.skip(length)
    return this.bytes.subarray(at, at + length)
  }

  private count(): number {
    let value = 0
    let unit = 1
    while (unit < 2 ** 53) {
      const byte = this.byte()
      value += (byte & 0x7f) * unit
      if (byte < 0x80) return value
      unit *= 0x80
    }
    throw new RangeError('a length is too long')
  }

  private byte(): number {
    return this.bytes[this.skip(1)]
  }

  private skip(length: number): number {
    const at = this.at
    if (at + length > this.bytes.length) throw new RangeError('the state ends too early')
    this.at += length
    return at
  }
}

export function encodeState(state: StateValue): Uint8Array {
  const writer = new Writer()
  writer.value(state)
  return writer.done()
}

/** Throws a RangeError or SyntaxError where the bytes are no state. */
export function decodeState(bytes: Uint8Array): StateValue {
  return new Reader(bytes).whole()
}
