/** The matrix as Markdown: for a repository's page or a CI summary. Screenshots are linked by path, never embedded. */
import { fence, plain } from '../markdown.js'
import { accessName, figuresOf, guestTime, progress, summary } from '../words.js'
import { type Cell, cellIn, columnsOf, type MatrixResult, measuredFirst } from './matrix-result.js'

const MARKS = { passed: '✅', failed: '❌', skipped: '⚪' }

export function renderMatrixMarkdown(result: MatrixResult): string {
  const columns = columnsOf(result)
  const { run } = result
  const guests = measuredFirst(result)
  const lines = [
    '# Guest support matrix',
    '',
    `${sentence(summary(result))} Measured on ${run.date.slice(0, 10)} with Bootwright ${run.bootwright.version}` +
      `${run.bootwright.commit ? ` (${run.bootwright.commit})` : ''} on ${plain(run.host.os)}, ${plain(run.host.cpu)}.`,
    '',
    `| Guest | Family | ${columns.map((column) => plain(column.title)).join(' | ')} |`,
    `| --- | --- |${' --- |'.repeat(columns.length)}`,
  ]
  for (const guest of guests) {
    const cells = columns.map((column) => summarise(cellIn(result, guest.name, column)))
    lines.push(`| ${plain(guest.title)} | ${plain(guest.family)} | ${cells.join(' | ')} |`)
  }
  for (const guest of guests) {
    lines.push('', `## ${plain(guest.title)}`, '')
    lines.push(`\`${guest.name}\`, ${plain(guest.licence)}. Media: ${guest.media.map(plain).join('; ')}.`)
    for (const column of columns) {
      const cell = cellIn(result, guest.name, column)
      if (cell) lines.push(...details(cell, column.title))
    }
  }
  return `${lines.join('\n')}\n`
}

function summarise(cell: Cell | undefined): string {
  if (!cell) return ''
  if (cell.status === 'skipped') return `${MARKS.skipped} skipped`
  return `${MARKS[cell.status]} ${plain(cell.level ?? 'nothing')} ${progress(cell)}`
}

function details(cell: Cell, column: string): string[] {
  const lines = ['', `### ${MARKS[cell.status]} ${plain(column)}: ${cell.status}`, '']
  if (cell.reason) lines.push(plain(sentence(cell.reason)), '')
  if (cell.status === 'skipped') return lines
  const figures = [...(cell.measured ? [`measured ${cell.measured.slice(0, 10)}`] : []), ...figuresOf(cell)]
  if (figures.length > 0) lines.push(`${figures.join(', ')}.`, '')
  lines.push('| Level | Shown by | Result | Guest time |', '| --- | --- | --- | --- |')
  for (const level of cell.levels) {
    const outcome = `${MARKS[level.status]} ${level.status}${level.reason ? `: ${level.reason}` : ''}`
    const time = level.guestTimeNs === undefined ? '' : guestTime(level.guestTimeNs)
    lines.push(`| ${plain(level.name)} | ${plain(level.title)} | ${plain(outcome)} | ${time} |`)
  }
  const last = cell.levels.findLast((level) => level.evidence)
  const path = last?.evidence?.screenshot?.path
  if (last && path) lines.push('', `![${plain(`${cell.guest}, ${last.name}`)}](${encodeURI(path)})`)
  if (cell.status === 'failed' && last?.evidence?.serial)
    lines.push('', 'Last serial lines:', '', fence(last.evidence.serial))
  if (cell.unhandled?.length) lines.push('', accesses(cell.unhandled))
  if (cell.warnings?.length) lines.push('', warnings(cell.warnings))
  return lines
}

/** The most frequent ones; the page and the data have all. */
const MOST = 8

function accesses(list: NonNullable<Cell['unhandled']>): string {
  const words = list.map(
    (one) => `${accessName(one)}${one.name ? ` (${plain(one.name)})` : ''} ×${one.reads + one.writes}`,
  )
  return `Accesses to what the machine does not have: ${first(words)}.`
}

function warnings(list: NonNullable<Cell['warnings']>): string {
  return `Warnings of the machine’s devices: ${first(list.map(({ text, count }) => `${plain(text)} ×${count}`))}.`
}

function first(words: readonly string[]): string {
  const more = words.length > MOST ? ` and ${words.length - MOST} more` : ''
  return `${words.slice(0, MOST).join(', ')}${more}`
}

function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`
}
