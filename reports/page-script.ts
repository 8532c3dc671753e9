/**
 * What the pages' scripts share. Files are in the page once, as base64 in script elements that the browser does not
 * run, and become pictures only when they are looked at: so a large report opens at once.
 */
import { type Html, html, raw } from './html.js'
import { Terminal } from './terminal.js'

export class EmbeddedFiles {
  private readonly ids = new Map<string, string>()

  /** An id for `file()` of the page's script; the same bytes are kept once. */
  add(data: string, type: string): string {
    const key = `${type} ${data}`
    let id = this.ids.get(key)
    if (id === undefined) {
      id = `file-${this.ids.size}`
      this.ids.set(key, id)
    }
    return id
  }

  render(): Html[] {
    return [...this.ids].map(([key, id]) => {
      const space = key.indexOf(' ')
      return html`<script type="application/base64" id="${id}" data-type="${key.slice(0, space)}">${raw(key.slice(space + 1))}</script>
`
    })
  }
}

/** JSON that cannot end the script element that it is in. */
export function scriptJson(value: unknown): Html {
  return raw(
    JSON.stringify(value)
      .replace(/</g, '\\u003c')
      .replace(/\u2028/g, '\\u2028')
      .replace(/\u2029/g, '\\u2029'),
  )
}

/** Some compilers wrap the names of functions in this. */
const KEEP_NAMES = 'const __name = (value) => value'

export const PAGE_SCRIPT = `
${KEEP_NAMES}
const Terminal = ${Terminal.toString()}
const $ = (selector, within = document) => within.querySelector(selector)
const $$ = (selector, within = document) => [...within.querySelectorAll(selector)]
const bytesOf = (id) => Uint8Array.from(atob(document.getElementById(id).textContent), (letter) => letter.charCodeAt(0))
const textOf = (id) => new TextDecoder().decode(bytesOf(id))
const urls = new Map()
function urlOf(id) {
  if (!urls.has(id)) urls.set(id, URL.createObjectURL(new Blob([bytesOf(id)], { type: document.getElementById(id).dataset.type })))
  return urls.get(id)
}
function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties)
  made.append(...children)
  return made
}
const COLOURS = ['#000000', '#aa0000', '#00aa00', '#aa5500', '#0000aa', '#aa00aa', '#00aaaa', '#aaaaaa', '#555555', '#ff5555', '#55ff55', '#ffff55', '#5555ff', '#ff55ff', '#55ffff', '#ffffff']
const colourOf = (value, fallback) => value === undefined ? fallback : typeof value === 'number' ? COLOURS[value] : value
function drawTerminal(terminal, into) {
  const lines = terminal.rows.map((row, y) => {
    const line = document.createElement('div')
    let run = ''
    let style = ''
    const flush = () => {
      if (run) {
        const span = element('span', { textContent: run })
        if (style) span.style.cssText = style
        line.append(span)
      }
      run = ''
    }
    row.forEach((cell, x) => {
      let front = colourOf(cell.bold && typeof cell.foreground === 'number' && cell.foreground < 8 ? cell.foreground + 8 : cell.foreground, '#d0d0d0')
      let back = colourOf(cell.background, '')
      const cursor = terminal.cursorVisible && x === terminal.x && y === terminal.y
      if (cell.reverse !== cursor) [front, back] = [back || '#000', front]
      const own = (front === '#d0d0d0' ? '' : 'color:' + front + ';') + (back ? 'background:' + back + ';' : '') + (cell.bold ? 'font-weight:700;' : '') + (cell.underline ? 'text-decoration:underline;' : '')
      if (own !== style) { flush(); style = own }
      run += cell.text
    })
    flush()
    return line
  })
  into.replaceChildren(...lines)
}
const clock = (seconds) => Math.floor(seconds / 60) + ':' + (seconds % 60).toFixed(1).padStart(4, '0')
`

export const TERMINAL_STYLE = `
.terminal { background: #000; color: #d0d0d0; border-radius: 6px; padding: 8px 10px; overflow: auto; font: 12.5px/1.25 var(--mono); white-space: pre; margin: 0; }
.terminal div { height: 1.25em; }
`
