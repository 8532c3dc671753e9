/** Help as wide as the terminal, however narrow that is. */
import type { Command, Help } from 'commander'

/** Narrower than this a description stands below its option. */
const NARROWEST_DESCRIPTION = 24
const INDENT = 2
const GAP = 2
const DEFAULT_WIDTH = 80
const WIDEST = 120

/** Columns of the terminal; of what is no terminal, what COLUMNS says. */
export function helpWidth(stream: { columns?: number } = process.stdout, env = process.env): number {
  const said = stream.columns || Number(env.COLUMNS)
  return Math.min(WIDEST, said > 0 ? said : DEFAULT_WIDTH)
}

/** A command's last paragraphs as wide as the terminal; lines that begin with spaces stay as they are. */
export function paragraphs(text: string, width = helpWidth()): string {
  const joined = text.replaceAll(/(?<=^[^\s].*)\n(?=\S)/gm, ' ')
  return joined
    .split('\n')
    .map((line) => (line.startsWith(' ') ? line : fold(line, width)))
    .join('\n')
}

function fold(text: string, width: number, indent = ''): string {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(/ +/)) {
    const longer = line === '' ? word : `${line} ${word}`
    if (longer.length > width && line !== '') {
      lines.push(line)
      line = word
    } else line = longer
  }
  return [...lines, line].join(`\n${indent}`)
}

export function withHelp(command: Command): Command {
  return command
    .configureOutput({ getOutHelpWidth: () => helpWidth() })
    .configureHelp({ formatItem, boxWrap: (text: string, width: number) => fold(text, width) })
}

function formatItem(this: Help, term: string, termWidth: number, description: string, helper: Help): string {
  const indent = ' '.repeat(INDENT)
  const width = helper.helpWidth ?? DEFAULT_WIDTH
  const column = INDENT + termWidth + GAP
  if (description === '') return `${indent}${term}`
  if (width - column >= NARROWEST_DESCRIPTION)
    return `${indent}${term.padEnd(termWidth + GAP)}${fold(description, width - column, ' '.repeat(column))}`
  const below = ' '.repeat(2 * INDENT + GAP)
  return `${indent}${term}\n${below}${fold(description, Math.max(1, width - below.length), below)}`
}
