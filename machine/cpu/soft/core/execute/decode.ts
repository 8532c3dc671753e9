/**
 * The decoder: bytes to ops, once for each block. The opcode maps are a decision tree that the generator makes from the
 * opcode table (`../opcodes`): by mandatory prefix, ModRM.reg, ModRM.mod, ModRM.rm and long mode down to a leaf.
 * The file is longer than others, because each operand form is decoded in it.
 */
import {
  BLOCK_BYTES, BLOCK_COUNT, BLOCK_DROPPED, BLOCK_FETCHED, BLOCK_HEADER, BLOCK_HEAT, BLOCK_JIT, BLOCK_LED, BLOCK_MODE, BLOCK_PHYS,
  BLOCK_SEEN,
} from './code-map'
import { faulted } from '../system/aftermath'
import { isWatched } from '../system/debug'
import { raise, refuse } from '../system/fault'
import { REFUSED_CANONICAL, REFUSED_LIMIT } from '../system/fault-log'
import { has } from '../system/features'
import { fetchAddress } from './fetch'
import { CASES, HANDLER_INVALID, LEAVES, NODES, ROOTS } from '../generated/tables'
import { nonCanonical } from '../memory/memory'
import { physMap, physRead } from '../memory/physical'
import {
  OPF_LOCK, OPF_MEM, OPF_REP, OPF_REPNE, OPF_WIDE, OP_ADDRESS_SHIFT, OP_BASE, OP_DISP, OP_FLAGS, OP_HANDLER, OP_IMM, OP_INDEX,
  OP_IP, OP_LENGTH, OP_NEXT, OP_REG, OP_RM, OP_SCALE, OP_SEG, OP_SIZE, OP_VVVV,
} from './op'
import {
  COVERAGE, CS, DS, ES, EX_GP, FLAT, FLAT_SS, FPR, FS, FS64, GPR, GS, GS64, JIT_THRESHOLD, MODE, MODE_CODE32, MODE_CODE64,
  MODE_CS_LIMIT, PAGE_SHARED, REG_BLOCK_IP, REG_PAGE, REG_ZERO, RIP, SEG_LIMIT, SS, XMM, XMM_SIZE,
} from '../state'

/** Ops of the longest block. */
export const MAX_OPS: u32 = 64

// Node references: kind in bits 31:28.
const NODE_LEAF: u32 = 1
const NODE_PREFIX: u32 = 2
const NODE_REG: u32 = 3
const NODE_MOD: u32 = 4
const NODE_RM: u32 = 5
const NODE_LONG: u32 = 6
const NODE_VEX_L: u32 = 7
const NODE_VEX_W: u32 = 8

/** The maps 0F, 0F 38 and 0F 3A behind a VEX prefix stand this far behind those without. */
const VEX_MAPS: u32 = 3

// Leaf word 0: first case of the dispatch switch, then how many there are.
const LEAF_MEMORY: u32 = 1 << 16
const LEAF_SIZES_SHIFT: u32 = 17 // 0 one, 1 by operand size (16, 32, 64), 2 by operand size (32, 64)
// Leaf word 1.
const LEAF_MODRM: u32 = 1
const LEAF_END: u32 = 2
const LEAF_LOCK: u32 = 4
const LEAF_D64: u32 = 8
const LEAF_F64: u32 = 16
const LEAF_NO66: u32 = 32
const LEAF_REG_SHIFT: u32 = 8 // operand kind, 4 bits
const LEAF_RM_SHIFT: u32 = 12
const LEAF_IMM_SHIFT: u32 = 16
const LEAF_FEATURE_SHIFT: u32 = 20 // feature number + 1, or 0; 9 bits
const LEAF_VVVV_SHIFT: u32 = 29 // operand in VEX.vvvv: 0 none, KIND_GPR, or 2 for XMM
// Operand kinds.
const KIND_NONE: u32 = 0
const KIND_GPR: u32 = 1
const KIND_GPR8: u32 = 2
const KIND_NUMBER: u32 = 3
const KIND_XMM: u32 = 4
const KIND_MMX: u32 = 5
const KIND_OPCODE_GPR: u32 = 6
const KIND_OPCODE_GPR8: u32 = 7
/** A memory operand whose index is an XMM register. */
const KIND_VECTOR_INDEX: u32 = 8
// Immediate kinds.
const IMM_NONE: u32 = 0
const IMM_B: u32 = 1
const IMM_BS: u32 = 2
const IMM_W: u32 = 3
const IMM_Z: u32 = 4
const IMM_V: u32 = 5
const IMM_WB: u32 = 6
const IMM_OFFSET: u32 = 7
const IMM_FAR: u32 = 8
const IMM_JB: u32 = 9
const IMM_JZ: u32 = 10

// ---- the byte window ----

/** Linear address of the instruction, offset of the next byte from it, and the page it began in. */
let instruction: u64 = 0
let length: u32 = 0
/** Arena address of the page's first byte, 0 where the page is not plain memory. */
let hostPage: usize = 0
let physPage: u64 = 0
/** Bytes of the instruction that lie in the first page. */
let inFirstPage: u32 = 0
let firstOfBlock: bool = false
/** The instruction needs bytes of the next page but is not first in its block: decoding stops in front of it. */
let stopped: bool = false
/** The block that was decoded last is one instruction that reaches into the page at `secondPhys`. */
export let crossed: bool = false
export let secondPhys: u64 = 0

function nextByte(): u32 {
  if (stopped) return 0
  if (length >= 15) {
    if (firstOfBlock) raise(EX_GP, 0)
    stopped = true
    return 0
  }
  if (length >= inFirstPage) {
    if (!firstOfBlock) {
      stopped = true
      return 0
    }
    if (!crossed) {
      const next = (instruction | 0xfff) + 1
      const mode = load<u32>(MODE)
      // The end of CS is found before the page behind it is looked at.
      if (mode & MODE_CODE64 && nonCanonical(next)) refuse(EX_GP, 0, REFUSED_CANONICAL, CS, next, 2)
      if (mode & MODE_CS_LIMIT && load<u64>(RIP) + length > <u64>load<u32>(CS, SEG_LIMIT)) pastLimit()
      secondPhys = fetchAddress(mode & MODE_CODE64 ? next : next & 0xffffffff)
      if (faulted) {
        stopped = true
        return 0
      }
      crossed = true
    }
    return <u32>physRead(secondPhys + (length++ - inFirstPage), 1)
  }
  const offset = (instruction & 0xfff) + length++
  return hostPage ? load<u8>(hostPage + <usize>offset) : <u32>physRead(physPage + offset, 1)
}

/** The instruction at RIP reaches over the end of CS. */
function pastLimit(): void {
  refuse(EX_GP, 0, REFUSED_LIMIT, CS, <u64>load<u32>(CS, SEG_LIMIT) + 1, 2)
}

@inline function nextWord(): u32 {
  const low = nextByte()
  return low | (nextByte() << 8)
}

@inline function nextDword(): u32 {
  const low = nextWord()
  return low | (nextWord() << 16)
}

function nextSigned(size: u32): i64 {
  if (size == 1) return <i64>(<i8>nextByte())
  if (size == 2) return <i64>(<i16>nextWord())
  return <i64>(<i32>nextDword())
}

/**
 * Decodes the block at `linear` (physical `phys`) into `block`. Returns false when it must not be kept. Raises what the
 * fetch of its first instruction raises, and is no block where that has `faulted`.
 */
export function decodeBlock(block: usize, linear: u64, phys: u64): bool {
  const entry = physMap(phys)
  hostPage = <usize>(entry & 0xfffff000)
  physPage = phys & ~0xfff
  const mode = load<u32>(MODE)
  const start = load<u64>(RIP)
  let op = block + BLOCK_HEADER
  let count: u32 = 0
  let offset: u32 = 0
  const room: u32 = 0x1000 - <u32>(phys & 0xfff)
  // What is not kept has one instruction, which the one before may have written.
  const keepable = entry != 0 && !(entry & PAGE_SHARED)
  firstOfBlock = true
  crossed = false
  stopped = false
  while (count < MAX_OPS && offset < room) {
    instruction = linear + offset
    length = 0
    inFirstPage = room - offset
    memory.fill(op, 0, OP_SIZE)
    const ends = decodeOne(op, offset)
    if (stopped) break
    if (mode & MODE_CS_LIMIT && start + offset + length - 1 > <u64>load<u32>(CS, SEG_LIMIT)) {
      if (firstOfBlock) pastLimit()
      break
    }
    store<u8>(op, <u8>length, OP_LENGTH)
    store<u16>(op, <u16>offset, OP_IP)
    offset += length
    store<u16>(op, <u16>offset, OP_NEXT)
    count++
    op += OP_SIZE
    firstOfBlock = false
    if (ends || crossed || !keepable || isWatched(linear + offset)) break
  }
  if (faulted) return false
  store<u64>(block, phys, BLOCK_PHYS)
  store<u32>(block, count, BLOCK_COUNT)
  store<u32>(block, offset, BLOCK_BYTES)
  store<u32>(block, load<u32>(COVERAGE) ? 0 : load<u32>(JIT_THRESHOLD), BLOCK_HEAT)
  store<u64>(block, 0, BLOCK_JIT)
  store<u32>(block, 0, BLOCK_LED)
  store<u32>(block, 0, BLOCK_SEEN)
  const second = crossed ? physMap(secondPhys) : entry
  const memory = entry != 0 && second != 0
  const keep = keepable && second != 0 && !(second & PAGE_SHARED) && !(crossed && secondPhys == physPage)
  store<u32>(block, keep ? mode : memory ? BLOCK_DROPPED : BLOCK_FETCHED, BLOCK_MODE)
  return keep
}

/** Whether the arena page of `place` holds bytes of the instruction that was decoded last. */
export function decodedIn(place: usize): bool {
  const page = place & ~0xfff
  return page == hostPage || (crossed && page == <usize>(physMap(secondPhys) & 0xfffff000))
}

@inline function gpr(n: u32): u16 {
  return <u16>(GPR + (<usize>n << 3))
}

/** Register address for an operand kind. */
function register(kind: u32, n: u32, rex: u32): u16 {
  switch (kind) {
    case KIND_GPR:
      return gpr(n)
    case KIND_GPR8:
      return rex || n < 4 ? gpr(n) : gpr(n - 4) + 1
    case KIND_XMM:
      return <u16>(XMM + <usize>n * XMM_SIZE)
    case KIND_MMX:
      return <u16>(FPR + (<usize>(n & 7) << 4))
    default:
      return <u16>n
  }
}

/** One instruction at `op`; true when it ends the block. `offset` is its offset from the block's first byte. */
function decodeOne(op: usize, offset: u32): bool {
  // What an instruction before left half-way, whose fetch faulted or which is invalid, must not count for this one.
  ripRelative = vectorIndex = false
  const mode = load<u32>(MODE)
  const long = (mode & MODE_CODE64) != 0
  const defaults32 = (mode & (MODE_CODE32 | MODE_CODE64)) != 0
  let size66 = false
  let size67 = false
  let rep: u32 = 0
  let lock = false
  let segment: usize = 0
  let rex: u32 = 0
  let opcode: u32
  while (true) {
    opcode = nextByte()
    if (stopped) return false
    if (long && (opcode & 0xf0) == 0x40) {
      rex = opcode
      continue
    }
    if (opcode == 0x66) size66 = true
    else if (opcode == 0x67) size67 = true
    else if (opcode == 0xf0) lock = true
    else if (opcode == 0xf2 || opcode == 0xf3) rep = opcode
    else if (opcode == 0x26) segment = ES
    else if (opcode == 0x2e) segment = CS
    else if (opcode == 0x36) segment = SS
    else if (opcode == 0x3e) segment = DS
    else if (opcode == 0x64) segment = FS
    else if (opcode == 0x65) segment = GS
    else break
    // A REX prefix counts only right in front of the opcode.
    rex = 0
  }
  let map: u32 = 0
  let modrm: u32 = 0
  let haveModrm = false
  let vex = false
  let vexL: u32 = 0
  let vexW: u32 = 0
  let vvvv: u32 = 0
  if (opcode == 0xc4 || opcode == 0xc5) {
    // VEX prefixes; outside 64-bit code only where LES and LDS would have a register as their operand.
    const second = nextByte()
    if (long || second >= 0xc0) {
      vex = true
      // Neither REX, 66, F2, F3 nor LOCK may stand in front, and there are three maps.
      const prefixed = rex != 0 || size66 || rep != 0 || lock
      let last = second
      map = 1
      rex = 0
      if (opcode == 0xc4) {
        last = nextByte()
        map = second & 31
        if (long) rex = ((second >> 5) ^ 7) & 7
        vexW = last >> 7
      } else if (long) rex = ((second >> 5) & 4) ^ 4
      const pp = last & 3
      size66 = pp == 1
      rep = pp == 2 ? 0xf3 : pp == 3 ? 0xf2 : 0
      vexL = (last >> 2) & 1
      vvvv = ((last >> 3) & 15) ^ 15
      if (!long) vvvv &= 7
      if (long && vexW) rex |= 8
      opcode = nextByte()
      if (prefixed || map < 1 || map > 3) {
        if (stopped) return false
        store<u16>(op, HANDLER_INVALID, OP_HANDLER)
        return true
      }
      map += VEX_MAPS
    } else {
      modrm = second
      haveModrm = true
    }
  } else if (opcode == 0x0f) {
    opcode = nextByte()
    map = 1
    if (opcode == 0x38) {
      opcode = nextByte()
      map = 2
    } else if (opcode == 0x3a) {
      opcode = nextByte()
      map = 3
    }
  }
  // MOV to and from CRn and DRn ignore ModRM.mod: there are no forms with memory.
  if (map == 1 && opcode >= 0x20 && opcode <= 0x23) {
    modrm = nextByte() | 0xc0
    haveModrm = true
  }
  let node = load<u32>(changetype<usize>(ROOTS) + (<usize>((map << 8) | opcode) << 2))
  while (node >> 28 > NODE_LEAF) {
    const kind = node >> 28
    let child: u32
    if (kind == NODE_PREFIX) child = rep == 0xf3 ? 2 : rep == 0xf2 ? 3 : size66 ? 1 : 0
    else if (kind == NODE_LONG) child = <u32>long
    else if (kind == NODE_VEX_L) child = vexL
    else if (kind == NODE_VEX_W) child = vexW
    else {
      if (!haveModrm) {
        modrm = nextByte()
        haveModrm = true
      }
      if (kind == NODE_REG) child = (modrm >> 3) & 7
      else if (kind == NODE_MOD) child = <u32>(modrm >= 0xc0)
      else child = modrm & 7
    }
    node = load<u32>(changetype<usize>(NODES) + (<usize>((node & 0xfffffff) + child) << 2))
  }
  if (stopped) return false
  if (!node) {
    store<u16>(op, HANDLER_INVALID, OP_HANDLER)
    return true
  }
  const leaf = changetype<usize>(LEAVES) + (<usize>(node & 0xfffffff) << 3)
  const word0 = load<u32>(leaf)
  const word1 = load<u32>(leaf, 4)
  const feature = (word1 >> LEAF_FEATURE_SHIFT) & 511
  const vvvvKind = (word1 >> LEAF_VVVV_SHIFT) & 3
  if ((feature && !has(feature - 1)) || (vvvv && !vvvvKind)) {
    store<u16>(op, HANDLER_INVALID, OP_HANDLER)
    return true
  }

  let size: u32 = 32
  if (vex) size = rex & 8 ? 64 : 32
  else if (long && word1 & LEAF_F64) size = 64
  else if (long && rex & 8) size = 64
  else if (long && word1 & LEAF_D64) size = size66 ? 16 : 64
  else if (size66 != !defaults32 && !(word1 & LEAF_NO66)) size = 16
  else if (word1 & LEAF_NO66 && !defaults32) size = 16
  const addressSize: u32 = long ? (size67 ? 32 : 64) : size67 != defaults32 ? 32 : 16
  store<u8>(op, <u8>(64 - addressSize), OP_ADDRESS_SHIFT)

  let flags: u8 = size == 16 ? 1 : size == 32 ? 2 : 3
  if (rep == 0xf3) flags |= OPF_REP
  if (rep == 0xf2) flags |= OPF_REPNE
  if (vexL) flags |= OPF_WIDE
  let memory = false
  const regKind = (word1 >> LEAF_REG_SHIFT) & 15
  const rmKind = (word1 >> LEAF_RM_SHIFT) & 15
  let stackBase = false
  if (word1 & LEAF_MODRM) {
    if (!haveModrm) modrm = nextByte()
    const reg = ((modrm >> 3) & 7) | ((rex & 4) << 1)
    if (regKind) store<u16>(op, register(regKind, reg, rex), OP_REG)
    memory = modrm < 0xc0
    vectorIndex = rmKind == KIND_VECTOR_INDEX
    if (vectorIndex && (addressSize == 16 || (modrm & 7) != 4)) {
      store<u16>(op, HANDLER_INVALID, OP_HANDLER)
      return true
    }
    if (memory) {
      stackBase = addressSize == 16 ? decodeMemory16(op, modrm) : decodeMemory32(op, modrm, rex, long)
      flags |= OPF_MEM
    } else {
      store<u16>(op, register(rmKind, (modrm & 7) | ((rex & 1) << 3), rex), OP_RM)
    }
  } else if (rmKind == KIND_OPCODE_GPR || rmKind == KIND_OPCODE_GPR8) {
    store<u16>(op, register(rmKind == KIND_OPCODE_GPR ? KIND_GPR : KIND_GPR8, (opcode & 7) | ((rex & 1) << 3), rex), OP_RM)
  }
  if (lock) {
    flags |= OPF_LOCK
    if (!memory || !(word1 & LEAF_LOCK)) {
      store<u16>(op, HANDLER_INVALID, OP_HANDLER)
      return true
    }
  }
  store<u8>(op, flags, OP_FLAGS)

  if (!segment) segment = stackBase ? SS : DS
  if (long) {
    if (segment == FS) segment = FS64
    else if (segment == GS) segment = GS64
    else segment = stackBase ? FLAT_SS : FLAT
  }
  const immKind = (word1 >> LEAF_IMM_SHIFT) & 15
  if (immKind != IMM_JB && immKind != IMM_JZ) store<u16>(op, <u16>segment, OP_SEG)
  switch (immKind) {
    case IMM_NONE:
      break
    case IMM_B:
      store<i64>(op, <i64>nextByte(), OP_IMM)
      break
    case IMM_BS:
      store<i64>(op, nextSigned(1), OP_IMM)
      break
    case IMM_W:
      store<i64>(op, <i64>nextWord(), OP_IMM)
      break
    case IMM_Z:
      store<i64>(op, nextSigned(size == 16 ? 2 : 4), OP_IMM)
      break
    case IMM_V:
      if (size == 64) {
        const low = <u64>nextDword()
        store<u64>(op, low | (<u64>nextDword() << 32), OP_IMM)
      } else store<i64>(op, nextSigned(size == 16 ? 2 : 4), OP_IMM)
      break
    case IMM_WB: {
      const word = nextWord()
      store<u64>(op, <u64>(word | (nextByte() << 16)), OP_IMM)
      break
    }
    case IMM_OFFSET: {
      let at: u64 = addressSize == 16 ? nextWord() : nextDword()
      if (addressSize == 64) at |= <u64>nextDword() << 32
      store<u64>(op, at, OP_IMM)
      break
    }
    case IMM_FAR: {
      const to: u64 = size == 16 ? nextWord() : nextDword()
      store<u64>(op, to | (<u64>nextWord() << 32), OP_IMM)
      break
    }
    case IMM_JB: {
      const by = nextSigned(1)
      store<i64>(op, by + offset + length, OP_IMM)
      break
    }
    case IMM_JZ: {
      const by = nextSigned(size == 16 ? 2 : 4)
      store<i64>(op, by + offset + length, OP_IMM)
      break
    }
  }
  if (vvvvKind) {
    store<u16>(op, register(vvvvKind == KIND_GPR ? KIND_GPR : KIND_XMM, vvvv, 0), OP_VVVV)
  }
  // RIP-relative displacements count from the end of the instruction, which is known only now; the base is the block's RIP.
  if (ripRelative) {
    const disp = <i64>load<i32>(op, OP_DISP) + offset + length
    // Where the sum has more than 32 bits, a constant index lends a page.
    if (disp > i32.MAX_VALUE) store<u16>(op, <u16>REG_PAGE, OP_INDEX)
    store<i32>(op, <i32>(disp > i32.MAX_VALUE ? disp - 0x1000 : disp), OP_DISP)
  }

  let handler = word0 & 0xffff
  const memoryVariant: u32 = word0 & LEAF_MEMORY ? 2 : 1
  const sizes = (word0 >> LEAF_SIZES_SHIFT) & 3
  if (sizes == 1) handler += (size == 16 ? 0 : size == 32 ? 1 : 2) * memoryVariant
  else if (sizes == 2) handler += (size == 64 ? 1 : 0) * memoryVariant
  if (memoryVariant == 2 && memory) handler++
  store<u16>(op, load<u16>(changetype<usize>(CASES) + (<usize>handler << 1)), OP_HANDLER)
  return (word1 & LEAF_END) != 0
}

let ripRelative: bool = false
let vectorIndex: bool = false

/** ModRM with 16-bit addressing; true when BP is the base (the default segment is SS). */
function decodeMemory16(op: usize, modrm: u32): bool {
  const mod = modrm >> 6
  const rm = modrm & 7
  let base: u32 = 16
  let index: u32 = 16
  switch (rm) {
    case 0:
      base = 3
      index = 6
      break
    case 1:
      base = 3
      index = 7
      break
    case 2:
      base = 5
      index = 6
      break
    case 3:
      base = 5
      index = 7
      break
    case 4:
      index = 6
      break
    case 5:
      index = 7
      break
    case 6:
      base = mod == 0 ? 16 : 5
      break
    case 7:
      base = 3
      break
  }
  let disp: i32 = 0
  if (mod == 1) disp = <i32>nextSigned(1)
  else if (mod == 2 || (mod == 0 && rm == 6)) disp = <i32>nextSigned(2)
  store<u16>(op, gpr(base), OP_BASE)
  store<u16>(op, gpr(index), OP_INDEX)
  store<i32>(op, disp, OP_DISP)
  return base == 5
}

/** ModRM and SIB with 32- or 64-bit addressing; true when ESP or EBP is the base. */
function decodeMemory32(op: usize, modrm: u32, rex: u32, long: bool): bool {
  const mod = modrm >> 6
  let base = modrm & 7
  let index: u32 = 16
  let scale: u32 = 0
  let noBase = false
  if (base == 4) {
    const sib = nextByte()
    base = sib & 7
    scale = sib >> 6
    index = ((sib >> 3) & 7) | ((rex & 2) << 2)
    if (index == 4 && !vectorIndex) {
      index = 16
      scale = 0
    }
    noBase = base == 5 && mod == 0
  } else if (base == 5 && mod == 0) {
    noBase = true
    ripRelative = long
  }
  let disp: i32 = 0
  if (mod == 1) disp = <i32>nextSigned(1)
  else if (mod == 2 || noBase) disp = <i32>nextDword()
  if (ripRelative) {
    store<u16>(op, <u16>REG_BLOCK_IP, OP_BASE)
    store<u16>(op, <u16>REG_ZERO, OP_INDEX)
    store<i32>(op, disp, OP_DISP)
    return false
  }
  store<u16>(op, noBase ? <u16>REG_ZERO : gpr(base | ((rex & 1) << 3)), OP_BASE)
  store<u16>(op, vectorIndex ? register(KIND_XMM, index, 0) : gpr(index), OP_INDEX)
  store<u8>(op, <u8>scale, OP_SCALE)
  store<i32>(op, disp, OP_DISP)
  return !noBase && (base == 4 || base == 5) && !(rex & 1)
}
