/** The parts of an instruction's first bytes: prefixes, opcode map, opcode, ModRM. */

export type Mode = 64 | 32 | 16

export interface Encoding {
  /** 66h, F2h, F3h, as far as they are there; for VEX its pp. */
  operandSize: boolean
  repeat: 0 | 0xf2 | 0xf3
  lock: boolean
  addressSize: boolean
  rex: number
  vex: boolean
  /** VEX.W, VEX.L. */
  wide: boolean
  long: boolean
  /** 0 one byte, 1 0F, 2 0F 38, 3 0F 3A; others only with VEX. */
  map: number
  opcode: number
  modrm: number
  /** Bytes up to the opcode's end. */
  length: number
}

const SEGMENTS = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65]

/** Undefined where the bytes end before the ModRM. */
export function encoding(code: Uint8Array, mode: Mode): Encoding | undefined {
  const e: Encoding = {
    operandSize: false,
    repeat: 0,
    lock: false,
    addressSize: false,
    rex: 0,
    vex: false,
    wide: false,
    long: false,
    map: 0,
    opcode: 0,
    modrm: 0,
    length: 0,
  }
  let at = 0
  for (; at < code.length; at++) {
    const byte = code[at]
    if (mode === 64 && (byte & 0xf0) === 0x40) {
      e.rex = byte
      continue
    }
    if (byte === 0x66) e.operandSize = true
    else if (byte === 0x67) e.addressSize = true
    else if (byte === 0xf0) e.lock = true
    else if (byte === 0xf2 || byte === 0xf3) e.repeat = byte
    else if (!SEGMENTS.includes(byte)) break
    // REX counts only in front of the opcode.
    e.rex = 0
  }
  const first = code[at++]
  const vex = (first === 0xc4 || first === 0xc5) && (mode === 64 || code[at] >= 0xc0)
  if (vex) {
    e.vex = true
    const last = first === 0xc4 ? code[at + 1] : code[at]
    e.map = first === 0xc4 ? code[at] & 0x1f : 1
    e.wide = first === 0xc4 && last >= 0x80
    e.long = (last & 4) !== 0
    e.operandSize = (last & 3) === 1
    e.repeat = ([0, 0, 0xf3, 0xf2] as const)[last & 3]
    at += first === 0xc4 ? 2 : 1
    e.opcode = code[at++]
  } else if (first !== 0x0f) e.opcode = first
  else {
    e.opcode = code[at++]
    e.map = e.opcode === 0x38 ? 2 : e.opcode === 0x3a ? 3 : 1
    if (e.map > 1) e.opcode = code[at++]
  }
  e.modrm = code[at] ?? 0
  e.length = at
  return at <= code.length ? e : undefined
}
