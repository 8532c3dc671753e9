/** Pictures compared to the pixel, with areas left out; in the machine's thread and outside of it. */
import pixelmatch from 'pixelmatch'
import type { Frame } from '../../machine/devices/display/display.js'

/** Pixels from the upper left corner. */
export interface Area {
  x: number
  y: number
  width: number
  height: number
}

export interface CompareOptions {
  /** Colour distance from 0 to 1 up to which two pixels are the same; default 0, exact. */
  threshold?: number
  /** Areas that are left out. */
  mask?: readonly Area[]
}

export interface Comparison {
  /** No pixel differs, and the sizes are the same. */
  equal: boolean
  sameSize: boolean
  /** All pixels of the larger picture where the sizes differ. */
  differentPixels: number
  /** The differences in red over the pale first picture; undefined where there is none or the sizes differ. */
  diff: Frame | undefined
}

export function comparePictures(a: Frame, b: Frame, options: CompareOptions = {}): Comparison {
  if (a.width !== b.width || a.height !== b.height) {
    const differentPixels = Math.max(a.width * a.height, b.width * b.height)
    return { equal: false, sameSize: false, differentPixels, diff: undefined }
  }
  const same = { equal: true, sameSize: true, differentPixels: 0, diff: undefined }
  // Most pictures that are compared are equal, and comparing buffers is a hundred times as fast.
  if (Buffer.compare(a.data, b.data) === 0) return same
  const { width, height } = a
  const [first, second] = [a.data.slice(), b.data.slice()]
  for (const area of options.mask ?? []) {
    blank(first, width, height, area)
    blank(second, width, height, area)
  }
  const diff = { width, height, data: new Uint8Array(width * height * 4) }
  const differentPixels = pixelmatch(first, second, diff.data, width, height, {
    threshold: options.threshold ?? 0,
    includeAA: true,
  })
  return differentPixels === 0 ? same : { equal: false, sameSize: true, differentPixels, diff }
}

function blank(data: Uint8Array, width: number, height: number, area: Area): void {
  const left = Math.max(0, area.x)
  const right = Math.min(width, area.x + area.width)
  if (right <= left) return
  for (let y = Math.max(0, area.y); y < Math.min(height, area.y + area.height); y++) {
    data.fill(0, (y * width + left) * 4, (y * width + right) * 4)
  }
}
