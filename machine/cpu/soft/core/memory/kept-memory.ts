/**
 * What a trial of `spin.ts` has seen: whether a device or a clock was asked, and what memory was where something was written.
 */
/** A trial is under way. */
export let trying: bool = false
/** It has asked a device or a clock, or written too much. */
export let asked: bool = false

/** Words of memory that were written, by hash of their places: place u32, and the u64 that stood there. */
const WORDS: usize = 1024
const WORD_SIZE: usize = 16
const KEPT: usize = memory.data(0x4000)
let kept: u32 = 0
const MOST_KEPT: u32 = 600

/** To be told by whatever reads something that changes by itself, or changes something outside of the CPU and memory. */
@inline export function asksOutside(): void {
  asked = true
}

/** A trial begins. */
export function startKeeping(): void {
  memory.fill(KEPT, 0, WORDS * WORD_SIZE)
  kept = 0
  asked = false
  trying = true
}

export function stopKeeping(): void {
  trying = false
}

function keepWord(place: usize): void {
  let slot = (place >> 3) & (WORDS - 1)
  while (true) {
    const entry = KEPT + slot * WORD_SIZE
    const there = <usize>load<u32>(entry)
    if (there == place) return
    if (!there) {
      if (++kept > MOST_KEPT) {
        asked = true
        return
      }
      store<u32>(entry, <u32>place)
      store<u64>(entry, load<u64>(place), 8)
      return
    }
    slot = (slot + 1) & (WORDS - 1)
  }
}

/** `size` bytes (8 at most) at an address of the arena are about to be written. */
@inline export function keepBefore(place: usize, size: u32): void {
  if (!trying) return
  const first = place & ~7
  keepWord(first)
  if (((place + size - 1) & ~7) != first) keepWord(first + 8)
}

/** Whether memory is what it was. */
export function memoryAsBefore(): bool {
  for (let i: usize = 0; i < WORDS; i++) {
    const entry = KEPT + i * WORD_SIZE
    const place = <usize>load<u32>(entry)
    if (place && load<u64>(place) != load<u64>(entry, 8)) return false
  }
  return true
}
