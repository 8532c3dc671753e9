/** What a test waits for before it goes on: text that a person saw, and that was not there when they last did something. */
import type { Area } from '../picture/compare-pictures.js'
import type { ScreenReading } from '../picture/screen-reading.js'

/** Rows that are put together until they say more than what was there before. */
const MAX_ROWS = 4
const MAX_LENGTH = 70
/** Frames, shadows and blocks of text screens. */
const BOX = /[\u2190-\u21ff\u2500-\u25ff]/

/**
 * The pattern of the last rows that tells this screen from the one before; undefined where no text does.
 *
 * @param cursorRow In text modes.
 */
export function waitPattern(now: string, before: string, cursorRow?: number): RegExp | undefined {
  const rows = now.split('\n')
  const last = cursorRow !== undefined && hasWords(rows[cursorRow]) ? cursorRow : rows.findLastIndex(hasWords)
  if (last < 0) return undefined
  let source = ''
  let blanks = 0
  for (let row = last, used = 0; row >= 0 && used < MAX_ROWS; row--) {
    if (rows[row].trim() === '') {
      blanks++
      continue
    }
    const { pattern, toStart, toEnd } = rowPattern(rows[row])
    // A row that is told in part cannot be joined to the one below.
    if (source !== '' && !toEnd) break
    source = source === '' ? pattern : `${pattern}\\n${blanks > 0 ? '+' : ''}${source.replace(/^\^/, '')}`
    blanks = 0
    used++
    const regex = new RegExp(source, 'm')
    if (!regex.test(before)) return regex
    if (!toStart) break
  }
  return newRow(rows, before)
}

/** The lowest row that was not there. */
function newRow(rows: readonly string[], before: string): RegExp | undefined {
  for (const row of [...rows].reverse()) {
    if (!hasWords(row)) continue
    const regex = new RegExp(rowPattern(row).pattern, 'm')
    if (!regex.test(before)) return regex
  }
  return undefined
}

/** The words at a place of the screen: what stands between wide gaps. */
export function textAt(reading: ScreenReading, x: number, y: number): string | undefined {
  const inside = (place: Area | undefined) =>
    place !== undefined && x >= place.x && x < place.x + place.width && y >= place.y && y < place.y + place.height
  const at = reading.places.findIndex(inside)
  if (at < 0) return undefined
  const { text } = reading
  const start = text.lastIndexOf('\n', at - 1) + 1
  const end = (text.indexOf('\n', at) + 1 || text.length + 1) - 1
  let from = start
  for (const part of text.slice(start, end).split(/( {2,}|[\u2190-\u21ff\u2500-\u25ff]+)/)) {
    if (at < from + part.length) return hasWords(part) ? part.trim() : undefined
    from += part.length
  }
  return undefined
}

/** A text as a pattern; times and dates stand for any. */
export function patternOf(text: string): string {
  return text
    .replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')
    .replace(/\d{1,2}:\d{2}(?::\d{2})?(?:(?:\\\.|,)\d+)?/g, '[\\d:.,]+')
    .replace(/\d{1,4}(?:(?:-|\\\/|\\\.)\d{1,2}){2}(?:\d{2})?/g, '[-/.\\d]+')
    .replace(/ {2,}/g, ' +')
}

function rowPattern(row: string): { pattern: string; toStart: boolean; toEnd: boolean } {
  const text = row.trim()
  if (!BOX.test(text) && text.length <= MAX_LENGTH)
    return {
      pattern: `${row.startsWith(' ') ? '' : '^'}${patternOf(text)}$`,
      toStart: !row.startsWith(' '),
      toEnd: true,
    }
  const parts = text.split(/(?: {2,}|[\u2190-\u21ff\u2500-\u25ff])+/).filter(hasWords)
  const longest = parts.reduce((best, part) => (part.length > best.length ? part : best), '')
  return { pattern: patternOf(longest.trim().slice(0, MAX_LENGTH)), toStart: false, toEnd: false }
}

function hasWords(text: string | undefined): boolean {
  return text !== undefined && /[\p{L}\p{N}>$#%:]/u.test(text)
}
