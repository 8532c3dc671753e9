/**
 * A needle's files as openQA has them: `name.json` with areas and tags, beside `name.png`, the screen they were cut
 * from. Read with os-autoinst's leniency (a missing number is 0, a margin or match of 0 is the default), so that
 * needles that work there work here.
 */

import { closeSync, readSync } from 'node:fs'
import { basename } from 'node:path'
import * as z from 'zod'
import { UsageError } from '../../machine/errors.js'
import { openRegular, readRegular, type UnreadableFile, unreadable } from '../../machine/media/regular-file.js'
import { schemaWords } from '../../reports/schema-words.js'
import { nearest } from '../words/nearest.js'

/** Per cent; what os-autoinst takes where a needle says nothing. */
export const DEFAULT_MATCH = 96
/** Pixels around an area in which it is looked for. */
export const DEFAULT_MARGIN = 50

/** Pixels from the area's upper left corner, or its middle. `id` tells several of one needle apart. */
export type ClickPoint = 'center' | { x: number; y: number; id?: string }

export interface NeedleArea {
  /** `ocr` areas decide nothing: their text is read after the match. */
  type: 'match' | 'exclude' | 'ocr'
  /** Pixels of the needle's picture. */
  x: number
  y: number
  width: number
  height: number
  /** Per cent of similarity from which the area counts as found. */
  match: number
  margin: number
  clickPoint?: ClickPoint
}

/** What stands in the JSON file, and the size of the picture beside it. */
export interface NeedleFile {
  /** The file's name without `.json`. */
  name: string
  /** Path of the JSON file. */
  file: string
  png: string
  /** Pixels of the picture. */
  width: number
  height: number
  tags: string[]
  /** openQA has them as words or as names with a value. */
  properties: { name: string; value?: string }[]
  areas: NeedleArea[]
}

/** A needle is missing or wrong. One sentence: the file, what is wrong, what to do. */
export class NeedleError extends UsageError {
  override readonly name = 'NeedleError'
}

const Pixels = z.coerce.number().transform(Math.trunc)
const Click = z.union([
  z.literal('center'),
  z.object({ xpos: z.coerce.number(), ypos: z.coerce.number(), id: z.coerce.string().optional() }),
])
const Area = z.object({
  type: z.enum(['match', 'exclude', 'ocr']).default('match'),
  xpos: Pixels.default(0),
  ypos: Pixels.default(0),
  width: Pixels.default(0),
  height: Pixels.default(0),
  match: z.coerce.number().min(0).max(100).default(0),
  margin: Pixels.pipe(z.number().min(0)).default(0),
  click_point: Click.nullish(),
})
const Property = z.union([
  z.string().transform((name) => ({ name, value: undefined })),
  z.object({ name: z.string(), value: z.coerce.string().optional() }),
])
const File = z.object({
  area: z.array(Area),
  tags: z.array(z.string()).nullish(),
  properties: z.array(Property).nullish(),
})

/**
 * Reads a needle's JSON and the head of its picture.
 *
 * @throws NeedleError
 */
export function readNeedleFile(file: string): NeedleFile {
  const wrong = (what: string) => new NeedleError(`the needle ${file} ${what}`)
  const json = parseJson(file, wrong)
  const parsed = File.safeParse(json)
  if (!parsed.success)
    throw wrong(
      `is none: ${schemaWords(File, json, parsed.error, { whole: 'its top', nearest })}; see openQA's needle format`,
    )
  const { area, tags, properties } = parsed.data
  const png = file.replace(/\.json$/, '.png')
  const { width, height } = pngSize(png, wrong)
  const areas = area.map((one, i) => {
    const read = readArea(one)
    const { x, y } = read
    if (read.width <= 0 || read.height <= 0) throw wrong(`has an area ${i + 1} without a size; draw it again`)
    const outside = Math.max(-x, -y, x + read.width - width, y + read.height - height)
    if (outside > 0)
      throw wrong(
        `has an area ${i + 1} of ${read.width}×${read.height} at ${x},${y} that reaches out of its picture of ` +
          `${width}×${height} by ${outside} ${outside === 1 ? 'pixel' : 'pixels'}; draw it again`,
      )
    return read
  })
  if (!areas.some(({ type }) => type === 'match'))
    throw wrong('has no area of the type match and would be found on every screen; add one')
  return {
    name: basename(file, '.json'),
    file,
    png,
    width,
    height,
    tags: [...new Set(tags ?? [])],
    properties: properties ?? [],
    areas,
  }
}

type Wrong = (what: string) => NeedleError

function parseJson(file: string, wrong: Wrong): unknown {
  let text: string
  try {
    text = readRegular(file, LARGEST_JSON).toString('utf8')
  } catch (error) {
    throw wrong((error as UnreadableFile).message)
  }
  try {
    return JSON.parse(text)
  } catch (error) {
    throw wrong(`is no JSON (${(error as Error).message.split('\n')[0]}); mend or remove it`)
  }
}

function readArea(area: z.infer<typeof Area>): NeedleArea {
  const { xpos, ypos, width, height, type, match, margin, click_point: click } = area
  return {
    type,
    x: xpos,
    y: ypos,
    width,
    height,
    match: match || DEFAULT_MATCH,
    margin: margin || DEFAULT_MARGIN,
    ...(click && { clickPoint: click === 'center' ? click : withId(click) }),
  }
}

function withId({ xpos, ypos, id }: { xpos: number; ypos: number; id?: string }): ClickPoint {
  return { x: xpos, y: ypos, ...(id !== undefined && { id }) }
}

/** Pixels: a picture of a few bytes may say that it has as many as would fill the host. */
const LARGEST_SIDE = 8192
const LARGEST_JSON = 16 << 20

const SIGNATURE = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')

/** From the IHDR chunk (PNG specification, 11.2.1): whole sets of needles are looked at without decoding them. */
function pngSize(png: string, wrong: Wrong): { width: number; height: number } {
  const head = Buffer.alloc(24)
  let length = 0
  try {
    const { fd } = openRegular(png)
    try {
      length = readSync(fd, head)
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    throw wrong(`has no picture that can be read: ${png} ${unreadable(error).message}`)
  }
  if (head.toString('latin1', 0, length).startsWith('version https://git-lfs'))
    throw wrong(`has a Git LFS pointer for a picture in ${png}; run 'git lfs pull' where it came from`)
  if (length < head.length || !head.subarray(0, 8).equals(SIGNATURE))
    throw wrong(`has no PNG picture in ${png}; replace that file`)
  const [width, height] = [head.readUInt32BE(16), head.readUInt32BE(20)]
  if (width < 1 || height < 1 || width > LARGEST_SIDE || height > LARGEST_SIDE)
    throw wrong(`has a picture of ${width}×${height} in ${png}, which no screen is; replace that file`)
  return { width, height }
}
