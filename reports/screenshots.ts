/** Screenshots of a matrix as files, each named by a hash of its contents: the same picture is kept once, whoever took it. */
import { createHash } from 'node:crypto'
import { copyFileSync, existsSync, readFileSync, renameSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { writeOutputFile } from '../machine/host/output-file.js'
import { makeFolder } from './make-folder.js'
import type { Cell, Screenshot } from './matrix/matrix-result.js'

const SCREENSHOTS = 'screenshots'
/** What a file names as its screenshots is read from where they are written, and from nowhere else. */
const SCREENSHOT = /^screenshots\/[a-zA-Z0-9._-]+\.png$/
/** Of a hash, in a file's name. */
const DIGITS = 32

/** Pictures that are carried along become files named by their contents; those by path stay. */
export function withPicturePaths(cell: Cell, folder: string): Cell {
  return mapScreenshots(cell, ({ png, ...rest }) => {
    if (png === undefined) return rest
    const bytes = Buffer.from(png, 'base64')
    const path = `${SCREENSHOTS}/${createHash('sha256').update(bytes).digest('hex').slice(0, DIGITS)}.png`
    makeFolder(join(folder, SCREENSHOTS))
    if (!existsSync(join(folder, path))) writeOutputFile(join(folder, path), bytes)
    return { ...rest, path }
  })
}

/** With the pictures that files hold; those that are missing are left out. */
export function withPictures(cell: Cell, folder: string): Cell {
  return mapScreenshots(cell, (screenshot) => {
    if (screenshot.png !== undefined) return screenshot
    const file = pictureFile(screenshot, folder)
    if (file === undefined) return undefined
    return { ...screenshot, path: undefined, png: readFileSync(file).toString('base64') }
  })
}

/** Where a screenshot's file is; undefined where it names none that is there. */
export function pictureFile({ path = '' }: Screenshot, folder: string): string | undefined {
  const file = join(folder, path)
  return SCREENSHOT.test(path) && statSync(file, { throwIfNoEntry: false })?.isFile() ? file : undefined
}

/** A picture that is named by its contents is the same under its name everywhere; another is taken along by its contents. */
export function copyPicture(shot: Screenshot, from: string, into: string): Screenshot | undefined {
  const file = pictureFile(shot, from)
  if (!file) return undefined
  if (!/^[\da-f]{32}\.png$/.test(basename(file)))
    return { ...shot, path: undefined, png: readFileSync(file).toString('base64') }
  const target = join(into, SCREENSHOTS, basename(file))
  if (existsSync(target)) return shot
  makeFolder(join(into, SCREENSHOTS))
  const part = `${target}.${process.pid}`
  copyFileSync(file, part)
  renameSync(part, target)
  return shot
}

export function mapScreenshots(cell: Cell, change: (shot: Screenshot) => Screenshot | undefined): Cell {
  const levels = cell.levels.map((level) => {
    const shot = level.evidence?.screenshot
    return shot ? { ...level, evidence: { ...level.evidence, screenshot: change(shot) } } : level
  })
  return { ...cell, levels }
}
