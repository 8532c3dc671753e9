/** Writes a matrix into a folder: `matrix.html`, `matrix.md`, `matrix.json` and the screenshots that the last two name. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { writeOutputFile } from '../machine/host/output-file.js'
import { renderMatrixHtml } from './matrix-html.js'
import { renderMatrixMarkdown } from './matrix-markdown.js'
import {
  type Cell,
  cellId,
  type LevelResult,
  MatrixResult,
  parseMatrix,
  ResultFormatError,
  type Screenshot,
} from './matrix-result.js'

/** What a matrix names as its screenshots is read from where they are written, and from nowhere else. */
const SCREENSHOT = /^screenshots\/[a-zA-Z0-9.-]+\.png$/

export interface WrittenMatrix {
  html: string
  markdown: string
  json: string
}

/**
 * Screenshots that the matrix does not name any more are removed.
 *
 * @returns The paths of the files.
 * @throws The host's error when the folder cannot be written.
 */
export function writeMatrix(result: MatrixResult, folder: string): WrittenMatrix {
  makeFolder(join(folder, 'screenshots'))
  const written = new Set<string>()
  const byPath = withPaths(result, (path, png) => {
    written.add(path)
    writeOutputFile(join(folder, path), png)
  })
  for (const name of readdirSync(join(folder, 'screenshots')))
    if (SCREENSHOT.test(`screenshots/${name}`) && !written.has(`screenshots/${name}`))
      rmSync(join(folder, 'screenshots', name), { force: true })
  const paths = {
    html: join(folder, 'matrix.html'),
    markdown: join(folder, 'matrix.md'),
    json: join(folder, 'matrix.json'),
  }
  writeOutputFile(paths.html, renderMatrixHtml(result))
  writeOutputFile(paths.markdown, renderMatrixMarkdown(byPath))
  writeOutputFile(paths.json, `${JSON.stringify(MatrixResult.parse(byPath), undefined, 2)}\n`)
  return paths
}

/**
 * The matrix in a folder, its screenshots with their pictures; undefined where there is none.
 *
 * @throws ResultFormatError with one sentence.
 */
export function readMatrix(folder: string): MatrixResult | undefined {
  const file = join(folder, 'matrix.json')
  if (!existsSync(file)) return undefined
  let data: unknown
  try {
    data = JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw new ResultFormatError(`${file} is no JSON, so nothing can be added to it: remove it, or name another folder.`)
  }
  return withPictures(parseMatrix(data), folder)
}

function withPictures(result: MatrixResult, folder: string): MatrixResult {
  return mapScreenshots(result, (screenshot) => {
    const { path = '' } = screenshot
    const file = join(folder, path)
    if (!SCREENSHOT.test(path) || !statSync(file, { throwIfNoEntry: false })?.isFile()) return undefined
    return { ...screenshot, path: undefined, png: readFileSync(file).toString('base64') }
  })
}

/**
 * Makes a folder and those above it. Node's own recursive way never returns in places like /proc.
 *
 * @throws The host's error.
 */
export function makeFolder(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return
  const parent = dirname(resolve(path))
  if (parent !== resolve(path)) makeFolder(parent)
  mkdirSync(path)
}

/** The result with each embedded screenshot handed to `put` and replaced by its path. */
export function withPaths(result: MatrixResult, put: (path: string, png: Uint8Array) => void): MatrixResult {
  return mapScreenshots(result, ({ png, ...rest }, cell, level, i) => {
    if (png === undefined) return rest
    const path = `screenshots/${cellId(cell)}--${i + 1}-${level.name.replace(/[^a-zA-Z0-9.-]+/g, '-')}.png`
    put(path, Buffer.from(png, 'base64'))
    return { ...rest, path }
  })
}

type ChangeScreenshot = (shot: Screenshot, cell: Cell, level: LevelResult, index: number) => Screenshot | undefined

function mapScreenshots(result: MatrixResult, change: ChangeScreenshot): MatrixResult {
  const levelOf = (cell: Cell, level: LevelResult, i: number): LevelResult => {
    const shot = level.evidence?.screenshot
    return shot ? { ...level, evidence: { ...level.evidence, screenshot: change(shot, cell, level, i) } } : level
  }
  const cells = result.cells.map((cell) => ({
    ...cell,
    levels: cell.levels.map((level, i) => levelOf(cell, level, i)),
  }))
  return { ...result, cells }
}
