/**
 * What is left of a needle that was not found: its picture beside the screen, and the screen with the areas where they
 * came nearest. `bootwright accept` makes the needle's picture of the screen.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Frame } from '../../machine/devices/display/display.js'
import type { AreaMatch } from '../needles/match.js'
import type { Needle } from '../needles/needle.js'
import { encodePng } from '../picture/screenshot.js'
import { writeBaselineName, writePicture } from './baselines.js'

const GREEN = [0x2d, 0xc9, 0x37]
const RED = [0xff, 0x30, 0x30]
/** Pixels: to be seen on a thumbnail, too. */
const LINE = 2

/**
 * @param folder Of the test's files.
 * @param test Its title; undefined while a stage is built.
 * @returns What to say of it.
 */
export async function keepNeedle(
  folder: string,
  test: string | undefined,
  needle: Needle,
  screen: Frame,
  areas: readonly AreaMatch[],
): Promise<string> {
  const [expected, actual, diff] = ['expected', 'actual', 'diff'].map((of) => join(folder, `${needle.name}-${of}.png`))
  const png = needle.file.replace(/\.json$/, '.png')
  writePicture(expected, readFileSync(png))
  writePicture(actual, await encodePng(screen))
  writePicture(diff, await encodePng(outlined(screen, areas)))
  const files = [expected, actual, diff].map((file) => `\n  ${file}`).join('')
  const fits = screen.width === needle.width && screen.height === needle.height
  if (!fits) return `${files}\nthe needle was cut from ${needle.width}×${needle.height} pixels; cut another one`
  // Its areas stay where they are, so another size of picture makes no needle.
  writeBaselineName(actual, png)
  const which = test === undefined ? '' : ` --test ${JSON.stringify(test)}`
  return `${files}\nif that screen is right, make ${png} of it: npx bootwright accept${which}`
}

/** The screen with a box around each area: green where it fits. */
export function outlined(screen: Frame, areas: readonly AreaMatch[]): Frame {
  const { width, height } = screen
  const data = new Uint8Array(screen.data)
  for (const { x, y, w, h, ok } of areas) {
    const colour = ok ? GREEN : RED
    for (let row = Math.max(0, y - LINE); row < Math.min(height, y + h + LINE); row++)
      for (let column = Math.max(0, x - LINE); column < Math.min(width, x + w + LINE); column++) {
        const inside = row >= y && row < y + h && column >= x && column < x + w
        if (!inside) data.set(colour, (row * width + column) * 4)
      }
  }
  return { width, height, data }
}
