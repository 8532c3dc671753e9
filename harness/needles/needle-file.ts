/**
 * A needle's files as openQA has them: `name.json` with areas and tags, beside `name.png`, the screen they were cut
 * from. Read with os-autoinst's leniency (a missing number is 0, a margin or match of 0 is the default), so that
 * needles that work there work here.
 */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs'
import { basename } from 'node:path'
import { z } from 'zod'

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
export class NeedleError extends Error {
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
  const parsed = File.safeParse(parseJson(file, wrong))
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0]
    const where = path.length > 0 ? `at ${path.join('.')}` : 'at its top'
    throw wrong(`is no needle ${where} (${message}); see openQA's needle format`)
  }
  const { area, tags, properties } = parsed.data
  const png = file.replace(/\.json$/, '.png')
  const { width, height } = pngSize(png, wrong)
  const areas = area.map((one, i) => {
    const read = readArea(one)
    const { x, y } = read
    if (read.width <= 0 || read.height <= 0) throw wrong(`has an area ${i + 1} without a size; draw it again`)
    if (x < 0 || y < 0 || x + read.width > width || y + read.height > height)
      throw wrong(
        `has an area ${i + 1} of ${read.width}×${read.height} at ${x},${y} that reaches out of its picture of ` +
          `${width}×${height}; draw it again`,
      )
    return read
  })
  if (!areas.some(({ type }) => type === 'match'))
    throw wrong('has no area of the type match and would be found on every screen; add one')
  checkClickPoints(areas, wrong)
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
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw wrong('does not exist; check the name')
    throw wrong(`cannot be read (${(error as Error).message}); check the file`)
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

/** One without an id, or any number with one each. */
function checkClickPoints(areas: readonly NeedleArea[], wrong: Wrong): void {
  const points = areas.flatMap(({ clickPoint }) => (clickPoint ? [clickPoint] : []))
  if (points.length > 1 && points.some((point) => point === 'center' || point.id === undefined))
    throw wrong('has several click points and not an id for each; give them ids')
}

const SIGNATURE = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')

/** From the IHDR chunk (PNG specification, 11.2.1): whole sets of needles are looked at without decoding them. */
function pngSize(png: string, wrong: Wrong): { width: number; height: number } {
  const head = Buffer.alloc(24)
  let length = 0
  try {
    const fd = openSync(png, 'r')
    try {
      length = readSync(fd, head)
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw wrong(`has no picture that can be read: ${png} ${code === 'ENOENT' ? 'does not exist; add it' : `(${code})`}`)
  }
  if (head.toString('latin1', 0, length).startsWith('version https://git-lfs'))
    throw wrong(`has a Git LFS pointer for a picture in ${png}; run 'git lfs pull' where it came from`)
  if (length < head.length || !head.subarray(0, 8).equals(SIGNATURE))
    throw wrong(`has no PNG picture in ${png}; replace that file`)
  return { width: head.readUInt32BE(16), height: head.readUInt32BE(20) }
}
