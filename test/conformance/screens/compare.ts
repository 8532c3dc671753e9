/** Two screens, ours and QEMU's: what is left out of the comparison, and in what the rest differs. */
import { screenRows } from '../../../harness/picture/screen-text.js'
import type { Area } from '../../../harness/picture/screenshot.js'
import type { Frame, TextScreen } from '../../../machine/devices/display/display.js'

export interface Screen {
  frame: Frame
  cells: TextScreen | undefined
  /** QEMU's blinking cursor, whether or not the picture shows it. */
  cursor?: Area
}

/**
 * QEMU's screen with its cursor in the visible phase, as ours always draws it: where the registers put it, in the one
 * colour that our picture has there. What is not of one colour there is no cursor, and stays as it is.
 */
export function withCursor(ours: Screen, theirs: Screen): Screen {
  const { cursor, frame } = theirs
  if (!cursor || ours.frame.width !== frame.width || ours.frame.height !== frame.height) return theirs
  const data = frame.data.slice()
  const [from, to] = [words(ours.frame), new Uint32Array(data.buffer)]
  const colour = from[cursor.y * frame.width + cursor.x]
  for (let y = cursor.y; y < cursor.y + cursor.height; y++) {
    for (let x = cursor.x; x < cursor.x + cursor.width; x++) {
      if (from[y * frame.width + x] !== colour) return theirs
      to[y * frame.width + x] = colour
    }
  }
  return { ...theirs, frame: { ...frame, data } }
}

/** A part of a screen that need not be the same, and why. */
export type Exception = {
  why: string
} & (
  | { area: Area }
  /** What it matches in a row of either text screen; its first group where it has one. */
  | { text: RegExp }
)

export interface Difference {
  pixels: number
  /** The smallest rectangle that holds all different pixels; undefined where the sizes differ or nothing does. */
  box: Area | undefined
  /** `800x600 instead of 720x400`. */
  size: string | undefined
  /** Pixels that were left out, of each reason. */
  left: { why: string; pixels: number }[]
  mask: Area[]
}

/** Every pixel counts exactly, but those that an exception names. */
export function differenceOf(ours: Screen, theirs: Screen, exceptions: readonly Exception[]): Difference {
  const [a, b] = [ours.frame, theirs.frame]
  const { width, height } = a
  if (width !== b.width || height !== b.height) {
    const size = `${width}x${height} instead of ${b.width}x${b.height}`
    return { pixels: Math.max(width * height, b.width * b.height), box: undefined, size, left: [], mask: [] }
  }
  const out = new Uint8Array(width * height)
  const mask: Area[] = []
  const left = exceptions.map((exception) => {
    const areas = areasOf(exception, ours, theirs)
    mask.push(...areas)
    return { why: exception.why, pixels: areas.reduce((sum, area) => sum + leaveOut(out, width, height, area), 0) }
  })
  let pixels = 0
  let [x0, y0, x1, y1] = [width, height, -1, -1]
  const [p, q] = [words(a), words(b)]
  for (let i = 0; i < p.length; i++) {
    if (p[i] === q[i] || out[i]) continue
    pixels++
    const [x, y] = [i % width, Math.floor(i / width)]
    x0 = Math.min(x0, x)
    x1 = Math.max(x1, x)
    y0 = Math.min(y0, y)
    y1 = y
  }
  const box = pixels === 0 ? undefined : { x: x0, y: y0, width: x1 - x0 + 1, height: y1 - y0 + 1 }
  return { pixels, box, size: undefined, left, mask }
}

/** The text rows that a box touches; undefined in graphics modes. */
export function rowsOf(box: Area, screen: Screen): number[] | undefined {
  if (!screen.cells) return undefined
  const tall = screen.frame.height / screen.cells.rows
  const [first, last] = [Math.floor(box.y / tall), Math.floor((box.y + box.height - 1) / tall)]
  return Array.from({ length: last - first + 1 }, (_, i) => first + i)
}

function words({ data }: Frame): Uint32Array {
  const whole = data.byteOffset % 4 === 0 ? data : data.slice()
  return new Uint32Array(whole.buffer, whole.byteOffset, whole.length >> 2)
}

/** Marks an area; returns how many pixels are newly marked. */
function leaveOut(out: Uint8Array, width: number, height: number, area: Area): number {
  let count = 0
  for (let y = Math.max(0, area.y); y < Math.min(height, area.y + area.height); y++) {
    for (let x = Math.max(0, area.x); x < Math.min(width, area.x + area.width); x++) {
      count += out[y * width + x] ? 0 : 1
      out[y * width + x] = 1
    }
  }
  return count
}

function areasOf(exception: Exception, ours: Screen, theirs: Screen): Area[] {
  if ('area' in exception) return [exception.area]
  return [ours, theirs].flatMap(({ frame, cells }) => {
    if (!cells) return []
    const [wide, tall] = [frame.width / cells.columns, frame.height / cells.rows]
    const pattern = new RegExp(exception.text, 'dg')
    return screenRows(cells).flatMap((line, row) =>
      [...line.matchAll(pattern)].flatMap((found) => {
        const indices = found.indices as RegExpIndicesArray
        const [from, to] = (indices[1] ?? indices[0]) as [number, number]
        return [{ x: from * wide, y: Math.floor(row * tall), width: (to - from) * wide, height: Math.ceil(tall) }]
      }),
    )
  })
}
