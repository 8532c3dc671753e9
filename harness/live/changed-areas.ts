/** Where two pictures of one size differ, as few rectangles. */
import type { Frame } from '../../machine/devices/display/display.js'
import type { Area } from '../picture/compare-pictures.js'

const TILE_WIDTH = 64
const TILE_HEIGHT = 16

/** Tiles that differ, those beside and below each other as one. */
export function changedAreas(before: Frame, after: Frame): Area[] {
  const { width, height } = after
  const old = words(before)
  const now = words(after)
  const done: Area[] = []
  let above: Area[] = []
  for (let y = 0; y < height; y += TILE_HEIGHT) {
    const tall = Math.min(TILE_HEIGHT, height - y)
    const row: Area[] = []
    for (let x = 0; x < width; x += TILE_WIDTH) {
      const wide = Math.min(TILE_WIDTH, width - x)
      if (!differs(old, now, y * width + x, wide, tall, width)) continue
      const last = row.at(-1)
      if (last && last.x + last.width === x) last.width += wide
      else row.push({ x, y, width: wide, height: tall })
    }
    above = row.map((area) => {
      const upper = above.find((other) => other.x === area.x && other.width === area.width)
      if (!upper) {
        done.push(area)
        return area
      }
      upper.height += area.height
      return upper
    })
  }
  return done
}

function words({ data }: Frame): Uint32Array {
  const bytes = data.byteOffset % 4 === 0 ? data : data.slice()
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)
}

function differs(a: Uint32Array, b: Uint32Array, at: number, wide: number, tall: number, stride: number): boolean {
  for (let row = 0; row < tall; row++) {
    const from = at + row * stride
    for (let i = from; i < from + wide; i++) if (a[i] !== b[i]) return true
  }
  return false
}
