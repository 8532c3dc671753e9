/**
 * Text that came from a guest or a file, for a terminal or a report in text. ESC and the C1 controls are commands of a
 * terminal (ECMA-48), and the bidirectional controls of Unicode (UAX #9) show a line in another order than it has:
 * both are shown as escapes, and nothing but line feeds and tabs is left of the controls.
 */

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is to be replaced
const UNPRINTABLE = /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]|\p{Cs}/gu
/** Those that JSON.stringify leaves as they are. */
const BARE = /[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g

export function printable(text: string): string {
  return text.replace(/\r\n/g, '\n').replace(UNPRINTABLE, (letter) => {
    const code = letter.charCodeAt(0)
    return code < 0x100 ? `\\x${hex(code, 2)}` : `\\u${hex(code, 4)}`
  })
}

/** The same in one line. */
export function printableLine(text: string): string {
  return printable(text.replace(/\s*[\r\n]+\s*/g, ' ')).trim()
}

/** JSON that a terminal shows as it is, and that says the same to a program. */
export function printableJson(value: unknown, space?: number): string {
  return (JSON.stringify(value, undefined, space) ?? 'null').replace(
    BARE,
    (letter) => `\\u${hex(letter.charCodeAt(0), 4)}`,
  )
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, '0')
}
