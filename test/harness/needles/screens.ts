/** Screens made up for the needles' tests, and needles cut from them. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { encodePng } from '../../../harness/picture/screenshot.js'
import type { Frame } from '../../../machine/devices/display/display.js'

export type Painter = (x: number, y: number) => number

/** Grey by a function of the place. */
export function screen(width: number, height: number, paint: Painter): Frame {
  const data = new Uint8Array(width * height * 4)
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const level = paint(x, y)
      data[to++] = level
      data[to++] = level
      data[to++] = level
      data[to++] = 255
    }
  }
  return { width, height, data }
}

/** Something like text: strokes and gaps in lines, another pattern for each seed. */
export function letters(seed: number): Painter {
  return (x, y) => (y % 16 < 11 && bits(Math.floor(x / 2), Math.floor(y / 2), seed) % 3 === 0 ? 20 : 230)
}

/** Moves what is painted. */
export function moved(paint: Painter, right: number, down: number): Painter {
  return (x, y) => paint(x - right, y - down)
}

function bits(x: number, y: number, seed: number): number {
  let hash = Math.imul(x + 1, 0x9e3779b1) ^ Math.imul(y + 1, 0x85ebca6b) ^ Math.imul(seed + 1, 0xc2b2ae35)
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
  return (hash ^ (hash >>> 13)) >>> 0
}

/** Writes name.json and name.png; returns the path of the first. */
export async function writeNeedle(folder: string, name: string, picture: Frame, json: unknown): Promise<string> {
  const file = join(folder, `${name}.json`)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, typeof json === 'string' ? json : JSON.stringify(json))
  writeFileSync(join(folder, `${name}.png`), await encodePng(picture))
  return file
}
