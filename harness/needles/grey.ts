/**
 * Pictures as os-autoinst compares them: grey (ITU-R BT.601 weights, as OpenCV rounds them), then smoothed by a
 * Gauss kernel of 3×3 pixels, so that text drawn half a pixel further still matches.
 */
import type { Frame } from '../../machine/devices/display/display.js'
import type { Area } from '../picture/screenshot.js'

export interface Plane {
  width: number
  height: number
  /** A byte a pixel, row by row. */
  pixels: Uint8Array
}

/**
 * A part of the frame in grey, smoothed after `black` was blanked in it. What lies beside the part smooths into it; at
 * the picture's edges the row or column within is taken twice.
 */
export function blurredCut(frame: Frame, area: Area, black: readonly Area[] = []): Plane {
  const { width, height } = area
  const [wide, high] = [width + 2, height + 2]
  const cut = new Uint8Array(wide * high)
  const { data } = frame
  const greyAt = (at: number) => (data[at] * 4899 + data[at + 1] * 9617 + data[at + 2] * 1868 + 8192) >> 14
  for (let row = 0, to = 0; row < high; row++) {
    const line = mirrored(area.y + row - 1, frame.height) * frame.width
    cut[to++] = greyAt((line + mirrored(area.x - 1, frame.width)) * 4)
    for (let x = 0, at = (line + area.x) * 4; x < width; x++, at += 4) cut[to++] = greyAt(at)
    cut[to++] = greyAt((line + mirrored(area.x + width, frame.width)) * 4)
  }
  for (const hole of black) blank(cut, wide, high, hole.x - area.x + 1, hole.y - area.y + 1, hole)

  // Down, then across, in sums of four; the last step rounds.
  const pixels = new Uint8Array(width * height)
  const sums = new Uint16Array(wide)
  for (let y = 0, to = 0; y < height; y++) {
    const row = y * wide
    for (let x = 0; x < wide; x++) sums[x] = cut[row + x] + 2 * cut[row + wide + x] + cut[row + 2 * wide + x]
    for (let x = 0; x < width; x++) pixels[to++] = (sums[x] + 2 * sums[x + 1] + sums[x + 2] + 8) >> 4
  }
  return { width, height, pixels }
}

/** -1 is 1, and the size is the last but one. */
function mirrored(at: number, size: number): number {
  const inside = at < 0 ? -at : at >= size ? 2 * size - 2 - at : at
  return Math.min(size - 1, Math.max(0, inside))
}

function blank(cut: Uint8Array, wide: number, high: number, x: number, y: number, { width, height }: Area): void {
  const [left, right] = [Math.max(0, x), Math.min(wide, x + width)]
  if (right <= left) return
  for (let row = Math.max(0, y); row < Math.min(high, y + height); row++)
    cut.fill(0, row * wide + left, row * wide + right)
}
