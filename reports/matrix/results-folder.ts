/**
 * The folder of a matrix: `results/GUEST/*.json` has a measurement each, `screenshots/` their pictures by hash. Files are
 * only ever added, each whole and under a name of its own, so that runs at once, runs that were interrupted and folders
 * that are put together lose nothing. A matrix.json that was written before there were such files is taken in.
 */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { writeOutputFile } from '../../machine/host/output-file.js'
import { makeFolder } from '../make-folder.js'
import { copyPicture, mapScreenshots, withPicturePaths } from '../screenshots.js'
import { cellId, type MatrixResult, parseMatrix, ResultFormatError } from './matrix-result.js'
import { Measurement, measurementKey, measurementsOf, parseMeasurement, rowsOf } from './measurement.js'

const RESULTS = 'results'

export interface ResultsFolder {
  measurements: Measurement[]
  /** Those among them that only the matrix.json has. */
  unfiled: Measurement[]
  /** The matrix.json that is there, its pictures by path; undefined where there is none. */
  matrix?: MatrixResult
  /** Files that cannot be read, a sentence each; they are left as they are. */
  damaged: string[]
}

/**
 * All that was measured and is kept in a folder.
 *
 * @throws ResultFormatError where its matrix.json is none.
 */
export function readResults(folder: string): ResultsFolder {
  const damaged: string[] = []
  const measurements = resultFiles(folder).flatMap((file) => {
    try {
      return [readMeasurement(join(folder, file), file)]
    } catch (error) {
      if (!(error instanceof ResultFormatError)) throw error
      damaged.push(error.message)
      return []
    }
  })
  const matrix = readMatrixJson(folder)
  if (!matrix) return { measurements, unfiled: [], damaged }
  const known = new Set(measurements.map((one) => `${measurementKey(one)} ${one.cell.measured}`))
  const unfiled = measurementsOf(matrix).filter((one) => !known.has(`${measurementKey(one)} ${one.cell.measured}`))
  return { measurements: [...measurements, ...unfiled], unfiled, matrix, damaged }
}

function resultFiles(folder: string): string[] {
  return namesIn(join(folder, RESULTS)).flatMap((guest) =>
    namesIn(join(folder, RESULTS, guest))
      .filter((name) => name.endsWith('.json'))
      .map((name) => `${RESULTS}/${guest}/${name}`),
  )
}

function namesIn(folder: string): string[] {
  return statSync(folder, { throwIfNoEntry: false })?.isDirectory() ? readdirSync(folder).sort() : []
}

function readMeasurement(path: string, file: string): Measurement {
  let data: unknown
  try {
    data = JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw new ResultFormatError(`${file} is no measurement: it is not JSON.`)
  }
  return parseMeasurement(data, file)
}

function readMatrixJson(folder: string): MatrixResult | undefined {
  const file = join(folder, 'matrix.json')
  if (!existsSync(file)) return undefined
  let data: unknown
  try {
    data = JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw new ResultFormatError(`${file} is no JSON, so nothing can be added to it: remove it, or name another folder.`)
  }
  return parseMatrix(data)
}

/** Adds a measurement, its pictures with it; one that is there already stays. Throws the host's error. */
export function addMeasurement(measurement: Measurement, folder: string): void {
  const cell = withPicturePaths(measurement.cell, folder) as Measurement['cell']
  const text = `${JSON.stringify(Measurement.parse({ ...measurement, cell }), undefined, 2)}\n`
  const place = join(folder, RESULTS, cellId({ ...cell, engine: '', device: '' }).replace(/-+$/, ''))
  makeFolder(place)
  // The contents are in the name: two that differ never have the same one.
  const hash = createHash('sha256').update(text).digest('hex').slice(0, 10)
  const date = cell.measured.replace(/[-:]|\.\d+/g, '')
  const path = join(place, `${date}-${cell.engine.replace(/\W+/g, '-')}-${hash}.json`)
  if (!existsSync(path)) writeOutputFile(path, text)
}

/**
 * Puts what other folders have into this one. Returns how many measurements there are, what could not be read, and what
 * the folders' pages say of guests that nobody has measured, the latest counts.
 */
export function mergeResults(
  folders: readonly string[],
  into: string,
): { measured: number; damaged: string[]; rows: MatrixResult | undefined } {
  let measured = 0
  const damaged: string[] = []
  const pages: MatrixResult[] = []
  for (const folder of folders) {
    const found = readResults(folder)
    damaged.push(...found.damaged)
    if (found.matrix) pages.push(found.matrix)
    for (const measurement of found.measurements) {
      const cell = mapScreenshots(measurement.cell, (shot) => copyPicture(shot, folder, into)) as Measurement['cell']
      addMeasurement({ ...measurement, cell }, into)
      measured++
    }
  }
  pages.sort((a, b) => Date.parse(a.run.date) - Date.parse(b.run.date))
  const rows = pages.reduce<MatrixResult | undefined>((before, now) => rowsOf(before, now), undefined)
  return { measured, damaged, rows }
}
