/** What of programs' sources guests have executed, as plain data; as lcov's tracefile, which genhtml and Codecov read; and as a table. */
import { printable } from './printable.js'

export interface CoverageResult {
  /** By path. */
  files: CoveredFile[]
}

export interface CoveredFile {
  /** Absolute, as the compiler had it. */
  path: string
  /** By number: how many machines executed something of it. */
  lines: Map<number, number>
  functions: CoveredFunction[]
}

export interface CoveredFunction {
  name: string
  /** Where it begins. */
  line: number
  /** How many machines entered it. */
  count: number
  /** Those of its file in which it has code. */
  lines: number[]
}

/** geninfo(1), "TRACEFILE FORMAT". */
export function renderLcov({ files }: CoverageResult): string {
  return files
    .map(({ path, lines, functions }) => {
      const sorted = [...lines].sort(([a], [b]) => a - b)
      const hit = (all: readonly { count: number }[]) => all.filter(({ count }) => count > 0).length
      return [
        'TN:',
        `SF:${path}`,
        ...functions.map(({ line, name }) => `FN:${line},${name}`),
        ...functions.map(({ count, name }) => `FNDA:${count},${name}`),
        `FNF:${functions.length}`,
        `FNH:${hit(functions)}`,
        ...sorted.map(([line, count]) => `DA:${line},${count}`),
        `LF:${lines.size}`,
        `LH:${hit(sorted.map(([, count]) => ({ count })))}`,
        'end_of_record\n',
      ].join('\n')
    })
    .join('')
}

export interface Share {
  executed: number
  all: number
}

export function linesExecuted({ lines }: Pick<CoveredFile, 'lines'>): Share {
  return { executed: [...lines.values()].filter((count) => count > 0).length, all: lines.size }
}

export function percent({ executed, all }: Share): number {
  return all === 0 ? 100 : (executed / all) * 100
}

export function total({ files }: CoverageResult): Share {
  const shares = files.map(linesExecuted)
  return { executed: sum(shares.map((one) => one.executed)), all: sum(shares.map((one) => one.all)) }
}

const sum = (numbers: readonly number[]) => numbers.reduce((all, one) => all + one, 0)

/** Widest list of lines that were not executed, in characters. */
const LONGEST_LIST = 40

/** A row a file. @param nameOf What a file is called in it. */
export function coverageTable(result: CoverageResult, nameOf: (path: string) => string): string {
  const rows = result.files.map((file) => ({
    name: nameOf(file.path),
    lines: linesExecuted(file),
    functions: { executed: file.functions.filter(({ count }) => count > 0).length, all: file.functions.length },
    missing: missingLines(file),
  }))
  const all = {
    name: 'all files',
    lines: total(result),
    functions: {
      executed: sum(rows.map(({ functions }) => functions.executed)),
      all: sum(rows.map(({ functions }) => functions.all)),
    },
    missing: '',
  }
  const cells = [...rows, all].map(({ name, lines, functions, missing }) => [
    printable(name),
    `${percent(lines).toFixed(1)} %`,
    `${lines.executed}/${lines.all}`,
    `${functions.executed}/${functions.all}`,
    missing,
  ])
  const head = ['file', 'lines', '', 'functions', 'not executed']
  const widths = head.map((title, column) => Math.max(title.length, ...cells.map((row) => row[column].length)))
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) =>
        column === 0 || column === 4 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]),
      )
      .join('  ')
      .trimEnd()
  return [line(head), ...cells.map(line)].join('\n')
}

/** `12-15, 20`: from the first to the last line that was not executed, of those with code. */
function missingLines({ lines }: CoveredFile): string {
  const stretches: [number, number][] = []
  let goesOn = false
  for (const [line, count] of [...lines].sort(([a], [b]) => a - b)) {
    const last = stretches.at(-1)
    if (count > 0) goesOn = false
    else if (goesOn && last) last[1] = line
    else {
      stretches.push([line, line])
      goesOn = true
    }
  }
  const words = stretches.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`))
  let shown = words.join(', ')
  for (let left = words.length - 1; shown.length > LONGEST_LIST && left > 0; left--)
    shown = `${words.slice(0, left).join(', ')}, …`
  return shown
}
