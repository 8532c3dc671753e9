/**
 * Writes WebAssembly: bytes of a function's body with its labels by name, and modules of functions (WebAssembly core specification, 5).
 * The file is longer than others, because a third of it is the list of opcodes.
 */

export const I32 = 0x7f
export const I64 = 0x7e
export const V128 = 0x7b
export const VOID = 0x40
export type ValueType = typeof I32 | typeof I64 | typeof V128

/** Instructions without immediates that the emitters use, by their names. */
export const OP = {
  unreachable: 0x00,
  else: 0x05,
  return: 0x0f,
  drop: 0x1a,
  select: 0x1b,
  i32Eqz: 0x45,
  i32Eq: 0x46,
  i32Ne: 0x47,
  i32LtS: 0x48,
  i32LtU: 0x49,
  i32GtS: 0x4a,
  i32GtU: 0x4b,
  i32LeS: 0x4c,
  i32LeU: 0x4d,
  i64Eqz: 0x50,
  i64Eq: 0x51,
  i64Ne: 0x52,
  i64LtS: 0x53,
  i64LtU: 0x54,
  i64GtS: 0x55,
  i64GtU: 0x56,
  i64LeS: 0x57,
  i64LeU: 0x58,
  i32Clz: 0x67,
  i32Ctz: 0x68,
  i32Popcnt: 0x69,
  i32Add: 0x6a,
  i32Sub: 0x6b,
  i32Mul: 0x6c,
  i32DivU: 0x6e,
  i32RemU: 0x70,
  i32And: 0x71,
  i32Or: 0x72,
  i32Xor: 0x73,
  i32Shl: 0x74,
  i32ShrS: 0x75,
  i32ShrU: 0x76,
  i32Rotl: 0x77,
  i32Rotr: 0x78,
  i64Clz: 0x79,
  i64Ctz: 0x7a,
  i64Add: 0x7c,
  i64Sub: 0x7d,
  i64Mul: 0x7e,
  i64DivS: 0x7f,
  i64DivU: 0x80,
  i64RemS: 0x81,
  i64RemU: 0x82,
  i64And: 0x83,
  i64Or: 0x84,
  i64Xor: 0x85,
  i64Shl: 0x86,
  i64ShrS: 0x87,
  i64ShrU: 0x88,
  i64Rotl: 0x89,
  i64Rotr: 0x8a,
  i32Wrap: 0xa7,
  i64ExtendS: 0xac,
  i64ExtendU: 0xad,
  i32Extend8: 0xc0,
  i32Extend16: 0xc1,
  i64Extend32: 0xc4,
  f32Lt: 0x5d,
  f32Eq: 0x5b,
  f64Lt: 0x63,
  f64Eq: 0x61,
  f32Sqrt: 0x91,
  f32Add: 0x92,
  f32Sub: 0x93,
  f32Mul: 0x94,
  f32Div: 0x95,
  f64Sqrt: 0x9f,
  f64Add: 0xa0,
  f64Sub: 0xa1,
  f64Mul: 0xa2,
  f64Div: 0xa3,
  f64ConvertI32: 0xb7,
  f64Promote: 0xbb,
  i32OfF32: 0xbc,
  i64OfF64: 0xbd,
  f32OfI32: 0xbe,
  f64OfI64: 0xbf,
} as const

export const LOAD = { i32: 0x28, i64: 0x29, u8: 0x2d, u16: 0x2f } as const
export const STORE = { i32: 0x36, i64: 0x37, u8: 0x3a, u16: 0x3b } as const

/** A function's body in the making. */
export class Code {
  private buffer = new Uint8Array(256)
  length = 0
  private readonly labels: string[] = []
  private readonly types: ValueType[] = []
  private readonly hints: Hint[] = []

  /** `parameters` locals are there already. */
  constructor(private readonly parameters: number) {}

  get bytes(): Uint8Array {
    return this.buffer.subarray(0, this.length)
  }

  /** The `if` or br_if that comes next seldom branches. */
  unlikely(): this {
    this.hints.push({ at: this.length, likely: false })
    return this
  }

  likely(): this {
    this.hints.push({ at: this.length, likely: true })
    return this
  }

  local(type: ValueType): number {
    this.types.push(type)
    return this.parameters + this.types.length - 1
  }

  op(...opcodes: number[]): this {
    for (const opcode of opcodes) this.byte(opcode)
    return this
  }

  byte(value: number): void {
    if (this.length === this.buffer.length) this.grow(1)
    this.buffer[this.length++] = value
  }

  append(bytes: Uint8Array): void {
    if (this.length + bytes.length > this.buffer.length) this.grow(bytes.length)
    this.buffer.set(bytes, this.length)
    this.length += bytes.length
  }

  private grow(by: number): void {
    const larger = new Uint8Array(Math.max(this.buffer.length * 2, this.length + by))
    larger.set(this.buffer)
    this.buffer = larger
  }

  unsigned(value: number): void {
    let v = value >>> 0
    while (v >= 0x80) {
      this.byte((v & 0x7f) | 0x80)
      v >>>= 7
    }
    this.byte(v)
  }

  i32(value: number): this {
    this.byte(0x41)
    let v = value | 0
    while (true) {
      const low = v & 0x7f
      v >>= 7
      if ((v === 0 && !(low & 0x40)) || (v === -1 && low & 0x40)) {
        this.byte(low)
        return this
      }
      this.byte(low | 0x80)
    }
  }

  i64(value: bigint): this {
    this.byte(0x42)
    let v = BigInt.asIntN(64, value)
    while (true) {
      const low = Number(v & 0x7fn)
      v >>= 7n
      if ((v === 0n && !(low & 0x40)) || (v === -1n && low & 0x40)) {
        this.byte(low)
        return this
      }
      this.byte(low | 0x80)
    }
  }

  get(local: number): this {
    this.byte(0x20)
    this.unsigned(local)
    return this
  }

  set(local: number): this {
    this.byte(0x21)
    this.unsigned(local)
    return this
  }

  tee(local: number): this {
    this.byte(0x22)
    this.unsigned(local)
    return this
  }

  global(index: number): this {
    this.byte(0x23)
    this.unsigned(index)
    return this
  }

  /** A load from or store to the address on the stack plus `offset`. */
  memory(opcode: number, offset = 0): this {
    this.byte(opcode)
    this.byte(0)
    this.unsigned(offset)
    return this
  }

  /** A SIMD instruction without immediates. */
  simd(opcode: number): this {
    this.byte(0xfd)
    this.unsigned(opcode)
    return this
  }

  /** A SIMD load from or store to the address on the stack plus `offset`. */
  simdMemory(opcode: number, offset = 0): this {
    this.simd(opcode)
    this.byte(0)
    this.unsigned(offset)
    return this
  }

  /** Extracts or replaces a lane. */
  lane(opcode: number, lane: number): this {
    this.simd(opcode)
    this.byte(lane)
    return this
  }

  /** The bytes of two vectors on the stack by their numbers, 0 to 31. */
  shuffle(bytes: readonly number[]): this {
    this.simd(0x0d)
    return this.op(...bytes)
  }

  /** `select` for a type that is no number. */
  selectOf(type: ValueType): this {
    return this.op(0x1c, 1, type)
  }

  call(index: number): this {
    this.byte(0x10)
    this.unsigned(index)
    return this
  }

  returnCall(index: number): this {
    this.byte(0x12)
    this.unsigned(index)
    return this
  }

  returnCallIndirect(type: number): this {
    this.byte(0x13)
    this.unsigned(type)
    this.byte(0)
    return this
  }

  block(label: string): this {
    this.labels.push(label)
    return this.op(0x02, VOID)
  }

  loop(label: string): this {
    this.labels.push(label)
    return this.op(0x03, VOID)
  }

  if(result: ValueType | typeof VOID = VOID): this {
    this.labels.push('')
    return this.op(0x04, result)
  }

  end(): this {
    this.labels.pop()
    return this.op(0x0b)
  }

  br(label: string): this {
    this.byte(0x0c)
    this.unsigned(this.out(label))
    return this
  }

  brIf(label: string): this {
    this.byte(0x0d)
    this.unsigned(this.out(label))
    return this
  }

  /** The last label is for all other values. */
  brTable(labels: readonly string[]): this {
    this.byte(0x0e)
    this.unsigned(labels.length - 1)
    for (const label of labels) this.unsigned(this.out(label))
    return this
  }

  /** Labels that what comes next is inside of. */
  get depth(): number {
    return this.labels.length
  }

  private out(label: string): number {
    const at = this.labels.lastIndexOf(label)
    if (at < 0) throw new Error(`no label ${label}`)
    return this.labels.length - 1 - at
  }

  /** The body as the code section has it: locals, then what was written here, then an end. `type` is the function's. */
  body(type: number): Body {
    const out = new Code(0)
    const runs: [ValueType, number][] = []
    for (const local of this.types) {
      const last = runs.at(-1)
      if (last?.[0] === local) last[1]++
      else runs.push([local, 1])
    }
    out.unsigned(runs.length)
    for (const [local, count] of runs) {
      out.unsigned(count)
      out.byte(local)
    }
    const hints = this.hints.map(({ at, likely }) => ({ at: out.length + at, likely }))
    out.append(this.bytes)
    out.byte(0x0b)
    return { bytes: out.bytes, hints, type }
  }
}

/** Which way a branch mostly goes: WebAssembly's proposal of branch hints. */
interface Hint {
  /** Offset of the instruction in the body. */
  readonly at: number
  readonly likely: boolean
}

/** A function in the code section. */
export interface Body {
  /** Of the module's types. */
  readonly type: number
  readonly bytes: Uint8Array
  readonly hints: readonly Hint[]
}

export interface FunctionType {
  parameters: readonly ValueType[]
  results: readonly ValueType[]
}

export interface ModuleParts {
  types: readonly FunctionType[]
  /** Imports. The table has functions, the memory at least a page. */
  functions: readonly { name: string; type: number }[]
  globals: readonly { name: string; type: ValueType }[]
  memory?: boolean
  table?: boolean
  /** They are exported by their numbers, from 0 on. */
  bodies: readonly Body[]
}

/** A module whose imports are all of `env`. */
export function moduleBytes(parts: ModuleParts): Uint8Array<ArrayBuffer> {
  const sections: Code[] = []
  const section = (id: number, write: (code: Code) => void) => {
    const content = new Code(0)
    write(content)
    const whole = new Code(0)
    whole.byte(id)
    whole.unsigned(content.length)
    whole.append(content.bytes)
    sections.push(whole)
  }
  const text = (code: Code, value: string) => {
    code.unsigned(value.length)
    for (let i = 0; i < value.length; i++) code.byte(value.charCodeAt(i))
  }
  section(1, (code) => {
    code.unsigned(parts.types.length)
    for (const { parameters, results } of parts.types) {
      code.byte(0x60)
      code.unsigned(parameters.length)
      code.op(...parameters)
      code.unsigned(results.length)
      code.op(...results)
    }
  })
  section(2, (code) => {
    code.unsigned(parts.functions.length + parts.globals.length + (parts.table ? 1 : 0) + (parts.memory ? 1 : 0))
    const entry = (name: string) => {
      text(code, 'env')
      text(code, name)
    }
    for (const { name, type } of parts.functions) {
      entry(name)
      code.byte(0)
      code.unsigned(type)
    }
    if (parts.table) {
      entry('table')
      code.op(1, 0x70, 0, 1)
    }
    if (parts.memory) {
      entry('memory')
      code.op(2, 0, 1)
    }
    for (const { name, type } of parts.globals) {
      entry(name)
      code.op(3, type, 1)
    }
  })
  section(3, (code) => {
    code.unsigned(parts.bodies.length)
    for (const { type } of parts.bodies) code.unsigned(type)
  })
  section(7, (code) => {
    code.unsigned(parts.bodies.length)
    for (let i = 0; i < parts.bodies.length; i++) {
      text(code, String(i))
      code.byte(0)
      code.unsigned(parts.functions.length + i)
    }
  })
  section(0, (code) => {
    text(code, 'metadata.code.branch_hint')
    code.unsigned(parts.bodies.length)
    for (const [i, { hints }] of parts.bodies.entries()) {
      code.unsigned(parts.functions.length + i)
      code.unsigned(hints.length)
      for (const { at, likely } of hints) {
        code.unsigned(at)
        code.op(1, likely ? 1 : 0)
      }
    }
  })
  const number = (value: number) => {
    const code = new Code(0)
    code.unsigned(value)
    return code.bytes
  }
  const chunks = [Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0), ...sections.map(({ bytes }) => bytes)]
  const content = [number(parts.bodies.length), ...parts.bodies.flatMap(({ bytes }) => [number(bytes.length), bytes])]
  chunks.push(Uint8Array.of(10), number(content.reduce((sum, { length }) => sum + length, 0)), ...content)
  const bytes = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.length
  }
  return bytes
}
