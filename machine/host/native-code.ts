/**
 * Native code in a thread that may be ended at any moment. A thread that is being ended refuses native code what it asks
 * of JavaScript, and koffi, which does not expect that, aborts the whole process. So there is a word that both threads
 * see: nobody ends a thread that is in there, and one that is about to end does not go in.
 */

const OUTSIDE = 0
const INSIDE = 1
const ENDING = 2

/** The longest that is waited for native code. A library's disk may be slow; one that hangs shall not hang us all. */
const LONGEST_MS = 5000

/** undefined: nobody ends this thread. */
let ownDoor: Int32Array | undefined

/** The door of a thread that is going to be made, and is to be handed it. */
export const newDoor = () => new Int32Array(new SharedArrayBuffer(4))

/** To be called first in a thread that others may end. */
export function goThrough(door: Int32Array | undefined): void {
  ownDoor = door
}

/** Before a thread is ended: waits, some milliseconds, until it is out, and lets it in no more. */
export function closeDoor(door: Int32Array): void {
  while (Atomics.compareExchange(door, 0, OUTSIDE, ENDING) === INSIDE)
    if (Atomics.wait(door, 0, INSIDE, LONGEST_MS) === 'timed-out') return
}

/** Does what loads native code, or has it make objects. It never returns in a thread whose end has come. */
export function inNativeCode<T>(act: () => T): T {
  const door = ownDoor
  if (!door) return act()
  const before = Atomics.compareExchange(door, 0, OUTSIDE, INSIDE)
  if (before === INSIDE) return act()
  if (before === ENDING) Atomics.wait(door, 0, ENDING)
  try {
    return act()
  } finally {
    Atomics.store(door, 0, OUTSIDE)
    Atomics.notify(door, 0)
  }
}
