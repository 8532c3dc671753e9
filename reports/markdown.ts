/** Text as Markdown. */

import { printable } from './printable.js'

/** A code block whose fence is longer than any in the text. */
export function fence(text: string): string {
  const longest = Math.max(2, ...(text.match(/`+/g) ?? []).map((ticks) => ticks.length))
  const ticks = '`'.repeat(longest + 1)
  return `${ticks}text\n${printable(text)}\n${ticks}`
}

/** Text that Markdown and HTML leave alone, in a table as elsewhere. */
export function plain(text: string): string {
  return printable(text)
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/[\\`*_[\]|#]/g, '\\$&')
    .replace(/\r?\n/g, ' ')
}
