/** Random single instructions in states in which many of them fault. */
import type { Random } from '../../../random.js'
import type { Mode } from '../encoding.js'
import { DATA, type FaultCase, PAGE } from './host-faults.js'

const SINGLES = [1, -2.5, 3, 0, -0, Infinity, NaN, 1e-40, 7.25, 3e38]
const DOUBLES = [1, -2.5, 3, 0, Infinity, NaN, 1e-310, 7.25, 1e300]
const PREFIXES = [0x66, 0xf2, 0xf3]
const SEGMENTS = [0x26, 0x2e, 0x36, 0x3e]
const TF = 0x100
const DF = 0x400
const AC = 0x40000

/** The bytes of an instruction, with what may follow as displacement and immediate. */
export function randomBytes(r: Random, mode: Mode): number[] {
  const code: number[] = []
  const kind = r.below(20)
  const prefixes = (): void => {
    if (r.chance(8)) code.push(r.pick(SEGMENTS))
    if (r.chance(3)) code.push(r.pick(PREFIXES))
    if (r.chance(24)) code.push(0xf0)
    if (r.chance(12)) code.push(0x67)
    if (mode === 64 && r.below(3)) code.push(0x40 | r.below(16))
  }
  if (kind >= 14) {
    if (r.chance(4)) {
      code.push(0xc5, (mode === 64 ? r.below(2) << 7 : 0x80) | ((r.chance(2) ? 15 : 8 | r.below(8)) << 3) | r.below(8))
      code.push(r.below(256))
    } else {
      const inverted = mode === 64 ? (r.below(8) << 5) ^ 0xe0 : 0xe0
      const vvvv = r.below(3) ? 15 : mode === 64 ? r.below(16) : 8 | r.below(8)
      code.push(0xc4, inverted | (1 + r.below(3)), (r.below(2) << 7) | (vvvv << 3) | r.below(8), r.below(256))
    }
  } else {
    prefixes()
    if (kind < 5) code.push(r.below(256))
    else if (kind < 9) code.push(0x0f, r.below(256))
    else if (kind < 11) code.push(0x0f, 0x38, r.below(256))
    else if (kind < 12) code.push(0x0f, 0x3a, r.below(256))
    else code.push(0xd8 + r.below(8))
  }
  let modrm = r.below(256)
  if (r.below(3)) modrm = (modrm & 0x3f) | r.pick([0xc0, 0x40, 0])
  code.push(modrm)
  const sib = mode !== 16 && (modrm & 7) === 4 && modrm < 0xc0
  if (sib) code.push((r.below(4) << 6) | (r.below(3) ? 4 << 3 : r.below(8) << 3) | r.below(8))
  if ((modrm & 0xc0) === 0x40) code.push(r.chance(2) ? r.below(16) * 8 : r.below(256))
  else if ((modrm & 0xc0) === 0x80) code.push(r.below(256), r.below(8), 0, 0)
  while (code.length < 15) code.push(r.chance(2) ? r.below(64) : r.below(256))
  return code
}

/** A register: near the data's page, at its ends, far away, a small number, or anything. */
function randomRegister(r: Random, mode: Mode): bigint {
  const offset = r.pick([0x400 + r.below(64) * 16, r.below(PAGE), PAGE - r.below(40), -r.below(40)])
  const wild = (): bigint =>
    mode === 64 ? r.pick([r.u64(), 0x8000000000000000n, 0x7fffffffffffn - BigInt(r.below(32))]) : BigInt(r.u32())
  switch (r.below(6)) {
    case 0:
      return BigInt(r.below(300))
    case 1:
      return wild()
    default:
      return mode === 16
        ? BigInt(((offset + 0x1000) & 0xffff) | (r.chance(8) ? r.u32() & ~0xffff : 0)) & 0xffffffffn
        : BigInt(DATA + offset)
  }
}

function randomVectors(r: Random, bytes: Uint8Array, at: number, size: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  for (let i = at; i < at + size; i += 16) {
    const kind = r.below(4)
    if (kind === 0) for (let k = 0; k < 16; k += 4) view.setFloat32(i + k, r.pick(SINGLES), true)
    else if (kind === 1) for (let k = 0; k < 16; k += 8) view.setFloat64(i + k, r.pick(DOUBLES), true)
    else if (kind === 2)
      for (let k = 0; k < 16; k += 4) view.setUint32(i + k, r.pick([0, 1, 0x80000000, 0xffffffff]), true)
    else for (let k = 0; k < 16; k += 4) view.setUint32(i + k, r.u32(), true)
  }
}

/** FXSAVE's image with valid registers, masks and rounding at random. */
function randomFx(r: Random): Uint8Array {
  const fx = new Uint8Array(512)
  const view = new DataView(fx.buffer)
  const unmasked = r.chance(3)
  view.setUint16(0, 0x40 | (unmasked ? r.below(64) : 0x3f) | (r.pick([0, 2, 3]) << 8) | (r.below(4) << 10), true)
  // No exception pends; TOP and the condition codes are anything.
  view.setUint16(2, (r.below(8) << 11) | (r.below(2) << 14) | (r.below(8) << 8), true)
  view.setUint8(4, r.chance(2) ? 0xff : r.below(256))
  view.setUint32(24, ((unmasked ? r.below(64) : 0x3f) << 7) | (r.below(4) << 13), true)
  for (let i = 0; i < 8; i++) {
    view.setBigUint64(32 + i * 16, r.u64() | 0x8000000000000000n, true)
    view.setUint16(40 + i * 16, r.pick([0x3fff + r.below(70), r.below(0x7fff)]) | (r.below(2) << 15), true)
  }
  randomVectors(r, fx, 160, 256)
  return fx
}

/** One instruction, alone (TF), in a random state. */
export function randomCase(r: Random, mode: Mode): FaultCase {
  const gpr = BigUint64Array.from({ length: 16 }, () => randomRegister(r, mode))
  if (r.below(3)) gpr[4] = BigInt(mode === 16 ? 0x30001800 : DATA + 0x800)
  else if (mode === 16) gpr[4] = BigInt(0x30001000 + r.pick([r.below(PAGE), r.below(40), PAGE - r.below(40)]))
  if (mode !== 64) gpr.fill(0n, 8)
  const data = new Uint8Array(PAGE)
  randomVectors(r, data, 0, PAGE)
  const ymmHigh = new Uint8Array(256)
  if (r.chance(2)) randomVectors(r, ymmHigh, 0, mode === 64 ? 256 : 128)
  return {
    mode,
    code: Uint8Array.from(randomBytes(r, mode)),
    gpr,
    rflags: 0x202 | TF | (r.u32() & 0x8d5) | (r.chance(4) ? DF : 0) | (r.chance(8) ? AC : 0),
    fxsave: randomFx(r),
    ymmHigh,
    data,
  }
}

/** The same instruction without TF, in front of INT3: `length` bytes of it. */
export function untrapped(c: FaultCase, length: number): FaultCase {
  return { ...c, code: c.code.slice(0, length), rflags: c.rflags & ~TF }
}
