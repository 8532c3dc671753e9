/** Writes a matrix into a folder: `matrix.html`, `matrix.md`, `matrix.json` and the screenshots that the last two name. */
import { mkdirSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { renderMatrixHtml } from './matrix-html.js'
import { renderMatrixMarkdown } from './matrix-markdown.js'
import { cellId, MatrixResult, type Screenshot } from './matrix-result.js'

export interface WrittenMatrix {
  html: string
  markdown: string
  json: string
}

/**
 * @returns The paths of the files.
 * @throws The host's error when the folder cannot be written.
 */
export function writeMatrix(result: MatrixResult, folder: string): WrittenMatrix {
  makeFolder(join(folder, 'screenshots'))
  const byPath = withPaths(result, (path, png) => writeFileSync(join(folder, path), png))
  const paths = {
    html: join(folder, 'matrix.html'),
    markdown: join(folder, 'matrix.md'),
    json: join(folder, 'matrix.json'),
  }
  writeFileSync(paths.html, renderMatrixHtml(result))
  writeFileSync(paths.markdown, renderMatrixMarkdown(byPath))
  writeFileSync(paths.json, `${JSON.stringify(MatrixResult.parse(byPath), undefined, 2)}\n`)
  return paths
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
  return {
    ...result,
    cells: result.cells.map((cell) => ({
      ...cell,
      levels: cell.levels.map((level, i) => {
        const shot = level.evidence?.screenshot
        if (shot?.png === undefined) return level
        const path = `screenshots/${cellId(cell)}--${i + 1}-${level.name.replace(/[^a-zA-Z0-9.-]+/g, '-')}.png`
        put(path, Buffer.from(shot.png, 'base64'))
        const { png: _, ...rest } = shot
        const screenshot: Screenshot = { ...rest, path }
        return { ...level, evidence: { ...level.evidence, screenshot } }
      }),
    })),
  }
}
