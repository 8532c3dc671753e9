/**
 * A trace as one HTML file: a time line of guest time, the events as a list, and beside it the screen and the serial
 * console as they were at the chosen event. Arrow keys go from event to event.
 */
import { stripVTControlCharacters } from 'node:util'
import { html, raw } from './html.js'
import { EmbeddedFiles, PAGE_SCRIPT, scriptJson, TERMINAL_STYLE } from './page-script.js'
import { PAGE_STYLE } from './page-style.js'
import type { Trace, TraceEvent } from './trace.js'
import { duration, guestTime } from './words.js'

export function renderTraceHtml(trace: Trace): string {
  const files = new EmbeddedFiles()
  const screens: { [hash: string]: { file: string; width: number; height: number } } = {}
  for (const [hash, { png, width, height }] of Object.entries(trace.screens))
    screens[hash] = { file: files.add(png, 'image/png'), width, height }
  const { events } = trace
  const end = Math.max(0, ...events.map(endOf))
  const hostMs = Math.max(0, ...events.map((event) => (event.kind === 'condition' ? event.untilHostMs : event.hostMs)))
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Trace: ${trace.title}</title>
<style>${raw(TRACE_STYLE)}</style>
</head>
<body>
<a class="skip" href="#events">Skip to the events</a>
<header>
<h1>${trace.title}</h1>
<ul class="facts">
${trace.status && html`<li><b>${trace.status}</b></li>`}
<li><time datetime="${trace.date}">${trace.date.slice(0, 16).replace('T', ' ')} UTC</time></li>
<li>Engine <b>${trace.engine}</b></li>
<li>Guest time <b>${guestTime(end)}</b>, host time <b>${duration(hostMs)}</b></li>
<li><b>${events.length}</b> events, <b>${Object.keys(screens).length}</b> screens</li>
</ul>
</header>
<main>
<div class="line"><div class="track" aria-hidden="true">${events.map((event, i) => tick(event, i, end))}<i class="now"></i></div>
<input type="range" min="0" max="${Math.max(0, events.length - 1)}" value="0" aria-label="event"></div>
<div class="panes">
<ol class="events" id="events" tabindex="0" role="listbox" aria-label="Events">
${events.map(
  (
    event,
    i,
  ) => html`<li role="option" id="event-${i}" class="${event.kind} ${event.kind === 'condition' && event.outcome}" data-index="${i}"><span class="at">${guestTime(event.guestTimeNs)}</span><span class="what">${describe(event)}</span></li>
`,
)}</ol>
<section class="view" aria-label="The machine at this event">
<p class="moment" role="status"></p>
<p class="reason" hidden></p>
<figure><img class="screen" alt="" hidden><figcaption class="noscreen">no screen yet</figcaption></figure>
<div class="consoles"></div>
</section>
</div>
</main>
<footer>Guest time is the virtual machine’s own; host time is what a reader’s clock would have shown.</footer>
<script type="application/json" id="trace">${scriptJson({ screens, events, isFailed: trace.status === 'failed' })}</script>
${files.render()}<script>${raw(TRACE_SCRIPT)}</script>
</body>
</html>
`
  return page.text
}

function endOf(event: TraceEvent): number {
  return event.kind === 'condition' ? event.untilGuestTimeNs : event.guestTimeNs
}

/** Each kind in a row of its own; a wait as long as it took. */
function tick(event: TraceEvent, i: number, end: number) {
  const place = (ns: number) => (end > 0 ? (100 * ns) / end : 0).toFixed(3)
  const width = event.kind === 'condition' ? place(event.untilGuestTimeNs - event.guestTimeNs) : '0'
  const outcome = event.kind === 'condition' ? event.outcome : ''
  return html`<i class="${event.kind} ${outcome}" data-index="${i}" style="left:min(${place(event.guestTimeNs)}%, 100% - 3px);width:max(3px,${width}%)"></i>`
}

function describe(event: TraceEvent): string {
  switch (event.kind) {
    case 'screen':
      return 'screen'
    case 'serial':
      return `COM${event.port + 1}: ${oneLine(event.text)}`
    case 'condition':
      return `${event.title}: ${event.outcome} after ${guestTime(event.untilGuestTimeNs - event.guestTimeNs)}`
    default:
      return event.title
  }
}

/** Without what only a terminal understands. */
function oneLine(text: string): string {
  const plain = stripVTControlCharacters(text).replace(/\s*\n\s*/g, ' ⏎ ')
  return plain.length > 60 ? `${plain.slice(0, 60)}…` : plain
}

const TRACE_STYLE = `${PAGE_STYLE}${TERMINAL_STYLE}
main, header, footer { max-width: 1500px; }
.line { position: sticky; top: 0; background: var(--page); padding: 8px 0; z-index: 1; }
.track { position: relative; height: 56px; background: var(--card); border: 1px solid var(--line); border-radius: 6px; overflow: hidden; cursor: pointer; }
.track i { position: absolute; height: 9px; border-radius: 2px; background: var(--soft); }
.track .screen { top: 3px; background: var(--link); } .track .input { top: 14px; background: #a05bd8; }
.track .condition { top: 25px; background: var(--passed); } .track .serial { top: 36px; } .track .exit { top: 45px; background: var(--failed); } .track .note { top: 45px; background: var(--soft); }
.track .timeout, .track .failed, .track .interrupted { background: var(--failed); }
.track .now { top: 0; bottom: 0; height: auto; width: 2px; background: #ff3ea5; border-radius: 0; }
.line input { width: 100%; margin: 6px 0 0; }
.panes { display: grid; grid-template-columns: minmax(260px, 2fr) 5fr; gap: 16px; align-items: start; }
.events { list-style: none; margin: 0; padding: 4px 0; background: var(--card); border: 1px solid var(--line); border-radius: var(--radius); max-height: calc(100vh - 130px); overflow: auto; }
.events li { display: flex; gap: 10px; padding: 3px 12px; cursor: pointer; border-left: 3px solid transparent; }
.events li:hover { background: var(--shade); }
.events li[aria-selected=true] { background: var(--shade); border-left-color: var(--link); }
.events .at { flex: none; width: 5rem; text-align: right; color: var(--soft); font-size: .8125rem; font-variant-numeric: tabular-nums; line-height: 1.45rem; }
.events .what { min-width: 0; overflow-wrap: anywhere; }
.events .timeout .what, .events .failed .what, .events .exit .what { color: var(--failed); }
.events .note { margin-top: 4px; border-top: 1px solid var(--line); } .events .note .what { font-weight: 600; }
.events .serial .what { font-family: var(--mono); font-size: .8125rem; }
.view { min-width: 0; }
.view figure { margin: 0 0 12px; }
.view img { display: block; max-width: 100%; height: auto; background: #000; border: 1px solid var(--line); }
.moment { margin: 0 0 8px; font-variant-numeric: tabular-nums; }
.view h2 { font-size: .9375rem; margin: 12px 0 6px; }
[hidden] { display: none !important; }
@media (max-width: 760px) {
  main, header, footer { padding-left: 12px; padding-right: 12px; }
  .panes { grid-template-columns: minmax(0, 1fr); }
  .view { order: -1; }
  .events { max-height: 50vh; }
  .terminal { max-height: 40vh; }
}
`

const TRACE_SCRIPT = `${PAGE_SCRIPT}
const { screens, events, isFailed } = JSON.parse($('#trace').textContent)
const list = $('#events')
const range = $('.line input')
const options = $$('li', list)
const end = Math.max(1, ...events.map((event) => event.untilGuestTimeNs ?? event.guestTimeNs))
const words = (ns) => (ns / 1e9).toFixed(3) + ' s'
let chosen = -1
function choose(index) {
  if (events.length === 0) return
  index = Math.max(0, Math.min(events.length - 1, index))
  if (index === chosen) return
  options[chosen]?.removeAttribute('aria-selected')
  chosen = index
  const event = events[index]
  options[index].setAttribute('aria-selected', 'true')
  list.setAttribute('aria-activedescendant', 'event-' + index)
  const { top, bottom } = options[index].getBoundingClientRect()
  const box = list.getBoundingClientRect()
  if (top < box.top) list.scrollTop -= box.top - top + 4
  if (bottom > box.bottom) list.scrollTop += bottom - box.bottom + 4
  range.value = index
  range.setAttribute('aria-valuetext', options[index].textContent)
  // A wait is shown as it ended.
  const at = event.untilGuestTimeNs ?? event.guestTimeNs
  $('.now').style.left = 'min(' + (100 * at) / end + '%, 100% - 2px)'
  $('.moment').textContent = 'Event ' + (index + 1) + ' of ' + events.length + ', guest ' + words(at) + ', host ' + ((event.untilHostMs ?? event.hostMs) / 1000).toFixed(3) + ' s'
  $('.reason').hidden = !event.error
  $('.reason').textContent = event.error ?? ''
  const past = events.filter((other, i) => i <= index || (event.kind === 'condition' && (other.untilGuestTimeNs ?? other.guestTimeNs) <= at && other.kind !== 'condition'))
  showScreen(past.filter((other) => other.kind === 'screen').at(-1))
  showConsoles(past.filter((other) => other.kind === 'serial'))
}
function showScreen(event) {
  const image = $('img.screen')
  const screen = event && screens[event.screen]
  image.hidden = !screen
  $('.noscreen').hidden = Boolean(screen)
  if (!screen) return
  image.width = screen.width
  image.height = screen.height
  image.src = urlOf(screen.file)
  image.alt = event.text || 'the screen, ' + screen.width + '×' + screen.height
}
function showConsoles(serial) {
  const ports = [...new Set(serial.map((event) => event.port))].sort()
  $('.consoles').replaceChildren(...ports.flatMap((port) => {
    const terminal = new Terminal(80, 24)
    for (const event of serial) if (event.port === port) terminal.write(event.text.replace(/(?<!\\r)\\n/g, '\\r\\n'))
    const box = element('div', { className: 'terminal', tabIndex: 0, role: 'img', ariaLabel: 'COM' + (port + 1) })
    drawTerminal(terminal, box)
    return [element('h2', { textContent: 'COM' + (port + 1) }), box]
  }))
}
range.addEventListener('input', () => choose(Number(range.value)))
list.addEventListener('click', (event) => {
  const option = event.target.closest('li')
  if (option) choose(Number(option.dataset.index))
})
$('.track').addEventListener('click', (event) => {
  if (event.target.dataset.index) return choose(Number(event.target.dataset.index))
  const { left, width } = $('.track').getBoundingClientRect()
  const at = ((event.clientX - left) / width) * end
  choose(events.reduce((best, other, i) => Math.abs(other.guestTimeNs - at) < Math.abs(events[best].guestTimeNs - at) ? i : best, 0))
})
const STEPS = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity }
document.addEventListener('keydown', (event) => {
  if (event.target === range || event.ctrlKey || event.altKey || event.metaKey || !(event.key in STEPS)) return
  event.preventDefault()
  choose(chosen + STEPS[event.key])
})
// What went wrong is what a reader came for.
const FAILED = ['timeout', 'failed']
const failure = isFailed ? events.findLastIndex((event) => FAILED.includes(event.outcome) || event.kind === 'exit') : 0
choose(Math.max(0, failure))
`
