/** The guest's screen on the page of `codegen`: what a person sees there, and where. */
import type { Page } from 'playwright-core'
import { machineFonts } from '../../../harness/config/machine-config.js'
import { GlyphReader } from '../../../harness/picture/glyph-reader.js'
import { findText } from '../../../harness/picture/screen-reading.js'
import { decodePng } from '../../../harness/picture/screenshot.js'
import type { Frame } from '../../../machine/devices/display/display.js'

export interface Place {
  x: number
  y: number
}

/** Waits until a text mode's text is there, and says where on the page. */
export async function seen(page: Page, pattern: RegExp): Promise<Place> {
  const reader = new GlyphReader(machineFonts({}))
  for (const deadline = performance.now() + 60_000; ; ) {
    const url = await page.evaluate("document.querySelector('#screen canvas').toDataURL('image/png')")
    const frame = await decodePng(Buffer.from(String(url).split(',')[1], 'base64'))
    const reading = reader.read(withoutGaps(frame))
    const found = findText(reading, pattern)
    if (found) return (await placesOn(page))((found.area.x * 9) / 8, found.area.y)
    if (performance.now() > deadline) throw new Error(`there is no ${pattern} on\n${reading.text}`)
    await page.waitForTimeout(500)
  }
}

/** Waits until a part of the guest's screen has not changed for 4 s of the host's time, and shows something. */
export async function settled(page: Page, x: number, y: number, width: number, height: number): Promise<void> {
  const look = `(() => {
    const canvas = document.querySelector('#screen canvas')
    const { data } = canvas.getContext('2d').getImageData(${x}, ${y}, ${width}, ${height})
    return canvas.width + ' ' + data.reduce((hash, byte) => (Math.imul(hash, 31) + byte) | 0, 0) + ' ' + new Set(data).size
  })()`
  let [last, since] = ['', performance.now()]
  for (const deadline = since + 300_000; performance.now() < deadline; ) {
    const now = String(await page.evaluate(look))
    // Fewer values are a screen that shows one colour, or two.
    const isBare = Number(now.split(' ')[2]) < 8
    if (now !== last || isBare) [last, since] = [now, performance.now()]
    else if (performance.now() - since >= 4000) return
    await page.waitForTimeout(500)
  }
  throw new Error('the screen does not come to rest')
}

/** Where places of the guest's screen are on the page. */
export async function placesOn(page: Page): Promise<(x: number, y: number) => Place> {
  const box = await page.locator('#screen canvas').boundingBox()
  const width = Number(await page.evaluate("document.querySelector('#screen canvas').width"))
  if (!box) throw new Error('the page shows no screen')
  const scale = box.width / width
  return (x, y) => ({ x: box.x + (x + 0.5) * scale, y: box.y + (y + 0.5) * scale })
}

/** A VGA's text cells have a ninth column, which its fonts have not. */
function withoutGaps({ width, height, data }: Frame): Frame {
  const narrow = (width * 8) / 9
  const kept = new Uint8Array(narrow * height * 4)
  for (let i = 0; i < narrow * height; i++) {
    const from = (Math.floor(i / narrow) * width + Math.floor(((i % narrow) * 9) / 8)) * 4
    kept.set(data.subarray(from, from + 4), i * 4)
  }
  return { width: narrow, height, data: kept }
}
