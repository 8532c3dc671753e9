/**
 * Single and double arithmetic as SSE does it, with every exception flag (Intel SDM vol. 1, chapter 11.5): the soft
 * path, taken where the fast path of sse-arith.ts cannot vouch for the flags. T is u32 for single and u64 for double; values
 * are their bits. Flags gather in float80.ts' `flags` over the lanes of an instruction; `commitMxcsr()` ends it.
 */
import { raiseNoError } from '../system/fault'
import { addCore, divCore, mulAddCore, mulCore, sqrtCore, zExp, zLow, zSig, zSign } from './float-core'
import {
  BIAS, DE, IE, PE, PRE_COMPUTATION, ZE, clearFlags, flags, packSmall, raiseFlags, roundsUp, useMxcsr,
} from '../x87/float80'
import { CR4, CR4_OSXMMEXCPT, EX_UD, EX_XM, MXCSR } from '../state'

// Kinds, as the low bits of the opcodes 0F 58 to 0F 5F.
export const FP_ADD: u32 = 0
export const FP_MUL: u32 = 1
export const FP_SUB: u32 = 4
export const FP_MIN: u32 = 5
export const FP_DIV: u32 = 6
export const FP_MAX: u32 = 7

export const MXCSR_DAZ: u32 = 0x40
/** DAZ, masks, rounding and FTZ: what is set up, not sticky. */
export const MXCSR_CONTROL: u32 = 0xffc0
/** Nearest, all masked, no DAZ, no FTZ. */
export const MXCSR_DEFAULT: u32 = 0x1f80

let denormalsAreZero: bool = false

/** Starts an instruction. */
export function beginSse(): void {
  const mxcsr = load<u32>(MXCSR)
  denormalsAreZero = (mxcsr & MXCSR_DAZ) != 0
  useMxcsr(mxcsr)
}

/** Starts a conversion to half precision: `mode` 0 to 3 is a rounding, 4 is MXCSR's; FTZ does not count. */
export function beginHalf(mode: u32): void {
  const mxcsr = load<u32>(MXCSR) & ~0x8000
  denormalsAreZero = (mxcsr & MXCSR_DAZ) != 0
  useMxcsr(mode & 4 ? mxcsr : (mxcsr & ~0x6000) | (mode << 13))
}

/** A VEX instruction runs in halves (vex.ts): their flags are gathered and count together. */
export let gathering: bool = false
let gathered: u32 = 0

export function gatherFlags(): void {
  gathering = true
  gathered = 0
}

/** An instruction faults: it may have been in its halves. */
@inline export function dropGathered(): void {
  gathering = false
}

/** Ends the halves: what they have raised goes to MXCSR. */
export function commitGathered(): void {
  gathering = false
  if (!gathered) return
  clearFlags(flags)
  raiseFlags(gathered)
  commitMxcsr()
}

/** Merges the flags into MXCSR; raises #XM (#UD where the system has not said it takes it) when one is unmasked. */
export function commitMxcsr(): void {
  if (gathering) {
    gathered |= flags
    return
  }
  const mxcsr = load<u32>(MXCSR)
  const unmasked = flags & 0x3f & ~(mxcsr >> 7)
  if (unmasked) {
    store<u32>(MXCSR, mxcsr | (flags & (unmasked & PRE_COMPUTATION ? PRE_COMPUTATION : 0x3f)))
    raiseNoError(load<u32>(CR4) & CR4_OSXMMEXCPT ? EX_XM : EX_UD)
  }
  store<u32>(MXCSR, mxcsr | (flags & 0x3f))
}

// ---- formats ----

@inline export function fractionBits<T>(): u64 {
  return sizeof<T>() == 4 ? 23 : 52
}

@inline export function exponentBits<T>(): u32 {
  return sizeof<T>() == 4 ? 8 : 11
}

@inline export function signMask<T>(): T {
  return <T>(sizeof<T>() == 4 ? 0x80000000 : 0x8000000000000000)
}

@inline export function infinity<T>(): T {
  return <T>(sizeof<T>() == 4 ? 0x7f800000 : 0x7ff0000000000000)
}

@inline export function quietBit<T>(): T {
  return <T>(sizeof<T>() == 4 ? 0x400000 : 0x8000000000000)
}

/** The default NaN: negative and quiet. */
@inline export function indefinite<T>(): T {
  return <T>(sizeof<T>() == 4 ? 0xffc00000 : 0xfff8000000000000)
}

@inline export function magnitude<T>(a: T): T {
  return <T>(a & ~signMask<T>())
}

@inline export function isNaN_<T>(a: T): bool {
  return magnitude<T>(a) > infinity<T>()
}

@inline export function isSignalling_<T>(a: T): bool {
  return isNaN_<T>(a) && (a & quietBit<T>()) == 0
}

@inline export function isDenormal_<T>(a: T): bool {
  return <T>(magnitude<T>(a) - 1) < <T>(((<T>1) << <T>fractionBits<T>()) - 1)
}

/** An ordinary finite number, well above the smallest normal one: as a rounded result it raised nothing but PE. */
@inline export function isOrdinary<T>(a: T): bool {
  const least = <T>((<T>2) << <T>fractionBits<T>())
  return <T>(magnitude<T>(a) - least) < <T>(infinity<T>() - least)
}

/** PE is sticky already, and the mode is the one that systems leave: WebAssembly's floats may answer. */
@inline export function plainMode(): bool {
  return (load<u32>(MXCSR) & (MXCSR_CONTROL | PE)) == (MXCSR_DEFAULT | PE)
}

/** A denormal operand: zero under DAZ, else flagged by the caller. */
@inline export function squash<T>(a: T): T {
  return denormalsAreZero && isDenormal_<T>(a) ? <T>(a & signMask<T>()) : a
}

@inline function sign<T>(a: T): u32 {
  return <u32>(a >> <T>(sizeof<T>() * 8 - 1))
}

/** Normalised significand with its top bit set, or 0. */
export function sig<T>(a: T): u64 {
  const fraction = <u64>a << (64 - fractionBits<T>())
  if (<u64>magnitude<T>(a) >> fractionBits<T>()) return (fraction >> 1) | 0x8000000000000000
  return fraction ? fraction << clz(fraction) : 0
}

/** Exponent biased as for extended floats. */
export function exponent<T>(a: T): i32 {
  const bias = (1 << (exponentBits<T>() - 1)) - 1
  const e = <i32>(<u64>magnitude<T>(a) >> fractionBits<T>())
  if (e) return e - bias + BIAS
  return BIAS - bias - <i32>clz(<u64>a << (64 - fractionBits<T>()))
}

@inline function pack<T>(): T {
  return <T>packSmall(zSign, zExp, zSig, zLow, <u32>fractionBits<T>() + 1, exponentBits<T>())
}

/** Two operands of which one is a NaN: the first NaN, made quiet. */
function propagate<T>(a: T, b: T): T {
  if (isSignalling_<T>(a) || isSignalling_<T>(b)) raiseFlags(IE)
  return isNaN_<T>(a) ? a | quietBit<T>() : b | quietBit<T>()
}

@inline function invalid<T>(): T {
  raiseFlags(IE)
  return indefinite<T>()
}

// ---- operations ----

export function soft<T>(kind: u32, aIn: T, bIn: T): T {
  const a = squash<T>(aIn)
  const b = squash<T>(bIn)
  if (kind == FP_MIN || kind == FP_MAX) return minMax<T>(kind, a, b)
  if (isNaN_<T>(a) || isNaN_<T>(b)) return propagate<T>(a, b)
  const aInfinite = magnitude<T>(a) == infinity<T>()
  const bInfinite = magnitude<T>(b) == infinity<T>()
  const s = <T>((a ^ b) & signMask<T>())
  if (kind == FP_ADD || kind == FP_SUB) {
    const c = kind == FP_SUB ? <T>(b ^ signMask<T>()) : b
    if (aInfinite && bInfinite && a != c) return invalid<T>()
    if (isDenormal_<T>(a) || isDenormal_<T>(b)) raiseFlags(DE)
    if (aInfinite) return a
    if (bInfinite) return c
    addCore(sign<T>(a), exponent<T>(a), sig<T>(a), sign<T>(c), exponent<T>(c), sig<T>(c))
    return pack<T>()
  }
  const aZero = magnitude<T>(a) == 0
  const bZero = magnitude<T>(b) == 0
  if (kind == FP_MUL) {
    if ((aInfinite && bZero) || (bInfinite && aZero)) return invalid<T>()
    if (isDenormal_<T>(a) || isDenormal_<T>(b)) raiseFlags(DE)
    if (aInfinite || bInfinite) return s | infinity<T>()
    if (aZero || bZero) return s
    mulCore(sign<T>(a), exponent<T>(a), sig<T>(a), sign<T>(b), exponent<T>(b), sig<T>(b))
    return pack<T>()
  }
  if ((aInfinite && bInfinite) || (aZero && bZero)) return invalid<T>()
  if (bZero && !aInfinite) {
    raiseFlags(ZE)
    return s | infinity<T>()
  }
  if (isDenormal_<T>(a) || isDenormal_<T>(b)) raiseFlags(DE)
  if (aInfinite) return s | infinity<T>()
  if (bInfinite || aZero) return s
  divCore(sign<T>(a), exponent<T>(a), sig<T>(a), sign<T>(b), exponent<T>(b), sig<T>(b))
  return pack<T>()
}

/** a * b + c, rounded once; `negateProduct` and `negateAddend` give the other forms. */
export function softMulAdd<T>(aIn: T, bIn: T, cIn: T, negateProduct: bool, negateAddend: bool): T {
  const a = squash<T>(aIn)
  const b = squash<T>(bIn)
  const c = squash<T>(cIn)
  const aMagnitude = magnitude<T>(a)
  const bMagnitude = magnitude<T>(b)
  if (isNaN_<T>(a) || isNaN_<T>(b)) {
    if (isSignalling_<T>(c)) raiseFlags(IE)
    return propagate<T>(a, b)
  }
  const infiniteProduct = aMagnitude == infinity<T>() || bMagnitude == infinity<T>()
  const noProduct = infiniteProduct && (aMagnitude == 0 || bMagnitude == 0)
  if (isNaN_<T>(c)) return propagate<T>(c, c)
  if (noProduct) return invalid<T>()
  const productSign = sign<T>(a) ^ sign<T>(b) ^ u32(negateProduct)
  const addendSign = sign<T>(c) ^ u32(negateAddend)
  const infiniteAddend = magnitude<T>(c) == infinity<T>()
  if (infiniteProduct && infiniteAddend && productSign != addendSign) return invalid<T>()
  if (isDenormal_<T>(a) || isDenormal_<T>(b) || isDenormal_<T>(c)) raiseFlags(DE)
  if (infiniteProduct || infiniteAddend) {
    return infinity<T>() | ((infiniteProduct ? productSign : addendSign) ? signMask<T>() : 0)
  }
  mulAddCore(productSign, exponent<T>(a), sig<T>(a), 0, exponent<T>(b), sig<T>(b), addendSign, exponent<T>(c), sig<T>(c))
  return pack<T>()
}

/** MIN and MAX give the second operand for NaNs of either kind and for two zeros. */
function minMax<T>(kind: u32, a: T, b: T): T {
  if (isNaN_<T>(a) || isNaN_<T>(b)) {
    raiseFlags(IE)
    return b
  }
  if (isDenormal_<T>(a) || isDenormal_<T>(b)) raiseFlags(DE)
  const less = kind == FP_MIN ? isLess<T>(a, b) : isLess<T>(b, a)
  return less ? a : b
}

/** a < b for numbers. */
@inline function isLess<T>(a: T, b: T): bool {
  if (sizeof<T>() == 4) return reinterpret<f32>(<u32>a) < reinterpret<f32>(<u32>b)
  return reinterpret<f64>(<u64>a) < reinterpret<f64>(<u64>b)
}

@inline function isEqual<T>(a: T, b: T): bool {
  if (sizeof<T>() == 4) return reinterpret<f32>(<u32>a) == reinterpret<f32>(<u32>b)
  return reinterpret<f64>(<u64>a) == reinterpret<f64>(<u64>b)
}

export function softSqrt<T>(aIn: T): T {
  const a = squash<T>(aIn)
  if (isNaN_<T>(a)) return propagate<T>(a, a)
  if (magnitude<T>(a) == 0) return a
  if (sign<T>(a)) return invalid<T>()
  if (a == infinity<T>()) return a
  if (isDenormal_<T>(a)) raiseFlags(DE)
  sqrtCore(exponent<T>(a), sig<T>(a))
  return pack<T>()
}

/**
 * ROUNDPS and its kin, with the rounding mode 0 to 3 as MXCSR has it: an integer as a float. Raises IE for signalling NaNs
 * and, unless `quiet`, PE; denormals are not told.
 */
export function softRound<T>(aIn: T, mode: u32, quiet: bool): T {
  const a = squash<T>(aIn)
  if (isNaN_<T>(a)) return propagate<T>(a, a)
  const e = exponent<T>(a) - BIAS
  if (magnitude<T>(a) == 0 || e >= <i32>fractionBits<T>()) return a
  const s = <T>(a & signMask<T>())
  const negative = s != 0
  let whole: T
  let inexact: bool
  // More than half, half, or less, of the last place that stays.
  let up: bool
  if (e < 0) {
    whole = 0
    inexact = true
    const half = <T>((<u64>((1 << (exponentBits<T>() - 1)) - 2)) << fractionBits<T>())
    up = mode == 0 ? magnitude<T>(a) > half : mode == 1 ? negative : mode == 2 ? !negative : false
    if (up) whole = <T>((<u64>((1 << (exponentBits<T>() - 1)) - 1)) << fractionBits<T>())
  } else {
    const cutBits = <u64>fractionBits<T>() - <u64>e
    const mask = <T>((((<u64>1) << cutBits) - 1))
    const rest = <u64>(a & mask)
    const half = ((<u64>1) << cutBits) >> 1
    whole = <T>(magnitude<T>(a) & ~mask)
    inexact = rest != 0
    const odd = (((<u64>a >> cutBits) & 1) | u64(e == 0)) != 0
    if (mode == 0) up = rest > half || (rest == half && odd)
    else up = rest != 0 && (mode == 1 ? negative : mode == 2 ? !negative : false)
    if (up) whole = <T>(whole + <T>((<u64>1) << cutBits))
  }
  if (inexact && !quiet) raiseFlags(PE)
  return <T>(whole | s)
}

/** Which of less (1), equal (2), greater (4) and unordered (8) satisfy predicate 0 to 15, a nibble each. */
const SATISFIED: u64 = 0xf4650b9a7ced8312

/** CMPccPS and its kin; `predicate` 0 to 31, of which SSE has 0 to 7. */
export function softCompare<T>(predicate: u32, aIn: T, bIn: T): bool {
  const a = squash<T>(aIn)
  const b = squash<T>(bIn)
  const satisfied = <u32>(SATISFIED >> <u64>((predicate & 15) << 2))
  if (isNaN_<T>(a) || isNaN_<T>(b)) {
    // LT, LE and what is made of them signal on quiet NaNs too; bit 4 turns that about.
    const signals = (((predicate + 1) & 2) != 0) != ((predicate & 16) != 0)
    if (signals || isSignalling_<T>(a) || isSignalling_<T>(b)) raiseFlags(IE)
    return (satisfied & 8) != 0
  }
  if (isDenormal_<T>(a) || isDenormal_<T>(b)) raiseFlags(DE)
  return (satisfied & (isLess<T>(a, b) ? 1 : isEqual<T>(a, b) ? 2 : 4)) != 0
}

/** COMISS and UCOMISS: -1, 0, 1, or 2 for unordered. */
export function softOrder<T>(aIn: T, bIn: T, quiet: bool): i32 {
  const a = squash<T>(aIn)
  const b = squash<T>(bIn)
  if (isNaN_<T>(a) || isNaN_<T>(b)) {
    if (!quiet || isSignalling_<T>(a) || isSignalling_<T>(b)) raiseFlags(IE)
    return 2
  }
  if (isDenormal_<T>(a) || isDenormal_<T>(b)) raiseFlags(DE)
  return isEqual<T>(a, b) ? 0 : isLess<T>(a, b) ? -1 : 1
}

// ---- conversions ----

/** Single to double. */
export function singleToDouble(aIn: u32): u64 {
  const a = squash<u32>(aIn)
  if (isNaN_<u32>(a)) {
    if (isSignalling_<u32>(a)) raiseFlags(IE)
    return ((<u64>a >> 31) << 63) | 0x7ff8000000000000 | ((<u64>a & 0x7fffff) << 29)
  }
  if (isDenormal_<u32>(a)) raiseFlags(DE)
  return reinterpret<u64>(<f64>reinterpret<f32>(a))
}

/** Double to single, rounded. */
export function doubleToSingle(aIn: u64): u32 {
  const a = squash<u64>(aIn)
  if (isNaN_<u64>(a)) {
    if (isSignalling_<u64>(a)) raiseFlags(IE)
    return (<u32>(a >> 63) << 31) | 0x7fc00000 | (<u32>(a >> 29) & 0x7fffff)
  }
  const s = <u32>(a >> 63)
  if (magnitude<u64>(a) == infinity<u64>()) return (s << 31) | 0x7f800000
  if (isDenormal_<u64>(a)) raiseFlags(DE)
  return <u32>packSmall(s, exponent<u64>(a), sig<u64>(a), 0, 24, 8)
}

/** A signed integer to T, rounded. */
export function integerToFloat<T>(value: i64): T {
  if (value == 0) return 0
  const m = value < 0 ? 0 - <u64>value : <u64>value
  const places = <u32>clz(m)
  const bits = <u32>fractionBits<T>() + 1
  return <T>packSmall(<u32>(value < 0), BIAS + 63 - <i32>places, m << places, 0, bits, exponentBits<T>())
}

/** T to a signed integer of I's size (i32 or i64), rounded or truncated; what does not fit is the indefinite one. */
export function floatToInteger<T, I>(aIn: T, truncate: bool): I {
  const a = squash<T>(aIn)
  const e = exponent<T>(a)
  const s = sign<T>(a)
  const bits: u64 = sizeof<I>() * 8
  if (magnitude<T>(a) >= infinity<T>() || e > BIAS + 63) return invalidInteger<I>()
  const significand = sig<T>(a)
  if (significand == 0) return <I>0
  let value: u64 = 0
  let rest: u64
  if (e >= BIAS) {
    const places = <u64>(BIAS + 63 - e)
    value = significand >> places
    rest = places ? significand << (64 - places) : 0
  } else rest = e == BIAS - 1 ? significand : 1
  if (rest && !truncate && roundsUp(s, (value & 1) != 0, rest)) value++
  if (value > ((<u64>1) << (bits - 1)) - 1 + <u64>s) return invalidInteger<I>()
  if (rest) raiseFlags(PE)
  return <I>(s ? 0 - <i64>value : <i64>value)
}

@inline function invalidInteger<I>(): I {
  raiseFlags(IE)
  return <I>(sizeof<I>() == 4 ? <i64>i32.MIN_VALUE : i64.MIN_VALUE)
}
