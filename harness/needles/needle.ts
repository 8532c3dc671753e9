/** A needle ready to be looked for: what its files say, and the pixels of its areas. Plain data that crosses threads. */
import { readPng } from '../picture/screenshot.js'
import { blurredCut } from './grey.js'
import { type NeedleArea, NeedleError, type NeedleFile, readNeedleFile } from './needle-file.js'

export interface Needle extends Omit<NeedleFile, 'png' | 'areas'> {
  /** The areas to match, in the file's order. */
  areas: MatchArea[]
  /** What is made black before anything is compared. */
  exclude: NeedleArea[]
  /** Where text may be read once the needle is found. */
  ocr: NeedleArea[]
}

export interface MatchArea extends NeedleArea {
  /** Its pixels, grey and smoothed, row by row. */
  pixels: Uint8Array
}

/** Rejects with a NeedleError. `file` is the path of the JSON file, or what was read from it. */
export async function loadNeedle(file: string | NeedleFile): Promise<Needle> {
  const { png, areas, ...rest } = typeof file === 'string' ? readNeedleFile(file) : file
  let picture: Awaited<ReturnType<typeof readPng>>
  try {
    picture = await readPng(png)
  } catch (error) {
    throw new NeedleError(
      `the needle ${rest.file} has a damaged picture in ${png} (${(error as Error).message}); replace it`,
    )
  }
  const exclude = areas.filter(({ type }) => type === 'exclude')
  return {
    ...rest,
    exclude,
    areas: areas
      .filter(({ type }) => type === 'match')
      .map((area) => ({ ...area, pixels: blurredCut(picture, area, exclude).pixels })),
    ocr: areas.filter(({ type }) => type === 'ocr'),
  }
}
