import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type MatrixResult, parseMatrix, standingOf } from '../../../reports/matrix/matrix-result.js'
import {
  type Measurement,
  matrixOf,
  measurementsOf,
  parseMeasurement,
  rowsOf,
  runId,
} from '../../../reports/matrix/measurement.js'
import { addMeasurement, mergeResults, readResults } from '../../../reports/matrix/results-folder.js'
import { writeMatrix } from '../../../reports/matrix/write-matrix.js'
import { PIXEL, sampleMatrix } from '../sample.js'

const newFolder = () => mkdtempSync(join(tmpdir(), 'results-'))

/** The sample's measurement of a guest at another time. */
function measured(guest: string, date: string, change: Partial<Measurement['cell']> = {}): Measurement {
  const found = measurementsOf(sampleMatrix()).find(({ cell }) => cell.guest === guest) as Measurement
  return {
    ...found,
    run: { ...found.run, id: runId(date), date },
    cell: { ...found.cell, measured: date, ...change },
  }
}

const MONDAY = '2026-11-23T08:00:00.000Z'
const TUESDAY = '2026-11-24T08:00:00.000Z'

test('a measurement is a file of its own, and reads back as it was, its picture by hash', () => {
  const folder = newFolder()
  const one = measured('freedos', MONDAY)
  addMeasurement(one, folder)
  addMeasurement(one, folder)
  addMeasurement(measured('freedos', TUESDAY), folder)
  expect(readdirSync(join(folder, 'results/freedos')).map((name) => name.slice(0, 20))).toEqual([
    '20261123T080000Z-sof',
    '20261124T080000Z-sof',
  ])
  const { measurements, damaged } = readResults(folder)
  expect(damaged).toEqual([])
  expect(measurements.map(({ cell }) => cell.measured)).toEqual([MONDAY, TUESDAY])
  const shot = measurements[0].cell.levels[0].evidence?.screenshot
  expect(shot?.path).toMatch(/^screenshots\/[\da-f]{32}\.png$/)
  expect(readFileSync(join(folder, shot?.path ?? '')).toString('base64')).toBe(PIXEL)
  expect(readdirSync(join(folder, 'screenshots'))).toHaveLength(1)
})

test('the matrix has the latest of each, with its own date, host and commit', () => {
  const elsewhere = measured('broken', MONDAY)
  elsewhere.run.host = { ...elsewhere.run.host, cpu: 'Another CPU' }
  const all = [measured('freedos', TUESDAY), elsewhere, measured('freedos', MONDAY, { status: 'failed' })]
  const matrix = matrixOf(all, undefined) as MatrixResult
  expect(parseMatrix(JSON.parse(JSON.stringify(matrix))).run.date).toBe(TUESDAY)
  expect(matrix.cells.map(({ guest, status, measured, host }) => [guest, status, measured, host?.cpu])).toEqual([
    ['broken', 'failed', MONDAY, 'Another CPU'],
    ['freedos', 'passed', TUESDAY, undefined],
  ])
})

test('a guest that was not booted now stays as it was measured, and one that never was says why', () => {
  const rows = rowsOf(undefined, {
    ...sampleMatrix(),
    cells: [
      { guest: 'freedos', engine: 'soft', device: 'default', status: 'skipped', levels: [], reason: 'wants x' },
      { guest: 'absent', engine: 'soft', device: 'default', status: 'skipped', levels: [], reason: 'wants y' },
    ],
  })
  const matrix = matrixOf([measured('freedos', MONDAY)], rows) as MatrixResult
  expect(matrix.cells.map(({ guest, status, reason }) => [guest, status, reason])).toEqual([
    ['freedos', 'passed', undefined],
    ['absent', 'skipped', 'wants y'],
  ])
})

test("a matrix.json of before is taken in: its cells, their run's date for all, its pictures", () => {
  const folder = newFolder()
  // As it was written when screenshots had their cells' names.
  const old = sampleMatrix()
  mkdirSync(join(folder, 'screenshots'))
  for (const cell of old.cells)
    for (const [i, { evidence }] of cell.levels.entries()) {
      if (!evidence?.screenshot) continue
      const path = `screenshots/${cell.guest}--soft--default--${i + 1}-x.png`
      writeFileSync(join(folder, path), Buffer.from(PIXEL, 'base64'))
      evidence.screenshot = { ...evidence.screenshot, png: undefined, path }
    }
  writeFileSync(join(folder, 'matrix.json'), JSON.stringify(old))
  const before = readResults(folder)
  expect(before.unfiled.map(({ cell }) => [cell.guest, cell.measured])).toEqual([
    ['freedos', old.run.date],
    ['broken', old.run.date],
  ])
  for (const one of before.unfiled) addMeasurement(one, folder)
  addMeasurement(measured('freedos', TUESDAY), folder)
  const now = readResults(folder)
  expect(now.unfiled).toEqual([])
  writeMatrix(matrixOf(now.measurements, rowsOf(now.matrix, undefined)) as MatrixResult, folder)
  const after = readResults(folder)
  expect(after.measurements).toHaveLength(3)
  expect(after.matrix?.cells.map(({ guest, status }) => `${guest} ${status}`)).toEqual([
    'broken failed',
    'freedos passed',
    'absent skipped',
  ])
})

test('what is damaged, half written or of a later version is named, and the rest is read', () => {
  const folder = newFolder()
  addMeasurement(measured('freedos', MONDAY), folder)
  const place = join(folder, 'results/freedos')
  writeFileSync(join(place, 'cut.json'), '{"format":"bootwright-measurem')
  writeFileSync(join(place, 'later.json'), JSON.stringify({ ...measured('freedos', MONDAY), version: 2 }))
  writeFileSync(join(place, 'wrong.json'), JSON.stringify({ ...measured('freedos', MONDAY), cell: {} }))
  writeFileSync(join(place, '20261124.json.123-1'), 'a file that another run is writing')
  const { measurements, damaged } = readResults(folder)
  expect(measurements).toHaveLength(1)
  expect(damaged).toEqual([
    'results/freedos/cut.json is no measurement: it is not JSON.',
    'results/freedos/later.json has version 2, and this Bootwright reads version 1: use a newer one.',
    expect.stringMatching(/^results\/freedos\/wrong\.json is no measurement: cell\.guest is missing/),
  ])
})

test('folders put together have what each has, once', () => {
  const [a, b, all] = [newFolder(), newFolder(), newFolder()]
  addMeasurement(measured('freedos', MONDAY), a)
  addMeasurement(measured('freedos', MONDAY), b)
  addMeasurement(measured('broken', TUESDAY), b)
  expect(mergeResults([a, b], all)).toEqual({ measured: 3, damaged: [], rows: undefined })
  mergeResults([b, a], all)
  const { measurements } = readResults(all)
  expect(measurements.map(({ cell }) => cell.guest)).toEqual(['broken', 'freedos'])
  for (const { cell } of measurements)
    for (const { evidence } of cell.levels)
      if (evidence?.screenshot) expect(readFileSync(join(all, evidence.screenshot.path ?? ''))).toHaveLength(70)
})

test('a path that leads elsewhere is no picture', () => {
  const [from, into] = [newFolder(), newFolder()]
  const one = measured('freedos', MONDAY)
  const [level] = one.cell.levels
  one.cell.levels = [
    { ...level, evidence: { screenshot: { path: '../../etc/hostname', width: 1, height: 1, mode: 'x' } } },
  ]
  addMeasurement(one, from)
  mergeResults([from], into)
  expect(readResults(into).measurements[0].cell.levels[0].evidence?.screenshot).toBeUndefined()
})

test('levels stand as works, works with a note, broken or untested', () => {
  expect(standingOf({ status: 'passed' })).toBe('works')
  expect(standingOf({ status: 'passed', note: 'with acpi=off' })).toBe('works with a note')
  expect(standingOf({ status: 'failed' })).toBe('broken')
  expect(standingOf({ status: 'skipped' })).toBe('untested')
  expect(() => parseMeasurement({ format: 'other' }, 'x.json')).toThrow(/^x\.json is no measurement/)
})
