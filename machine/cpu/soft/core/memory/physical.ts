/** What lies behind a guest-physical address below 4 GiB: RAM and ROM in the arena, the board for the rest. */
import { dropCode } from '../execute/code-map'
import { mmioRead, mmioWrite } from '../host'
import { asksOutside, keepBefore } from './kept-memory'
import { A20_MASK, PAGE_CODE, PAGE_RAM, PHYS_MAP } from '../state'

/** Arena address of guest-physical `address` with PAGE_ bits of its page in bits 2:0 of the map entry; 0 is MMIO or nothing. */
@inline export function physMap(address: u64): u32 {
  return address >> 32 ? 0 : load<u32>(PHYS_MAP + ((<usize>address >> 12) << 2))
}

/** With A20 as it is. */
export function physAddress(address: u64): u64 {
  return address & ~(<u64>((load<u32>(A20_MASK) ^ 1) << 20))
}

@inline export function loadBytes(place: usize, size: u32): u64 {
  if (size == 4) return load<u32>(place)
  if (size == 1) return load<u8>(place)
  if (size == 2) return load<u16>(place)
  return load<u64>(place)
}

/** Reads `size` bytes (1, 2, 4, 8) that do not cross a page. */
export function physRead(address: u64, size: u32): u64 {
  const entry = physMap(address)
  if (entry) {
    return loadBytes(<usize>(entry & 0xfffff000) + (<usize>address & 0xfff), size)
  }
  if (address >> 32) return size == 8 ? u64.MAX_VALUE : ((<u64>1 << (<u64>size * 8)) - 1)
  asksOutside()
  if (size == 8) return <u64>mmioRead(<u32>address, 4) | (<u64>mmioRead(<u32>address + 4, 4) << 32)
  return <u64>mmioRead(<u32>address, size)
}

@inline export function storeBytes(place: usize, value: u64, size: u32): void {
  if (size == 4) store<u32>(place, <u32>value)
  else if (size == 1) store<u8>(place, <u8>value)
  else if (size == 2) store<u16>(place, <u16>value)
  else store<u64>(place, value)
}

export function physWrite(address: u64, value: u64, size: u32): void {
  const entry = physMap(address)
  if (entry & PAGE_RAM) {
    const place = <usize>(entry & 0xfffff000) + (<usize>address & 0xfff)
    keepBefore(place, size)
    const changes = (entry & PAGE_CODE) != 0 && loadBytes(place, size) != value
    storeBytes(place, value, size)
    if (changes) dropCode(<u32>address, size)
    return
  }
  if (address >> 32) return
  asksOutside()
  if (size == 8) {
    mmioWrite(<u32>address, <u32>value, 4)
    mmioWrite(<u32>address + 4, <u32>(value >> 32), 4)
  } else mmioWrite(<u32>address, <u32>value, size)
}
