/** Random x87, SSE and memory states, rich in the values at which float arithmetic goes wrong. Seeded: runs repeat. */
import type { Random } from '../../random.js'
import type { CpuSnapshot } from './native-cpu.js'

/** A significand with long runs of equal bits, where roundings and ties are. */
function fraction(r: Random, bits: number): bigint {
  const mask = (1n << BigInt(bits)) - 1n
  switch (r.below(8)) {
    case 0:
      return 0n
    case 1:
      return mask
    case 2:
      return 1n
    case 3:
      return (1n << BigInt(r.below(bits))) & mask
    case 4:
      return ((1n << BigInt(r.below(bits))) - 1n) & mask
    case 5:
      return (r.u64() << BigInt(r.below(bits))) & mask
    case 6:
      return (mask << BigInt(r.below(bits))) & mask
    default:
      return r.u64() & mask
  }
}

/** Bits of a single (8 exponent bits, 23 fraction bits) or double (11, 52). */
export function randomFloat(r: Random, exponentBits: number, fractionBits: number): bigint {
  const top = (1 << exponentBits) - 1
  const bias = top >> 1
  const sign = BigInt(r.below(2)) << BigInt(exponentBits + fractionBits)
  let exponent: number
  let f = fraction(r, fractionBits)
  switch (r.below(16)) {
    case 0:
      exponent = 0
      break
    case 1:
      exponent = 0
      f = 0n
      break
    case 2:
      exponent = top
      if (f === 0n || r.chance(2)) f = 0n
      break
    case 3:
      exponent = top
      break
    case 4:
      exponent = 1 + r.below(3)
      break
    case 5:
      exponent = top - 1 - r.below(3)
      break
    case 6:
    case 7:
      exponent = r.below(top + 1)
      break
    case 8:
      exponent = bias - 1 + r.below(64)
      break
    case 9:
      exponent = bias >> 1
      break
    default:
      exponent = bias - 8 + r.below(16)
  }
  return sign | (BigInt(Math.max(0, exponent)) << BigInt(fractionBits)) | f
}

/** An extended float: [significand, sign and exponent]. */
export function randomExtended(r: Random): [bigint, number] {
  const sign = r.below(2) << 15
  const f = fraction(r, 63)
  const integer = 1n << 63n
  switch (r.below(24)) {
    case 0:
      return [0n, sign]
    case 1:
      return [f, sign] // denormal
    case 2:
      return [integer | f, sign] // pseudo-denormal
    case 3:
      return [integer, sign | 0x7fff]
    case 4:
      return [integer | f, sign | 0x7fff] // NaN of either kind
    case 5:
      return [integer | (1n << 62n) | f, sign | 0x7fff]
    case 6:
      return r.chance(3) ? [f, sign | r.below(0x8000)] : [integer | f, sign | 1] // unsupported
    case 7:
      return [integer | f, sign | (1 + r.below(70))]
    case 8:
      return [integer | f, sign | (0x7ffe - r.below(70))]
    case 9:
      return [integer | f, sign | r.below(0x7fff)]
    case 10:
      return [integer | f, sign | (0x3fff - 1022 - 60 + r.below(64))] // double's denormals
    case 11:
      return [integer | f, sign | (0x3fff - 126 - 28 + r.below(32))] // single's denormals
    case 12:
      return [integer | f, sign | (0x3fff + r.pick([127, 128, 1023, 1024]))]
    case 13:
    case 14:
      return [integer | f, sign | (0x3fff + r.below(70))]
    case 15: {
      // A number that a single or double holds exactly.
      const short = f & ~((1n << BigInt(r.pick([11, 40, 50]))) - 1n)
      return [integer | short, sign | (0x3fff - 4 + r.below(8))]
    }
    case 16:
      return [integer | ((f >> 55n) << 55n), sign | (0x3fff + r.below(8))] // small integers and their like
    default:
      return [integer | f, sign | (0x3fff - 8 + r.below(16))]
  }
}

export interface StateOptions {
  /** One in so many control words and MXCSRs has unmasked exceptions; 0 none. */
  unmasked?: number
  /** One in so many registers is empty; 0 none. */
  empty?: number
  /** Keep these stack registers as random ones within +-2^exponent. */
  moderate?: number
}

export function fillFpu(r: Random, s: CpuSnapshot, options: StateOptions = {}): void {
  const fx = new DataView(s.fxsave.buffer, s.fxsave.byteOffset, 512)
  s.fxsave.fill(0)
  let control = 0x40 | 0x3f | (r.pick([0, 2, 3, 3]) << 8) | (r.below(4) << 10)
  if (options.unmasked && r.chance(options.unmasked)) control &= ~(1 << r.below(6)) & ~(1 << r.below(6))
  const top = r.below(8)
  // Condition codes and sticky flags that are masked.
  const status = (r.u32() & 0x4700) | (r.chance(2) ? r.u32() & control & 0x3f : 0) | (top << 11)
  let tags = 0xff
  if (options.empty) for (let i = 0; i < 8; i++) if (r.chance(options.empty)) tags &= ~(1 << i)
  fx.setUint16(0, control, true)
  fx.setUint16(2, status, true)
  fx.setUint8(4, tags)
  let mxcsr = 0x1f80
  if (r.chance(2)) mxcsr |= r.below(4) << 13
  if (r.chance(4)) mxcsr |= 0x8000
  if (r.chance(4)) mxcsr |= 0x40
  if (r.chance(2)) mxcsr |= r.below(64)
  fx.setUint32(24, mxcsr, true)
  fx.setUint32(28, 0xffff, true)
  for (let i = 0; i < 8; i++) {
    const [sig, se] = randomExtended(r)
    fx.setBigUint64(32 + i * 16, sig, true)
    fx.setUint16(40 + i * 16, se, true)
  }
  for (let i = 0; i < 32; i++) fx.setBigUint64(160 + i * 8, r.u64(), true)
  const high = new DataView(s.ymmHigh.buffer, s.ymmHigh.byteOffset, 256)
  for (let i = 0; i < 32; i++) high.setBigUint64(i * 8, r.u64(), true)
}

/**
 * What vectors hold. `product` is for a * b + c: c is often nearly -a * b; `index` is small, for addresses; `counts` are
 * small or huge.
 */
export type VectorOperand =
  | 'single'
  | 'double'
  | 'integer'
  | 'half'
  | 'counts'
  | 'product32'
  | 'product64'
  | 'index32'
  | 'index64'

/** Fills all XMM and YMM registers, and the first 256 bytes of data, all of them for `index`. */
export function fillVectors(r: Random, s: CpuSnapshot, kind: VectorOperand): void {
  const fx = new DataView(s.fxsave.buffer, s.fxsave.byteOffset, 512)
  const high = new DataView(s.ymmHigh.buffer, s.ymmHigh.byteOffset, 256)
  const data = new DataView(s.data.buffer, s.data.byteOffset)
  const value = vectorValue(r, kind)
  for (let i = 0; i < 32; i++) fx.setBigUint64(160 + i * 8, value(), true)
  for (let i = 0; i < 32; i++) high.setBigUint64(i * 8, value(), true)
  if (kind === 'product32' || kind === 'product64') {
    for (const part of [new DataView(fx.buffer, fx.byteOffset + 160, 256), high]) cancel(r, part, kind === 'product64')
  }
  const index = kind.startsWith('index')
  for (let i = 0; i < (index ? 128 : 32); i++) data.setBigUint64(i * 8, index ? r.u64() : value(), true)
}

function vectorValue(r: Random, kind: VectorOperand): () => bigint {
  const pair = (part: () => bigint) => () => (BigInt.asUintN(32, part()) << 32n) | BigInt.asUintN(32, part())
  const small = () => BigInt(r.below(120) - 60)
  switch (kind) {
    case 'single':
    case 'product32':
      return pair(() => randomFloat(r, 8, 23))
    case 'double':
    case 'product64':
      return () => randomFloat(r, 11, 52)
    case 'half':
      return pair(() => (randomFloat(r, 5, 10) << 16n) | randomFloat(r, 5, 10))
    case 'counts':
      return () => (r.chance(3) ? randomBytes(r) : BigInt(r.below(70)) | (BigInt(r.below(40)) << 32n))
    case 'index32':
      return pair(small)
    case 'index64':
      return () => BigInt.asUintN(64, small())
    default:
      return () => randomBytes(r)
  }
}

/** Makes one of registers 1 to 3 (and 9 to 11) the rounded product of the others, or its negation, in some lanes. */
function cancel(r: Random, registers: DataView, double: boolean): void {
  const size = double ? 8 : 4
  const get = (at: number) => (double ? registers.getFloat64(at, true) : registers.getFloat32(at, true))
  for (const base of [1, 9]) {
    for (let lane = 0; lane < 16; lane += size) {
      if (r.chance(2)) continue
      const addend = r.below(3)
      const [a, b, c] = [1, 2, 0].map((n) => (base + ((addend + n) % 3)) * 16 + lane)
      const product = get(a) * get(b) * (r.chance(2) ? 1 : -1)
      if (Number.isNaN(product)) continue
      if (double) registers.setFloat64(c, product, true)
      else registers.setFloat32(c, product, true)
      // One unit off, now and then.
      if (r.chance(4)) registers.setUint8(c, registers.getUint8(c) ^ 1)
    }
  }
}

/** Eight bytes with many extreme ones. */
export function randomBytes(r: Random): bigint {
  if (r.chance(3)) return r.u64()
  let value = 0n
  for (let i = 0; i < 8; i++) value = (value << 8n) | BigInt(r.pick([0, 1, 0x7f, 0x80, 0x81, 0xff, 0xfe, r.below(256)]))
  return value
}
