/** CMC, CLC, STC, CLD, STD, LAHF, SAHF and SALC (Intel SDM vol. 2). */
import { arithFlags, getCF, setArithFlags, setCF } from './flags'
import { FLAG_DF, RAX, RFLAGS } from '../state'

export function cmc(): void {
  setCF(getCF() == 0)
}

export function clc_stc(carry: bool): void {
  setCF(carry)
}

export function cld_std(set: bool): void {
  const flags = load<u32>(RFLAGS)
  store<u32>(RFLAGS, set ? flags | FLAG_DF : flags & ~FLAG_DF)
}

export function lahf(): void {
  store<u8>(RAX + 1, <u8>((arithFlags() & 0xd5) | 2))
}

export function sahf(): void {
  setArithFlags((<u32>load<u8>(RAX + 1) & 0xd5) | (arithFlags() & 0x800))
}

/** SALC (D6, undocumented): AL = CF ? FFh : 0. */
export function salc(): void {
  store<u8>(RAX, getCF() ? 0xff : 0)
}
