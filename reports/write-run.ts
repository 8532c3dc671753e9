/**
 * A run's folder: `run.json` with the files that it names, which is also the blob that parts of a run are merged from,
 * and every report made of it.
 */
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, realpathSync, rmSync, statSync } from 'node:fs'
import { dirname, join, sep } from 'node:path'
import { writeOutputFile } from '../machine/host/output-file.js'
import { renderJunit } from './junit.js'
import { makeFolder } from './make-folder.js'
import { renderBadge, runBadge } from './matrix/badge.js'
import { addToHistory, emptyHistory, readHistory } from './matrix/history.js'
import { ResultFormatError } from './matrix/matrix-result.js'
import { mergeRuns } from './merge-runs.js'
import { renderRunHtml } from './run-html.js'
import { renderRunMarkdown } from './run-markdown.js'
import { mapFiles, parseRun, type ResultFile, RunResult } from './run-result.js'
import { renderTap } from './tap.js'

export const RUN_FILE = 'run.json'
export const REPORT_FILE = 'report.html'

/** Larger ones are not embedded in the page but referred to. */
const LARGEST_EMBEDDED = 8 * 1024 * 1024

/**
 * Writes a run and its reports. Files that carry data are written; those with a path must lie in the folder already.
 *
 * @returns The run as it was written, and the page's path.
 * @throws The host's error when the folder cannot be written.
 */
export function writeRun(result: RunResult, folder: string): { run: RunResult; html: string } {
  makeFolder(folder)
  const run = mapFiles(result, (file) => (file.data === undefined ? file : writeFile(file, file.data, folder)))
  const history = addToHistory(readHistory(readJson(join(folder, 'history.json')) ?? emptyHistory()), run)
  const put = (name: string, text: string) => writeOutputFile(join(folder, name), text)
  put(RUN_FILE, `${JSON.stringify(RunResult.parse(run), undefined, 2)}\n`)
  put('history.json', `${JSON.stringify(history)}\n`)
  put(REPORT_FILE, renderRunHtml(embedFiles(run, folder), { history }))
  put('report.md', renderRunMarkdown(run))
  put('junit.xml', renderJunit(run))
  put('report.tap', renderTap(run))
  put('badge.svg', renderBadge(runBadge(run.tests)))
  removeOthers(run, folder)
  return { run, html: join(folder, REPORT_FILE) }
}

/**
 * Reads the run in a folder, or in its `run.json`.
 *
 * @throws ResultFormatError with one sentence.
 */
export function readRun(path: string): { run: RunResult; folder: string } {
  const isFolder = statsOf(path)?.isDirectory()
  const file = isFolder ? join(path, RUN_FILE) : path
  if (!statsOf(file)?.isFile())
    throw new ResultFormatError(
      isFolder
        ? `There is no ${RUN_FILE} in ${path}; name the folder of a report.`
        : `There is no file ${path}; name the folder of a report.`,
    )
  let data: unknown
  try {
    data = JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw new ResultFormatError(`${file} is no JSON; name the folder of a report.`)
  }
  return { run: parseRun(data), folder: dirname(file) }
}

/** Merges the runs in some folders into another one, with their files and histories, and writes its reports. */
export function mergeFolders(folders: readonly string[], out: string): { run: RunResult; html: string } {
  const parts = folders.map(readRun).map(({ run, folder }) => ({ run: embedFiles(run, folder, true), prefix: '' }))
  const merged = mergeRuns(parts)
  return writeRun(merged, out)
}

/** With the bytes of every file that is there and not too large for a page. */
function embedFiles(run: RunResult, folder: string, all = false): RunResult {
  return mapFiles(run, (file) => {
    const path = file.path === undefined ? undefined : join(folder, file.path)
    const stats = path === undefined ? undefined : statsOf(path)
    if (!path || !stats?.isFile() || !isBelow(path, folder) || (!all && stats.size > LARGEST_EMBEDDED)) return file
    return { ...file, data: readFileSync(path).toString('base64') }
  })
}

/** undefined where there is nothing, or no way to it: a loop of links, a name that is too long. */
function statsOf(path: string) {
  try {
    return statSync(path, { throwIfNoEntry: false })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EACCES') throw error
    return undefined
  }
}

/** By the file itself: a link may lead elsewhere. */
function isBelow(path: string, folder: string): boolean {
  return realpathSync(path).startsWith(realpathSync(folder) + sep)
}

const ENDINGS: { readonly [type: string]: string } = {
  'image/png': 'png',
  'image/webp': 'webp',
  'text/plain': 'txt',
  'application/x-asciicast': 'cast',
  'application/json': 'json',
  'application/vnd.tcpdump.pcap': 'pcap',
  'text/html': 'html',
}

/** Named by what is in it, so that the same picture is there once. */
function writeFile({ type }: ResultFile, data: string, folder: string): ResultFile {
  const bytes = Buffer.from(data, 'base64')
  const name = createHash('sha256').update(bytes).digest('hex').slice(0, 20)
  const path = `files/${name}.${ENDINGS[type] ?? 'bin'}`
  mkdirSync(join(folder, 'files'), { recursive: true })
  writeOutputFile(join(folder, path), bytes)
  return { type, path }
}

const OWN_NAME = /^[0-9a-f]{20}\.\w+$/

/** Files of former runs. */
function removeOthers(run: RunResult, folder: string): void {
  const named = new Set<string | undefined>()
  mapFiles(run, (file) => {
    named.add(file.path)
    return file
  })
  const files = join(folder, 'files')
  if (!statSync(files, { throwIfNoEntry: false })?.isDirectory()) return
  for (const name of readdirSync(files))
    if (OWN_NAME.test(name) && !named.has(`files/${name}`)) rmSync(join(files, name), { force: true })
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return undefined
  }
}
