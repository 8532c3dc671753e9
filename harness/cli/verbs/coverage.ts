/** `bootwright coverage`: what machines with `--coverage` have executed, put together: a table, lcov, or a function's lines. */
import { existsSync, readFileSync } from 'node:fs'
import { relative } from 'node:path'
import { Command } from 'commander'
import { writeOutputFile } from '../../../machine/host/output-file.js'
import {
  type CoverageResult,
  type CoveredFile,
  type CoveredFunction,
  coverageTable,
  linesExecuted,
  percent,
  renderLcov,
  total,
} from '../../../reports/coverage-result.js'
import { printable, printableJson } from '../../../reports/printable.js'
import { clearRecords, coverageFolder, readRecords } from '../../coverage/coverage-records.js'
import { coveredLines } from '../../coverage/covered-lines.js'
import { nearest } from '../../words/nearest.js'
import { complain, EXIT, UsageError } from '../errors.js'
import { paragraphs } from '../help.js'
import { checkWritable } from '../outputs.js'

interface CoverageFlags {
  output?: string
  function?: string
  only?: string
  atLeast?: string
  clean?: boolean
  json?: boolean
}

export function coverageCommand(): Command {
  return new Command('coverage')
    .description('say which lines and functions of programs the guests have executed')
    .argument('[records...]', 'what --coverage wrote, files or folders (default: bootwright-coverage)')
    .option('-o, --output <lcov.info>', 'write it for genhtml, Codecov and the like')
    .option('--function <name>', 'show the lines of this function, and which of them were executed')
    .option('--only <regex>', 'leave out files whose path does not match')
    .option('--at-least <percent>', 'fail where fewer lines were executed, as in 80%')
    .option('--clean', 'remove the records, so that the next runs begin anew')
    .option('--json', 'print one JSON object on standard output')
    .addHelpText('after', () => paragraphs(HELP))
    .action((paths: string[], flags: CoverageFlags) => {
      process.exitCode = coverage(paths, flags)
    })
}

const HELP = `
Every machine with --coverage ELF, or coverage: 'ELF' in launch(), test.use() or a guest, writes a record when it is closed;
BOOTWRIGHT_COVERAGE names another folder for them. 'genhtml lcov.info -o html' makes pages of the output.

Exit codes: 0 all is well, 1 less than --at-least, 2 no records, or wrong options.`

function coverage(paths: readonly string[], flags: CoverageFlags): number {
  try {
    if (flags.clean) {
      if (paths.length > 0) throw new UsageError('--clean removes the records of the folder; leave out their names')
      clearRecords()
      return EXIT.ok
    }
    const least = flags.atLeast === undefined ? undefined : parsePercent(flags.atLeast)
    if (flags.output !== undefined) checkWritable('--output', flags.output)
    const records = readRecords(paths.length > 0 ? paths : [coverageFolder()])
    if (records.length === 0) throw new UsageError('there are no records; run a guest with --coverage ELF first')
    const result = only(coveredLines(records), flags.only)
    if (flags.output !== undefined) writeOutputFile(flags.output, renderLcov(result))
    if (flags.function !== undefined) showFunction(result, flags.function)
    else if (flags.json) printJson(result)
    else console.log(coverageTable(result, nameOf))
    const share = percent(total(result))
    if (least === undefined || share >= least) return EXIT.ok
    process.stderr.write(
      `bootwright: ${share.toFixed(2)} % of the lines were executed, less than --at-least ${least}%\n`,
    )
    return EXIT.failed
  } catch (error) {
    return complain(error)
  }
}

function parsePercent(text: string): number {
  const [, number] = /^(\d{1,3}(?:\.\d+)?)\s*%?$/.exec(text) ?? []
  if (number !== undefined && Number(number) <= 100) return Number(number)
  throw new UsageError(`--at-least '${text}' is no share; write it as in 80%`)
}

function only(result: CoverageResult, regex: string | undefined): CoverageResult {
  if (regex === undefined) return result
  let pattern: RegExp
  try {
    pattern = new RegExp(regex)
  } catch {
    throw new UsageError(`--only '${regex}' is not a regular expression`)
  }
  const files = result.files.filter(({ path }) => pattern.test(path))
  if (files.length === 0) throw new UsageError(`--only '${regex}' leaves no file; there are ${result.files.length}`)
  return { files }
}

/** Relative where it is below this folder. */
function nameOf(path: string): string {
  const below = relative(process.cwd(), path)
  return below.startsWith('..') ? path : below
}

function printJson(result: CoverageResult): void {
  const files = result.files.map((file) => ({
    path: file.path,
    linesExecuted: linesExecuted(file).executed,
    lines: Object.fromEntries(file.lines),
    functions: file.functions.map(({ lines: _, ...rest }) => rest),
  }))
  const { executed, all } = total(result)
  const object = { format: 'bootwright-coverage-result', version: 1, linesExecuted: executed, lines: all, files }
  process.stdout.write(`${printableJson(object, 2)}\n`)
}

function showFunction({ files }: CoverageResult, name: string): void {
  const found = files.flatMap((file) =>
    file.functions.filter((one) => one.name === name).map((one): [CoveredFile, CoveredFunction] => [file, one]),
  )
  if (found.length === 0) {
    const near = nearest(
      name,
      files.flatMap(({ functions }) => functions.map((one) => one.name)),
    )
    throw new UsageError(`there is no function '${name}' with lines${near ? `; did you mean '${near}'?` : ''}`)
  }
  for (const [file, { lines, count }] of found) {
    const sorted = [...lines].sort((a, b) => a - b)
    const executed = sorted.filter((line) => (file.lines.get(line) ?? 0) > 0).length
    const entered = count === 0 ? ', never entered' : ''
    console.log(`${printable(name)} in ${printable(nameOf(file.path))}: ${executed} of ${lines.length} lines${entered}`)
    const text = existsSync(file.path) ? readFileSync(file.path, 'utf8').split('\n') : undefined
    const [first, last] = [sorted[0], sorted.at(-1) ?? 0]
    for (let line = first; line <= last; line++) {
      if (!text && !lines.includes(line)) continue
      const mark = !lines.includes(line) ? ' ' : (file.lines.get(line) ?? 0) > 0 ? '+' : '-'
      console.log(`${mark} ${String(line).padStart(6)}  ${printable(text?.[line - 1] ?? '')}`.trimEnd())
    }
  }
}
