/** Videos of the screen: animated WebP, which browsers play as a picture, and which keeps text sharp. */
import sharp from 'sharp'
import type { Frame } from '../../machine/devices/display/display.js'

export interface VideoFrame {
  frame: Frame
  /** How long it is shown, ms of guest time. */
  ms: number
}

/** WebP cannot have more (its canvas has 14 bits). */
const LARGEST = 16383
/** Longer pauses tell nothing. */
const LONGEST_MS = 2000

/**
 * Loss-free. Smaller frames, as in another mode, stand in the upper left corner; frames without a picture are left
 * out. Rejects where there is no frame at all.
 */
export async function encodeVideo(frames: readonly VideoFrame[]): Promise<Uint8Array> {
  const shown = frames.filter(({ frame }) => frame.width > 0 && frame.height > 0)
  if (shown.length === 0) throw new Error('there is no picture to make a video of')
  const width = Math.min(LARGEST, Math.max(...shown.map(({ frame }) => frame.width)))
  const height = Math.min(LARGEST, Math.max(...shown.map(({ frame }) => frame.height)))
  const pages = Buffer.alloc(width * height * 3 * shown.length)
  shown.forEach(({ frame }, i) => {
    for (let y = 0; y < Math.min(height, frame.height); y++) {
      let to = (i * height + y) * width * 3
      let from = y * frame.width * 4
      for (let x = 0; x < Math.min(width, frame.width); x++, from += 4) {
        pages[to++] = frame.data[from]
        pages[to++] = frame.data[from + 1]
        pages[to++] = frame.data[from + 2]
      }
    }
  })
  const raw = { width, height: height * shown.length, channels: 3, pageHeight: height } as const
  const delay = shown.map(({ ms }) => Math.max(20, Math.min(LONGEST_MS, Math.round(ms))))
  return sharp(pages, { raw }).webp({ lossless: true, delay, loop: 0 }).toBuffer()
}
