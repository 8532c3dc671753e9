/** What a run of the matrix keeps: each guest's measurement as soon as it is there, and the pages of all that is known. */
import { randomUUID } from 'node:crypto'
import { join, relative } from 'node:path'
import { type Change, compareMatrix } from '../../reports/compare-matrix.js'
import type { Cell, MatrixResult } from '../../reports/matrix-result.js'
import { hasMeasured, type Measurement, matrixOf, measurementsOf, rowsOf, runId } from '../../reports/measurement.js'
import { addMeasurement, type ResultsFolder, readResults } from '../../reports/results-folder.js'
import { summary } from '../../reports/words.js'
import { writeMatrix } from '../../reports/write-matrix.js'
import { type MatrixFrame, matrixResult } from '../guest/matrix-run.js'
import { withLock } from '../stages/stage-store.js'
import { EXIT } from './errors.js'

/** Pages that take longer are written once, in the end, ms. */
const SLOW = 1000
/** How long an interrupted run waits for its pages, ms. */
const LAST_MOMENT = 5000

export interface Keeper {
  /** Keeps a guest's result. Throws the host's error where it cannot be written. */
  add(cell: Cell): void
  /** What this run has found; of what was booted again the best, since one that works once has not been lost. */
  result(): MatrixResult
  /** What works no longer. */
  lost(before: readonly Measurement[]): Change[]
  /** Writes the pages anew, and says where they are; where nothing was measured, only if there are none. */
  finish(): Promise<string>
}

export function keeper(frame: MatrixFrame, folder: string): Keeper {
  const found = new Map<string, Cell>()
  const id = `${runId(frame.started.toISOString())}-${randomUUID().slice(0, 8)}`
  const result = () => {
    const cells = [...found.values()]
    const names = new Set(cells.map(({ guest }) => guest))
    return matrixResult({ ...frame, guests: frame.guests.filter(({ name }) => names.has(name)) }, cells)
  }
  let busy: Promise<unknown> | undefined
  let tookMs = 0
  const pages = async () => {
    const begin = performance.now()
    const written = await writePages(result(), folder)
    tookMs = performance.now() - begin
    return written
  }
  return {
    result,
    lost: (before) => compareMatrix(before, measurementsOf(result())).filter(({ kind }) => kind === 'regressed'),
    add(cell) {
      const key = `${cell.guest} ${cell.engine}`
      const before = found.get(key)
      found.set(key, before ? better(before, cell) : cell)
      if (cell.status === 'skipped') return
      const guests = frame.guests.filter(({ name }) => name === cell.guest)
      for (const one of measurementsOf(matrixResult({ ...frame, guests }, [cell])))
        addMeasurement({ ...one, run: { ...one.run, id, date: frame.started.toISOString() } }, folder)
      if (busy || tookMs > SLOW) return
      // What goes wrong here goes wrong in the end, too, and is told there.
      busy = pages()
        .catch(() => {})
        .finally(() => {
          busy = undefined
        })
    },
    async finish() {
      await busy
      if (hasMeasured(result()) || !readResults(folder).matrix) return `The matrix is in ${shown(await pages())}`
      return `Nothing was measured: ${join(folder, 'matrix.html')} is as it was`
    },
  }
}

/** The one that got further; both are kept as measured. */
function better(a: Cell, b: Cell): Cell {
  const reached = ({ levels }: Cell) => levels.filter(({ status }) => status === 'passed').length
  return reached(b) > reached(a) ? b : a
}

const shown = (path: string) => relative('', path) || path

/**
 * The pages of all that is known in a folder, by whatever run; one process at a time.
 * @param now What the caller has found, for guests that were not booted; undefined where it booted none.
 * @returns The path of the page.
 */
export function writePages(now: MatrixResult | undefined, folder: string): Promise<string> {
  return withLock(join(folder, 'matrix.json'), async () => {
    const kept = readResults(folder)
    // What only an earlier matrix.json has would go with it.
    for (const one of kept.unfiled) addMeasurement(one, folder)
    const matrix = folderMatrix(kept, now)
    return matrix ? writeMatrix(matrix, folder).html : join(folder, 'matrix.html')
  })
}

/** All that is known in a folder as one matrix; undefined where that is nothing. */
export function folderMatrix(kept: ResultsFolder, now?: MatrixResult): MatrixResult | undefined {
  const measured = now && hasMeasured(now) ? now.run : undefined
  return matrixOf(kept.measurements, rowsOf(kept.matrix, now), measured)
}

/** What has finished is kept; machines end with the process. */
export function onInterrupt(keep: Keeper): () => void {
  let ending = false
  const end = async () => {
    if (ending) process.exit(EXIT.interrupted)
    ending = true
    const late = new Promise<string>((resolve) =>
      setTimeout(() => resolve('What was measured is kept; its pages come with the next run'), LAST_MOMENT),
    )
    const where = await Promise.race([keep.finish(), late]).catch((error: Error) => error.message)
    console.log(`\n${summary(keep.result())}, then it was interrupted. ${where}`)
    process.exit(EXIT.interrupted)
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const signal of signals) process.on(signal, end)
  return () => {
    for (const signal of signals) process.off(signal, end)
  }
}
