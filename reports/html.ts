/** HTML by template literals that escape what is put into them. */

/** Text that is HTML already. */
export class Html {
  constructor(readonly text: string) {}
  toString(): string {
    return this.text
  }
}

type Piece = Html | string | number | undefined | false | readonly Piece[]

const ENTITIES: { readonly [char: string]: string } = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}
// The controls that HTML forbids come from guests' serial lines, and those that turn the text around from anywhere.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is to be removed
const FORBIDDEN = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]|\p{Cs}/gu

/** A template literal's text as HTML; strings in it are escaped, lists joined, undefined and false left out. */
export function html(strings: TemplateStringsArray, ...pieces: Piece[]): Html {
  let text = strings[0]
  pieces.forEach((piece, i) => {
    text += render(piece) + strings[i + 1]
  })
  return new Html(text)
}

function render(piece: Piece): string {
  if (piece === undefined || piece === false) return ''
  if (piece instanceof Html) return piece.text
  if (typeof piece === 'object') return piece.map(render).join('')
  return String(piece)
    .replace(FORBIDDEN, '�')
    .replace(/[&<>"']/g, (char) => ENTITIES[char])
}

/** Text that goes into the page as it stands. */
export function raw(text: string): Html {
  return new Html(text)
}

/** How every page begins, up to its body. @param more Of its head: styles and the like. */
export function pageHead(title: string, more: Html): Html {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
${more}
</head>
`
}
