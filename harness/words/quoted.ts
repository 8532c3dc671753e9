/** Texts of unknown length in titles of one line. */

/** For titles: a text as it was typed or sent, cut where it is long. */
export function quoted(text: string): string {
  return shortened(JSON.stringify(text))
}

export function shortened(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}… (${text.length} characters)` : text
}
