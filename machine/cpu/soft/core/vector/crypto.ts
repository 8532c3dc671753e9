/** AES-NI, PCLMULQDQ and SHA (Intel SDM vol. 2; FIPS 197 and FIPS 180-4). */
import { OP_IMM } from '../execute/op'
import { XMM } from '../state'
import { checkSse, regV, sourceW } from './xmm'

// ---- AES ----

const SBOX: usize = memory.data(256, 16)
const INVERSE_SBOX: usize = memory.data(256, 16)
const STATE: usize = memory.data(16, 16)
const NEXT: usize = memory.data(16, 16)
let tablesMade: bool = false

/** Times x in GF(2^8). */
@inline function double(a: u32): u32 {
  return ((a << 1) ^ (a & 0x80 ? 0x1b : 0)) & 0xff
}

function multiply(a: u32, b: u32): u32 {
  let product: u32 = 0
  let x = a
  for (let y = b; y; y >>= 1) {
    if (y & 1) product ^= x
    x = double(x)
  }
  return product
}

/** FIPS 197, 5.1.1: the inverse in the field, then an affine map. */
function makeTables(): void {
  let p: u32 = 1
  let q: u32 = 1
  // p runs through all powers of 3, q through their inverses.
  do {
    p = p ^ double(p)
    q ^= q << 1
    q ^= q << 2
    q ^= q << 4
    q &= 0xff
    if (q & 0x80) q ^= 9
    const s = (q ^ rotl<u8>(<u8>q, 1) ^ rotl<u8>(<u8>q, 2) ^ rotl<u8>(<u8>q, 3) ^ rotl<u8>(<u8>q, 4) ^ 0x63) & 0xff
    store<u8>(SBOX + p, <u8>s)
    store<u8>(INVERSE_SBOX + s, <u8>p)
  } while (p != 1)
  store<u8>(SBOX, 0x63)
  store<u8>(INVERSE_SBOX + 0x63, 0)
  tablesMade = true
}

/** ShiftRows and SubBytes, or their inverses, from STATE to NEXT. */
function shiftAndSubstitute(inverse: bool): void {
  if (!tablesMade) makeTables()
  const table = inverse ? INVERSE_SBOX : SBOX
  for (let column: u32 = 0; column < 4; column++) {
    for (let row: u32 = 0; row < 4; row++) {
      const from = (inverse ? column - row : column + row) & 3
      store<u8>(NEXT + column * 4 + row, load<u8>(table + load<u8>(STATE + from * 4 + row)))
    }
  }
}

/** MixColumns on one column. */
@inline function mix(word: u32): u32 {
  // Times 2 of all four bytes at once.
  const doubled = ((word & 0x7f7f7f7f) << 1) ^ (((word >> 7) & 0x01010101) * 0x1b)
  return doubled ^ rotr<u32>(word ^ doubled, 8) ^ rotr<u32>(word, 16) ^ rotr<u32>(word, 24)
}

function inverseMix(word: u32): u32 {
  let r: u32 = 0
  const a = word & 0xff
  const b = (word >> 8) & 0xff
  const c = (word >> 16) & 0xff
  const d = word >> 24
  r = multiply(a, 14) ^ multiply(b, 11) ^ multiply(c, 13) ^ multiply(d, 9)
  r |= (multiply(a, 9) ^ multiply(b, 14) ^ multiply(c, 11) ^ multiply(d, 13)) << 8
  r |= (multiply(a, 13) ^ multiply(b, 9) ^ multiply(c, 14) ^ multiply(d, 11)) << 16
  r |= (multiply(a, 11) ^ multiply(b, 13) ^ multiply(c, 9) ^ multiply(d, 14)) << 24
  return r
}

/** One round; `last` has no MixColumns. */
export function aesRound(a: v128, key: v128, inverse: bool, last: bool): v128 {
  v128.store(STATE, a)
  shiftAndSubstitute(inverse)
  if (!last) {
    for (let i: usize = 0; i < 16; i += 4) {
      const word = load<u32>(NEXT + i)
      store<u32>(NEXT + i, inverse ? inverseMix(word) : mix(word))
    }
  }
  return v128.xor(v128.load(NEXT), key)
}

/** AESENC, AESENCLAST, AESDEC, AESDECLAST. */
export function aes_V_W(op: usize, mem: bool, inverse: bool, last: bool): void {
  checkSse()
  const key = sourceW(op, mem)
  const d = regV(op)
  v128.store(d, aesRound(v128.load(d), key, inverse, last))
}

export function inverseMixColumns(b: v128): v128 {
  v128.store(STATE, b)
  for (let i: usize = 0; i < 16; i += 4) store<u32>(STATE + i, inverseMix(load<u32>(STATE + i)))
  return v128.load(STATE)
}

export function aesimc(op: usize, mem: bool): void {
  checkSse()
  v128.store(regV(op), inverseMixColumns(sourceW(op, mem)))
}

function substituteWord(word: u32): u32 {
  return (
    <u32>load<u8>(SBOX + (word & 0xff)) |
    (<u32>load<u8>(SBOX + ((word >> 8) & 0xff)) << 8) |
    (<u32>load<u8>(SBOX + ((word >> 16) & 0xff)) << 16) |
    (<u32>load<u8>(SBOX + (word >> 24)) << 24)
  )
}

export function keyAssist(b: v128, constant: u32): v128 {
  if (!tablesMade) makeTables()
  const x1 = substituteWord(i32x4.extract_lane(b, 1))
  const x3 = substituteWord(i32x4.extract_lane(b, 3))
  store<u32>(NEXT, x1)
  store<u32>(NEXT, rotr<u32>(x1, 8) ^ constant, 4)
  store<u32>(NEXT, x3, 8)
  store<u32>(NEXT, rotr<u32>(x3, 8) ^ constant, 12)
  return v128.load(NEXT)
}

export function aeskeygenassist(op: usize, mem: bool): void {
  checkSse()
  v128.store(regV(op), keyAssist(sourceW(op, mem), <u32>load<u8>(op, OP_IMM)))
}

// ---- PCLMULQDQ ----

export function carryless(a: v128, b: v128, imm: u32): v128 {
  const x = <u64>(imm & 1 ? i64x2.extract_lane(a, 1) : i64x2.extract_lane(a, 0))
  let y = <u64>(imm & 16 ? i64x2.extract_lane(b, 1) : i64x2.extract_lane(b, 0))
  let low: u64 = 0
  let high: u64 = 0
  while (y) {
    const n = ctz<u64>(y)
    low ^= x << n
    if (n) high ^= x >> (64 - n)
    y &= y - 1
  }
  return i64x2.replace_lane(i64x2.splat(<i64>low), 1, <i64>high)
}

export function pclmulqdq(op: usize, mem: bool): void {
  checkSse()
  const b = sourceW(op, mem)
  const d = regV(op)
  v128.store(d, carryless(v128.load(d), b, <u32>load<u8>(op, OP_IMM)))
}

// ---- SHA ----

// The sources, as words: lane 3 is the first of the standard's.
const A: usize = memory.data(16, 16)
const B: usize = memory.data(16, 16)

@inline function a(i: usize): u32 {
  return load<u32>(A + (i << 2))
}

@inline function b(i: usize): u32 {
  return load<u32>(B + (i << 2))
}

@inline function begin(op: usize, mem: bool): void {
  checkSse()
  v128.store(B, sourceW(op, mem))
  v128.store(A, v128.load(regV(op)))
}

@inline function finish(op: usize, w3: u32, w2: u32, w1: u32, w0: u32): void {
  const d = regV(op)
  store<u32>(d, w0)
  store<u32>(d, w1, 4)
  store<u32>(d, w2, 8)
  store<u32>(d, w3, 12)
}

export function sha1nexte(op: usize, mem: bool): void {
  begin(op, mem)
  finish(op, b(3) + rotl<u32>(a(3), 30), b(2), b(1), b(0))
}

export function sha1msg1(op: usize, mem: bool): void {
  begin(op, mem)
  finish(op, a(1) ^ a(3), a(0) ^ a(2), b(3) ^ a(1), b(2) ^ a(0))
}

export function sha1msg2(op: usize, mem: bool): void {
  begin(op, mem)
  const w16 = rotl<u32>(a(3) ^ b(2), 1)
  const w17 = rotl<u32>(a(2) ^ b(1), 1)
  const w18 = rotl<u32>(a(1) ^ b(0), 1)
  finish(op, w16, w17, w18, rotl<u32>(a(0) ^ w16, 1))
}

export function sha1rnds4(op: usize, mem: bool): void {
  begin(op, mem)
  const kind = <u32>load<u8>(op, OP_IMM) & 3
  const k: u32 = kind == 0 ? 0x5a827999 : kind == 1 ? 0x6ed9eba1 : kind == 2 ? 0x8f1bbcdc : 0xca62c1d6
  let v = a(3)
  let w = a(2)
  let x = a(1)
  let y = a(0)
  let e: u32 = 0
  for (let i: usize = 0; i < 4; i++) {
    const f = kind == 0 ? (w & x) ^ (~w & y) : kind == 2 ? (w & x) ^ (w & y) ^ (x & y) : w ^ x ^ y
    const next = f + rotl<u32>(v, 5) + b(3 - i) + e + k
    e = y
    y = x
    x = rotl<u32>(w, 30)
    w = v
    v = next
  }
  finish(op, v, w, x, y)
}

export function sha256msg1(op: usize, mem: bool): void {
  begin(op, mem)
  finish(op, a(3) + small0(b(0)), a(2) + small0(a(3)), a(1) + small0(a(2)), a(0) + small0(a(1)))
}

@inline function small0(x: u32): u32 {
  return rotr<u32>(x, 7) ^ rotr<u32>(x, 18) ^ (x >> 3)
}

@inline function small1(x: u32): u32 {
  return rotr<u32>(x, 17) ^ rotr<u32>(x, 19) ^ (x >> 10)
}

export function sha256msg2(op: usize, mem: bool): void {
  begin(op, mem)
  const w16 = a(0) + small1(b(2))
  const w17 = a(1) + small1(b(3))
  const w18 = a(2) + small1(w16)
  finish(op, a(3) + small1(w17), w18, w17, w16)
}

/** Two rounds; the message words with their constants are in XMM0. */
export function sha256rnds2(op: usize, mem: bool): void {
  begin(op, mem)
  let h0 = b(3)
  let h1 = b(2)
  let h2 = a(3)
  let h3 = a(2)
  let h4 = b(1)
  let h5 = b(0)
  let h6 = a(1)
  let h7 = a(0)
  for (let i: usize = 0; i < 2; i++) {
    const t =
      ((h4 & h5) ^ (~h4 & h6)) +
      (rotr<u32>(h4, 6) ^ rotr<u32>(h4, 11) ^ rotr<u32>(h4, 25)) +
      load<u32>(XMM + (i << 2)) +
      h7
    const next = t + ((h0 & h1) ^ (h0 & h2) ^ (h1 & h2)) + (rotr<u32>(h0, 2) ^ rotr<u32>(h0, 13) ^ rotr<u32>(h0, 22))
    h7 = h6
    h6 = h5
    h5 = h4
    h4 = t + h3
    h3 = h2
    h2 = h1
    h1 = h0
    h0 = next
  }
  finish(op, h0, h1, h4, h5)
}
