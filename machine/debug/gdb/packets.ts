/**
 * Packets of gdb's remote serial protocol: `$data#sum`, acknowledged by + or refused by -, and the byte 03h in between, by
 * which a user asks a running target to stop. Whatever comes, memory stays within bounds.
 * Source: Debugging with GDB, appendix E "GDB Remote Serial Protocol", E.1 "Overview".
 */

/** As told in qSupported: a longer packet is dropped. */
export const LONGEST_PACKET = 0x4000

const DOLLAR = 0x24
const HASH = 0x23
const ESCAPE = 0x7d
const ESCAPED = 0x20
const STAR = 0x2a
const PLUS = 0x2b
const MINUS = 0x2d
const BREAK = 0x03

export type Received =
  /** The data, unescaped. */
  | { kind: 'packet'; data: Uint8Array }
  | { kind: 'interrupt' }
  /** The last packet was received (or not, and is wanted once more). */
  | { kind: 'acknowledged'; well: boolean }
  /** A packet whose sum was wrong, or that was too long. */
  | { kind: 'damaged' }

/** Takes a stream apart. */
export class PacketReader {
  /** What is being read: between packets, in one, or its sum. */
  private state: 'between' | 'data' | 'sum' = 'between'
  private data: number[] = []
  private sum = 0
  private digits = ''
  private tooLong = false

  add(bytes: Uint8Array): Received[] {
    const received: Received[] = []
    for (const byte of bytes) {
      const one = this.byte(byte)
      if (one) received.push(one)
    }
    return received
  }

  private byte(byte: number): Received | undefined {
    switch (this.state) {
      case 'between':
        if (byte === DOLLAR) this.begin()
        else if (byte === BREAK) return { kind: 'interrupt' }
        else if (byte === PLUS || byte === MINUS) return { kind: 'acknowledged', well: byte === PLUS }
        return undefined
      case 'data':
        if (byte === DOLLAR) this.begin()
        else if (byte === HASH) this.state = 'sum'
        else {
          this.sum = (this.sum + byte) & 0xff
          if (this.data.length < LONGEST_PACKET) this.data.push(byte)
          else this.tooLong = true
        }
        return undefined
      case 'sum':
        this.digits += String.fromCharCode(byte)
        if (this.digits.length < 2) return undefined
        this.state = 'between'
        return this.end()
    }
  }

  private begin(): void {
    this.state = 'data'
    this.data = []
    this.sum = 0
    this.digits = ''
    this.tooLong = false
  }

  private end(): Received {
    const right = /^[\da-f]{2}$/i.test(this.digits) && Number.parseInt(this.digits, 16) === this.sum
    if (!right || this.tooLong) return { kind: 'damaged' }
    const data: number[] = []
    for (let i = 0; i < this.data.length; i++) {
      if (this.data[i] !== ESCAPE) data.push(this.data[i])
      else if (++i < this.data.length) data.push(this.data[i] ^ ESCAPED)
    }
    return { kind: 'packet', data: Uint8Array.from(data) }
  }
}

/** A packet with this data. */
export function packet(data: string | Uint8Array): Uint8Array {
  const plain = typeof data === 'string' ? Buffer.from(data, 'latin1') : data
  const bytes = [DOLLAR]
  for (const byte of plain) {
    if (byte === DOLLAR || byte === HASH || byte === ESCAPE || byte === STAR) bytes.push(ESCAPE, byte ^ ESCAPED)
    else bytes.push(byte)
  }
  const sum = bytes.slice(1).reduce((total, byte) => (total + byte) & 0xff, 0)
  return Uint8Array.from([...bytes, HASH, ...Buffer.from(sum.toString(16).padStart(2, '0'), 'latin1')])
}
