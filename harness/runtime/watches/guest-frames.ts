/** Guest frames: the screen's conditions are checked at multiples of a sixtieth of a second of guest time since power-on. */

const FRAME_HZ = 60

/** Guest time in ns of the first frame after `now`. */
export function nextFrame(now: number): number {
  let frame = Math.floor((now * FRAME_HZ) / 1e9) + 1
  while (frameTime(frame) <= now) frame++
  return frameTime(frame)
}

function frameTime(frame: number): number {
  return Math.round((frame * 1e9) / FRAME_HZ)
}
