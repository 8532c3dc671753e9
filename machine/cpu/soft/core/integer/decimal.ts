/** DAA, DAS, AAA, AAS, AAM and AAD (Intel SDM vol. 2). */
import { raiseLastNoError } from '../system/fault'
import { getAF, getCF, setLazy } from './flags'
import { OP_IMM } from '../execute/op'
import { EX_DE, RAX } from '../state'

function szp(v: u8, cf: bool, af: bool, overflow: bool): void {
  setLazy(<i64>(<i8>v), cf, overflow, af)
}

export function daa(): void {
  const old = load<u8>(RAX)
  const oldCF = getCF() != 0
  let al = old
  let cf = false
  const low = (old & 15) > 9 || getAF() != 0
  if (low) {
    al += 6
    cf = oldCF || old > 0xf9
  }
  if (old > 0x99 || oldCF) {
    al += 0x60
    cf = true
  }
  store<u8>(RAX, al)
  szp(al, cf, low, false)
}

export function das(): void {
  const old = load<u8>(RAX)
  const oldCF = getCF() != 0
  let al = old
  let cf = false
  const low = (old & 15) > 9 || getAF() != 0
  if (low) {
    cf = oldCF || old < 6
    al -= 6
  }
  if (old > 0x99 || oldCF) {
    al -= 0x60
    cf = true
  }
  store<u8>(RAX, al)
  szp(al, cf, low, false)
}

export function aaa(): void {
  const adjust = (load<u8>(RAX) & 15) > 9 || getAF() != 0
  if (adjust) store<u16>(RAX, load<u16>(RAX) + 0x106)
  store<u8>(RAX, load<u8>(RAX) & 15)
  szp(load<u8>(RAX), adjust, adjust, false)
}

export function aas(): void {
  const adjust = (load<u8>(RAX) & 15) > 9 || getAF() != 0
  if (adjust) store<u16>(RAX, load<u16>(RAX) - 0x106)
  store<u8>(RAX, load<u8>(RAX) & 15)
  szp(load<u8>(RAX), adjust, adjust, false)
}

export function aam(op: usize): void {
  const base = load<u8>(op, OP_IMM)
  if (!base) return raiseLastNoError(EX_DE)
  const al = load<u8>(RAX)
  store<u8>(RAX + 1, al / base)
  store<u8>(RAX, al % base)
  szp(al % base, false, false, false)
}

export function aad(op: usize): void {
  const al = <u8>(load<u8>(RAX) + load<u8>(RAX + 1) * load<u8>(op, OP_IMM))
  store<u16>(RAX, al)
  szp(al, false, false, false)
}
