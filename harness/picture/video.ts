/** Videos of the screen: animated WebP, which browsers play as a picture, and which keeps text sharp. */
import type { Frame } from '../../machine/devices/display/display.js'
import { loadSharp } from './sharp.js'

export interface VideoFrame {
  frame: Frame
  /** How long it is shown, ms of guest time. */
  ms: number
}

/** A frame whose pixels are there when they are wanted. */
export interface ShownFrame {
  width: number
  height: number
  ms: number
  /** RGBA. */
  data(): Uint8Array | Promise<Uint8Array>
}

/** WebP cannot have more (its canvas has 14 bits). */
const LARGEST = 16383
/** Pixels of a picture, as a guest can set modes of sizes that no screen has; and of all pictures, three bytes each. */
const MOST = { ofOne: 8e6, ofAll: 160e6 }
/** Longer pauses tell nothing. */
const LONGEST_MS = 2000

/**
 * Loss-free. Smaller frames, as in another mode, stand in the upper left corner; frames without a picture are left
 * out. Of many large ones some are left out, and of what is larger than any screen only each second pixel or so is
 * shown. Rejects where there is no frame at all.
 */
export async function encodeVideo(frames: readonly VideoFrame[]): Promise<Uint8Array> {
  return encodeShown(frames.map(({ frame, ms }) => ({ ...frame, ms, data: () => frame.data })))
}

/** The same of frames that are unpacked one by one. */
export async function encodeShown(frames: readonly ShownFrame[], most = MOST): Promise<Uint8Array> {
  const seen = frames.filter(({ width, height }) => width > 0 && height > 0)
  if (seen.length === 0) throw new Error('there is no picture to make a video of')
  const widest = Math.max(...seen.map(({ width }) => width))
  const highest = Math.max(...seen.map(({ height }) => height))
  const step = Math.ceil(Math.max(widest / LARGEST, highest / LARGEST, Math.sqrt((widest * highest) / most.ofOne)))
  const width = Math.ceil(widest / step)
  const height = Math.ceil(highest / step)
  const shown = thinned(seen, Math.floor(most.ofAll / (width * height)))
  const pages = Buffer.alloc(width * height * 3 * shown.length)
  for (const [i, frame] of shown.entries()) {
    const data = await frame.data()
    for (let y = 0; y * step < frame.height; y++) {
      let to = (i * height + y) * width * 3
      let from = y * step * frame.width * 4
      for (let x = 0; x * step < frame.width; x++, from += 4 * step) {
        pages[to++] = data[from]
        pages[to++] = data[from + 1]
        pages[to++] = data[from + 2]
      }
    }
  }
  const raw = { width, height: height * shown.length, channels: 3, pageHeight: height } as const
  const delay = shown.map(({ ms }) => Math.max(20, Math.min(LONGEST_MS, Math.round(ms))))
  return loadSharp()(pages, { raw }).webp({ lossless: true, delay, loop: 0 }).toBuffer()
}

/** So many at most, the last among them, evenly spread; each is shown for those that it stands for. */
function thinned(frames: readonly ShownFrame[], most: number): ShownFrame[] {
  const every = Math.ceil(frames.length / most)
  const kept: ShownFrame[] = []
  for (let end = frames.length; end > 0; end -= every) {
    const group = frames.slice(Math.max(0, end - every), end)
    kept.unshift({ ...group[group.length - 1], ms: group.reduce((sum, { ms }) => sum + ms, 0) })
  }
  return kept
}
