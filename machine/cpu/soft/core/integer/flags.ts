/**
 * Lazy flags. An arithmetic instruction stores its result, sign-extended to 64 bits, and its vector of carries:
 *
 *   AUX bit 31  carry out of the top bit (CF)
 *   AUX bit 30  carry into the top bit (OF is bit 31 xor bit 30)
 *   AUX bit 3   carry out of bit 3 (AF)
 *   AUX bit 0   SF differs from the result's sign
 *   AUX 15:8    xor-ed to the result's low byte before its parity is taken (PF)
 *
 * ZF is "result is zero". So no flag needs to know which operation made it, and the delta bits can say what a result
 * cannot (POPF with ZF and SF both set). The carry-vector form is described in Bochs' developers' documentation.
 */
import { FLAG_AF, FLAG_CF, FLAG_OF, FLAG_PF, FLAG_SF, FLAG_ZF, LAZY_AUX, LAZY_RESULT, RFLAGS } from '../state'

export const ARITH_FLAGS: u32 = FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF
export const AUX_KEEP: u32 = 0xc0000008

@inline export function getCF(): u32 {
  return load<u32>(LAZY_AUX) >> 31
}

@inline export function getZF(): bool {
  return load<u64>(LAZY_RESULT) == 0
}

@inline export function getSF(): bool {
  return (<u32>(load<u64>(LAZY_RESULT) >> 63) ^ (load<u32>(LAZY_AUX) & 1)) != 0
}

@inline export function getOF(): bool {
  const aux = load<u32>(LAZY_AUX)
  return ((aux ^ (aux << 1)) >> 31) != 0
}

@inline export function getAF(): u32 {
  return (load<u32>(LAZY_AUX) >> 3) & 1
}

@inline export function getPF(): bool {
  return (i32.popcnt((load<u32>(LAZY_RESULT) ^ (load<u32>(LAZY_AUX) >> 8)) & 0xff) & 1) == 0
}

/** CF PF AF ZF SF OF as they stand in EFLAGS. */
export function arithFlags(): u32 {
  let f: u32 = getCF()
  if (getPF()) f |= FLAG_PF
  if (getAF()) f |= FLAG_AF
  if (getZF()) f |= FLAG_ZF
  if (getSF()) f |= FLAG_SF
  if (getOF()) f |= FLAG_OF
  return f
}

/** Sets the six arithmetic flags from a value in EFLAGS form. */
export function setArithFlags(f: u32): void {
  // A result of 0 for ZF, else 1: positive, with odd parity in its low byte.
  const zero = (f & FLAG_ZF) != 0
  store<u64>(LAZY_RESULT, zero ? 0 : 1)
  let aux: u32 = 0
  if (f & FLAG_CF) aux |= 0x80000000
  if (((f & FLAG_OF) != 0) != ((f & FLAG_CF) != 0)) aux |= 0x40000000
  if (f & FLAG_AF) aux |= 8
  if (f & FLAG_SF) aux |= 1
  if (((f & FLAG_PF) != 0) != zero) aux |= 0x100
  store<u32>(LAZY_AUX, aux)
}

/** The whole of RFLAGS. */
export function getFlags(): u32 {
  return (load<u32>(RFLAGS) & ~ARITH_FLAGS) | arithFlags()
}

/** Replaces all of RFLAGS (the caller masks what may not change and calls flagsChanged()). */
export function setFlags(f: u32): void {
  setArithFlags(f)
  store<u64>(RFLAGS, (f & ~ARITH_FLAGS) | 2)
}

/** Sets or clears CF alone. */
export function setCF(carry: bool): void {
  let aux = load<u32>(LAZY_AUX)
  // OF must stay what it was: bit 30 moves along with bit 31.
  if ((aux >> 31 != 0) != carry) aux ^= 0xc0000000
  store<u32>(LAZY_AUX, aux)
}

/** For results whose carries are known as flags: sets SF, ZF, PF from `result` (sign-extended), and CF, OF, AF as given. */
@inline export function setLazy(result: i64, cf: bool, overflow: bool, af: bool): void {
  store<i64>(LAZY_RESULT, result)
  store<u32>(LAZY_AUX, (<u32>cf << 31) | (<u32>(cf != overflow) << 30) | (<u32>af << 3))
}
