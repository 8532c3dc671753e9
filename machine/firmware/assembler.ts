/**
 * A very small assembler for option ROM code: instruction bytes are given as bytes, with the mnemonic beside them as a
 * comment; labels and the references to them are worked out here. Offsets count from the start of the code.
 */
export class Assembler {
  private readonly code: number[] = []
  private readonly labels = new Map<string, number>()
  private readonly references: { at: number; label: string; kind: 'rel8' | 'rel16' | 'abs16' | 'abs32' }[] = []

  /** Bytes as they stand: whole instructions, or an opcode whose operand follows by `address16` or `address32`. */
  op(...bytes: number[]): this {
    for (const byte of bytes) this.code.push(byte & 0xff)
    return this
  }

  u16(value: number): this {
    return this.op(value, value >>> 8)
  }

  u32(value: number): this {
    return this.op(value, value >>> 8, value >>> 16, value >>> 24)
  }

  text(text: string): this {
    return this.op(...new TextEncoder().encode(text))
  }

  label(name: string): this {
    if (this.labels.has(name)) throw new Error(`label '${name}' stands twice`)
    this.labels.set(name, this.code.length)
    return this
  }

  /** A short jump (JMP EB, Jcc 7x, JCXZ E3, LOOP E2) with its 8-bit displacement. */
  jump(opcode: number, label: string): this {
    this.op(opcode)
    return this.refer(label, 'rel8', 1)
  }

  /** A near jump or call (JMP E9, CALL E8, Jcc 0F 8x) with its 16-bit displacement. */
  near(opcode: number | readonly [number, number], label: string): this {
    if (typeof opcode === 'number') this.op(opcode)
    else this.op(...opcode)
    return this.refer(label, 'rel16', 2)
  }

  /** The 16-bit offset of a label. */
  address16(label: string): this {
    return this.refer(label, 'abs16', 2)
  }

  /** The 32-bit offset of a label. */
  address32(label: string): this {
    return this.refer(label, 'abs32', 4)
  }

  /** Zeros up to `offset`. */
  padTo(offset: number): this {
    if (this.code.length > offset) throw new Error(`code runs over 0x${offset.toString(16)}`)
    while (this.code.length < offset) this.code.push(0)
    return this
  }

  get length(): number {
    return this.code.length
  }

  /** The finished bytes. Throws for a label that is missing or out of a short jump's reach. */
  assemble(): Uint8Array {
    const bytes = Uint8Array.from(this.code)
    const view = new DataView(bytes.buffer)
    for (const { at, label, kind } of this.references) {
      const target = this.labels.get(label)
      if (target === undefined) throw new Error(`no label '${label}'`)
      if (kind === 'abs16') view.setUint16(at, target, true)
      else if (kind === 'abs32') view.setUint32(at, target, true)
      else if (kind === 'rel16') view.setInt16(at, target - (at + 2), true)
      else {
        const distance = target - (at + 1)
        if (distance < -128 || distance > 127) throw new Error(`label '${label}' is out of reach of a short jump`)
        view.setInt8(at, distance)
      }
    }
    return bytes
  }

  private refer(label: string, kind: 'rel8' | 'rel16' | 'abs16' | 'abs32', bytes: number): this {
    this.references.push({ at: this.code.length, label, kind })
    for (let i = 0; i < bytes; i++) this.code.push(0)
    return this
  }
}
