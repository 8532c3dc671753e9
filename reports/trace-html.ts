/**
 * A trace as one HTML file: a time line of guest time, the events as a list, and beside it the screen and the serial
 * console as they were at the chosen event. Arrow keys go from event to event.
 */
import { stripVTControlCharacters } from 'node:util'
import { html, pageHead, raw } from './html.js'
import { EmbeddedFiles, scriptJson } from './page-data.js'
import { pageScript, pageStyle } from './page-files.js'
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
  const head = pageHead(`Trace: ${trace.title}`, html`<style>${raw(pageStyle('terminal.css', 'trace.css'))}</style>`)
  const page = html`${head}<body>
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
${files.render()}<script>${raw(pageScript('trace.js'))}</script>
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
