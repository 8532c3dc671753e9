// What the scripts of all pages share. The class Terminal (terminal.ts) stands before it.
const $ = (selector, within = document) => within.querySelector(selector)
const $$ = (selector, within = document) => [...within.querySelectorAll(selector)]
const bytesOf = (id) => Uint8Array.from(atob(document.getElementById(id).textContent), (letter) => letter.charCodeAt(0))
const textOf = (id) => new TextDecoder().decode(bytesOf(id))
const urls = new Map()
function urlOf(id) {
  if (!urls.has(id))
    urls.set(id, URL.createObjectURL(new Blob([bytesOf(id)], { type: document.getElementById(id).dataset.type })))
  return urls.get(id)
}
function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties)
  made.append(...children)
  return made
}
const COLOURS = [
  '#000000',
  '#aa0000',
  '#00aa00',
  '#aa5500',
  '#0000aa',
  '#aa00aa',
  '#00aaaa',
  '#aaaaaa',
  '#555555',
  '#ff5555',
  '#55ff55',
  '#ffff55',
  '#5555ff',
  '#ff55ff',
  '#55ffff',
  '#ffffff',
]
const colourOf = (value, fallback) =>
  value === undefined ? fallback : typeof value === 'number' ? COLOURS[value] : value
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
      let front = colourOf(
        cell.bold && typeof cell.foreground === 'number' && cell.foreground < 8 ? cell.foreground + 8 : cell.foreground,
        '#d0d0d0',
      )
      let back = colourOf(cell.background, '')
      const cursor = terminal.cursorVisible && x === terminal.x && y === terminal.y
      if (cell.reverse !== cursor) [front, back] = [back || '#000', front]
      const own =
        (front === '#d0d0d0' ? '' : `color:${front};`) +
        (back ? `background:${back};` : '') +
        (cell.bold ? 'font-weight:700;' : '') +
        (cell.underline ? 'text-decoration:underline;' : '')
      if (own !== style) {
        flush()
        style = own
      }
      run += cell.text
    })
    flush()
    return line
  })
  into.replaceChildren(...lines)
}
const clock = (seconds) => `${Math.floor(seconds / 60)}:${(seconds % 60).toFixed(1).padStart(4, '0')}`
