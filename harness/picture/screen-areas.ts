/** Areas of a screen: cut out, compared with what is expected, and hashed. */
import { createHash } from 'node:crypto'
import type { Frame } from '../../machine/devices/display/display.js'
import type { ScreenshotCondition } from '../protocol/condition.js'
import { type Area, comparePictures } from './compare-pictures.js'

/** An area of a frame as a frame; what lies outside of the frame is black. */
export function cropFrame(frame: Frame, area: Area): Frame {
  const data = new Uint8Array(area.width * area.height * 4)
  for (let at = 3; at < data.length; at += 4) data[at] = 255
  const left = Math.max(0, area.x)
  const right = Math.min(frame.width, area.x + area.width)
  for (let y = Math.max(0, area.y); right > left && y < Math.min(frame.height, area.y + area.height); y++) {
    const from = (y * frame.width + left) * 4
    data.set(frame.data.subarray(from, from + (right - left) * 4), ((y - area.y) * area.width + left - area.x) * 4)
  }
  return { width: area.width, height: area.height, data }
}

/** The bytes of an area, or of all. */
export function cutOut(frame: Frame, area: Area | undefined): Uint8Array {
  return area ? cropFrame(frame, area).data : frame.data
}

/** How the screen differs from what is expected, masks and area applied. */
export function compareScreen(frame: Frame, condition: Omit<ScreenshotCondition, 'kind' | 'title'>) {
  const { area, expected, mask = [], threshold } = condition
  const actual = area ? cropFrame(frame, area) : frame
  const moved = area ? mask.map((part) => ({ ...part, x: part.x - area.x, y: part.y - area.y })) : mask
  const comparison = comparePictures(expected, actual, { mask: moved, threshold })
  const equal = comparison.sameSize && comparison.differentPixels <= (condition.maxDiffPixels ?? 0)
  return { ...comparison, equal, actual }
}

/** SHA-256 in hexadecimal of an area's pixels: red, green and blue, row by row. The area must lie within the frame. */
export function areaHash(frame: Frame, area: Area): string {
  const rgb = new Uint8Array(area.width * area.height * 3)
  let to = 0
  for (let y = area.y; y < area.y + area.height; y++) {
    let from = (y * frame.width + area.x) * 4
    for (let x = 0; x < area.width; x++, from += 4) {
      rgb[to++] = frame.data[from]
      rgb[to++] = frame.data[from + 1]
      rgb[to++] = frame.data[from + 2]
    }
  }
  return createHash('sha256').update(rgb).digest('hex')
}
