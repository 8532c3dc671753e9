/** What a run of the matrix keeps: each guest's measurement as soon as it is there, and the pages of all that is known. */
import { randomUUID } from 'node:crypto'
import { join, relative } from 'node:path'
import { withLock } from '../../../machine/host/lock-file.js'
import { type Change, compareMatrix } from '../../../reports/matrix/compare-matrix.js'
import type { RunningGuest } from '../../../reports/matrix/matrix-html.js'
import type { Cell, LevelResult, MatrixResult } from '../../../reports/matrix/matrix-result.js'
import {
  hasMeasured,
  type Measurement,
  matrixOf,
  measurementsOf,
  rowsOf,
  runId,
} from '../../../reports/matrix/measurement.js'
import { addMeasurement, type ResultsFolder, readResults } from '../../../reports/matrix/results-folder.js'
import { writeMatrix } from '../../../reports/matrix/write-matrix.js'
import { summary } from '../../../reports/words.js'
import { type MatrixFrame, matrixResult } from '../../guest/matrix-run.js'
import { EXIT } from '../errors.js'

/** Pages that take longer are written once, in the end, ms. */
const SLOW = 1000
/** Between two times that pages are written, so many times as long as that takes: guests want the processors, too. */
const REST = 10
/** Between two looks at how guests get on, ms. */
const EVERY = 2000
/** How long an interrupted run waits for its pages, ms. */
const LAST_MOMENT = 5000

/** A guest that is being booted, as its page shows it. */
export interface Watched {
  /** @param host Another one than this. */
  asked(level: string, host?: string): void
  reached(level: LevelResult): void
  end(): void
}

export interface Keeper {
  /** The page shows it from now on. */
  watch(title: string): Watched
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
  let writtenAt = 0
  const running = new Set<RunningGuest>()
  const pages = async (last = false) => {
    const begin = performance.now()
    const written = await writePages(result(), folder, last ? [] : [...running])
    writtenAt = performance.now()
    tookMs = writtenAt - begin
    return written
  }
  let late: NodeJS.Timeout | undefined
  const show = () => {
    if (busy || tookMs > SLOW || performance.now() < writtenAt + REST * tookMs) return
    // What goes wrong here goes wrong in the end, too, and is told there.
    busy = pages()
      .catch(() => {})
      .finally(() => {
        busy = undefined
      })
  }
  const showSoon = () => {
    late ??= setTimeout(() => {
      late = undefined
      show()
    }, EVERY)
    late.unref()
  }
  return {
    watch(title) {
      const guest: RunningGuest = { title, words: '' }
      return {
        asked(level, host) {
          guest.words = `${host === undefined ? '' : `on ${host}: `}${level}?`
          running.add(guest)
          showSoon()
        },
        reached({ evidence }) {
          guest.screenshot = evidence?.screenshot ?? guest.screenshot
          running.add(guest)
          showSoon()
        },
        end: () => running.delete(guest),
      }
    },
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
      show()
    },
    async finish() {
      clearTimeout(late)
      await busy
      if (hasMeasured(result()) || !readResults(folder).matrix) return `The matrix is in ${shown(await pages(true))}`
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
 * @param now What the caller has found, for guests that were not booted; undefined where it knows of none.
 * @param running Guests that are being booted.
 * @returns The path of the page.
 */
export function writePages(
  now: MatrixResult | undefined,
  folder: string,
  running: readonly RunningGuest[] = [],
): Promise<string> {
  return withLock(join(folder, 'matrix.json'), async () => {
    const kept = readResults(folder)
    // What only an earlier matrix.json has would go with it.
    for (const one of kept.unfiled) addMeasurement(one, folder)
    const matrix = folderMatrix(kept, now)
    return matrix ? writeMatrix(matrix, folder, running).html : join(folder, 'matrix.html')
  })
}

/** All that is known in a folder as one matrix; undefined where that is nothing. */
export function folderMatrix(kept: ResultsFolder, now?: MatrixResult): MatrixResult | undefined {
  const measured = now && hasMeasured(now) ? now.run : undefined
  return matrixOf(kept.measurements, rowsOf(kept.matrix, now), measured)
}

/**
 * What has finished is kept; machines end with the process.
 * @param first Done before the pages are written.
 */
export function onInterrupt(keep: Keeper, first: () => Promise<unknown> = async () => {}): () => void {
  let ending = false
  const end = async () => {
    if (ending) process.exit(EXIT.interrupted)
    ending = true
    const late = new Promise<string>((resolve) =>
      setTimeout(() => resolve('What was measured is kept; its pages come with the next run'), LAST_MOMENT),
    )
    const where = await Promise.race([first().then(() => keep.finish()), late]).catch((error: Error) => error.message)
    console.log(`\n${summary(keep.result())}, then it was interrupted. ${where}`)
    process.exit(EXIT.interrupted)
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const signal of signals) process.on(signal, end)
  return () => {
    for (const signal of signals) process.off(signal, end)
  }
}
