/** The site of a matrix's folder, and what has changed in it since a commit. */
import { execFileSync } from 'node:child_process'
import { relative } from 'node:path'
import { type Change, compareMatrix } from '../../../reports/matrix/compare-matrix.js'
import { latest, type Measurement } from '../../../reports/matrix/measurement.js'
import { readResults } from '../../../reports/matrix/results-folder.js'
import { siteModel } from '../../../reports/site/site-model.js'
import { writeSite } from '../../../reports/site/write-site.js'
import { UsageError } from '../errors.js'
import { folderMatrix } from './matrix-keeper.js'

/** Writes it, and says how it is opened. */
export function putSite(results: string, folder: string): string {
  if (folder === '') throw new UsageError('--site has an empty path; name a folder')
  const kept = readResults(results)
  const matrix = folderMatrix(kept)
  if (!matrix) throw new UsageError(`'${results}' has no matrix yet; boot a guest first`)
  const index = writeSite(siteModel(kept.measurements, matrix), results, folder)
  return `The site is in ${relative('', index) || index}: open it in a browser, or put its folder on any web server`
}

/** What stands otherwise than it did at a commit, a tag or a date. Throws a UsageError for what is none of them. */
export function changesSince(measurements: readonly Measurement[], point: string): Change[] {
  const date = dateOf(point)
  const before = latest(measurements.filter(({ cell }) => cell.measured <= date))
  if (before.length === 0) throw new UsageError(`nothing had been measured at ${point} (${date})`)
  return compareMatrix(before, latest(measurements)).filter(({ kind }) => kind !== 'not booted')
}

function dateOf(point: string): string {
  if (/^\d{4}-\d\d-\d\d/.test(point) && !Number.isNaN(Date.parse(point))) return new Date(point).toISOString()
  try {
    const words = ['log', '-1', '--format=%cI', '--end-of-options', point]
    return new Date(
      execFileSync('git', words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim(),
    ).toISOString()
  } catch {
    throw new UsageError(
      `--since '${point}' is no commit or tag of this folder's repository, and no date as 2026-11-30`,
    )
  }
}
