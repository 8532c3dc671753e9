/** Writes a matrix into its folder: `matrix.html`, `matrix.md`, `matrix.json`, and the pictures that the last two name. */
import { join } from 'node:path'
import { writeOutputFile } from '../../machine/host/output-file.js'
import { makeFolder } from '../make-folder.js'
import { withPicturePaths, withPictures } from '../screenshots.js'
import { type RunningGuest, renderMatrixHtml } from './matrix-html.js'
import { renderMatrixMarkdown } from './matrix-markdown.js'
import { MatrixResult } from './matrix-result.js'

export interface WrittenMatrix {
  html: string
  markdown: string
  json: string
}

/**
 * Screenshots come with the result, or are in the folder already.
 *
 * @param running Guests that are being booted, for the page alone.
 * @returns The paths of the files.
 * @throws The host's error when the folder cannot be written.
 */
export function writeMatrix(
  result: MatrixResult,
  folder: string,
  running: readonly RunningGuest[] = [],
): WrittenMatrix {
  makeFolder(folder)
  const byPath = { ...result, cells: result.cells.map((cell) => withPicturePaths(cell, folder)) }
  const whole = { ...result, cells: byPath.cells.map((cell) => withPictures(cell, folder)) }
  const paths = {
    html: join(folder, 'matrix.html'),
    markdown: join(folder, 'matrix.md'),
    json: join(folder, 'matrix.json'),
  }
  writeOutputFile(paths.html, renderMatrixHtml(whole, running))
  writeOutputFile(paths.markdown, renderMatrixMarkdown(byPath))
  writeOutputFile(paths.json, `${JSON.stringify(MatrixResult.parse(byPath), undefined, 2)}\n`)
  return paths
}
