/**
 * The matrix as one HTML file: a table on top, below it the evidence of every cell with its screenshots embedded.
 * Readable without scripts; the script only enlarges a screenshot.
 */
import { type Html, html, pageHead, raw } from '../html.js'
import { pageStyle, plainScript } from '../page-files.js'
import { accessName, count, duration, figuresOf, guestTime, progress, summary } from '../words.js'
import {
  type Cell,
  cellId,
  cellIn,
  columnsOf,
  type GuestRow,
  type LevelResult,
  type MatrixResult,
  measuredFirst,
  type Screenshot,
  type Status,
} from './matrix-result.js'

/** How often a page of guests that run loads itself anew, s. */
const RELOAD = 5
const MARKS = { passed: '✓', failed: '✕', skipped: '–' }

/** A guest that is being booted. */
export interface RunningGuest {
  title: string
  /** Where, and what is waited for. */
  words: string
  /** The last picture that was taken of it. */
  screenshot?: Screenshot
}

/** Screenshots need their `png`; those that have only a path are referred to. A page of guests that run loads itself anew. */
export function renderMatrixHtml(result: MatrixResult, running: readonly RunningGuest[] = []): string {
  const columns = columnsOf(result)
  const { run } = result
  const guests = measuredFirst(result)
  const reload = running.length > 0 && html`<meta http-equiv="refresh" content="${RELOAD}">`
  const styles = html`${reload}<style>${raw(pageStyle('matrix.css'))}</style>`
  const head = pageHead(`Guest support matrix, ${run.date.slice(0, 10)}`, styles)
  const page = html`${head}<body>
<a class="skip" href="#evidence">Skip to the evidence</a>
<header id="top">
<h1>Guest support matrix</h1>
<p class="lead">${summary(result)}.</p>
<ul class="facts">
<li>Measured <b><time datetime="${run.date}">${run.date.slice(0, 16).replace('T', ' ')} UTC</time></b> in ${duration(run.durationMs)}</li>
<li>Bootwright <b>${run.bootwright.version}</b>${run.bootwright.commit && html` (${run.bootwright.commit})`}</li>
<li>Host <b>${run.host.os}</b>, ${run.host.cpu}, ${run.host.cores} ${run.host.cores === 1 ? 'core' : 'cores'}, Node ${run.host.node}</li>
${run.firmware && html`<li>Firmware <b>${run.firmware}</b></li>`}
</ul>
</header>
<main>
${running.length > 0 && runningSection(running)}<div class="scroll" role="region" aria-label="Matrix" tabindex="0">
<table class="matrix">
<thead><tr><th scope="col">Guest</th><th scope="col" class="family">Family</th>${columns.map((column) => html`<th scope="col">${column.title}</th>`)}</tr></thead>
<tbody>
${guests.map(
  (guest) => html`<tr><th scope="row">${guest.title}</th><td class="family">${guest.family}</td>${columns.map(
    (column) => tableCell(cellIn(result, guest.name, column)),
  )}</tr>
`,
)}</tbody>
</table>
</div>
<div id="evidence">
${guests.map((guest) => guestSection(result, guest))}</div>
</main>
<footer>Written by Bootwright ${run.bootwright.version}. Guest time is the virtual machine’s own; host time is what a reader’s clock would have shown.</footer>
<dialog id="viewer" aria-label="Screenshot"><img alt=""><div><p></p><form method="dialog"><button>Close</button></form></div></dialog>
<script>${raw(plainScript('matrix.js'))}</script>
</body>
</html>
`
  return page.text
}

function runningSection(running: readonly RunningGuest[]): Html {
  return html`<section class="running" aria-labelledby="running">
<h2 id="running">Running now</h2>
<ul>${running.map(
    ({ title, words, screenshot }) =>
      html`<li>${screenshot?.png && html`<img alt="" src="data:image/png;base64,${screenshot.png}">`}<b>${title}</b> ${words}</li>\n`,
  )}</ul>
</section>
`
}

function tableCell(cell: Cell | undefined): Html {
  if (!cell) return html`<td class="none">not run</td>`
  const reached = cell.status === 'skipped' ? 'skipped' : (cell.level ?? 'nothing')
  return html`<td class="cell"><a class="${cell.status}" href="#${cellId(cell)}">${mark(cell.status)}<span class="reached">${reached}</span>${
    cell.status !== 'skipped' &&
    html`<span class="bar" aria-hidden="true">${cell.levels.map((level) => html`<i class="${level.status}"></i>`)}</span><span class="fraction">${progress(cell)}</span>`
  }</a></td>`
}

function mark(status: Status): Html {
  return html`<span class="mark ${status}" role="img" aria-label="${status}">${MARKS[status]}</span>`
}

function guestSection(result: MatrixResult, guest: GuestRow): Html {
  const cells = columnsOf(result).flatMap((column) => {
    const cell = cellIn(result, guest.name, column)
    return cell ? [{ cell, column: column.title }] : []
  })
  return html`<section class="guest" aria-labelledby="guest-${guest.name}">
<div class="head"><h2 id="guest-${guest.name}">${guest.title}</h2><a class="up" href="#top">Back to the table</a></div>
<p class="about">${guest.family}, ${guest.licence}. Media: ${guest.media.join('; ')}.</p>
${cells.map(({ cell, column }) => evidence(cell, column, guest))}
</section>
`
}

function evidence(cell: Cell, column: string, guest: GuestRow): Html {
  const last = cell.levels.findLast((level) => level.evidence)?.evidence
  const figures = [...(cell.measured ? [`measured ${cell.measured.slice(0, 10)}`] : []), ...figuresOf(cell)]
  return html`<article id="${cellId(cell)}" class="${cell.status}" aria-label="${guest.title} on ${column}">
<div class="head">${mark(cell.status)}<h3>${column}: ${headline(cell)}</h3></div>
${figures.length > 0 && html`<p class="figures">${figures.join(' · ')}</p>`}
${cell.engine === 'auto' && cell.engineReason && html`<p class="figures">${cell.engineReason}</p>`}
${cell.reason && html`<p class="reason">${cell.reason}</p>`}
${cell.status !== 'skipped' && html`<ol class="levels">${cell.levels.map((level) => levelCard(level, guest))}</ol>`}
${last?.text && fold('Last screen as text', html`<pre tabindex="0">${last.text}</pre>`)}
${last?.serial && fold('Last serial lines', html`<pre tabindex="0">${last.serial}</pre>`)}
${cell.registers && fold('Registers', html`<pre tabindex="0">${cell.registers}</pre>`)}
${cell.unhandled?.length ? fold(`Accesses to what the machine does not have (${cell.unhandled.length})`, accesses(cell.unhandled)) : undefined}
${cell.warnings?.length ? fold(`Warnings of the machine’s devices (${cell.warnings.length})`, warnings(cell.warnings)) : undefined}
</article>
`
}

function headline(cell: Cell): string {
  if (cell.status === 'skipped') return 'skipped'
  if (cell.status === 'passed') return `reached ${cell.level}, its top level`
  return cell.level ? `reached ${cell.level}, ${progress(cell)}` : 'reached no level'
}

function levelCard(level: LevelResult, guest: GuestRow): Html {
  const shot = level.evidence?.screenshot
  const small = [
    level.guestTimeNs !== undefined && `${guestTime(level.guestTimeNs)} guest`,
    level.hostTimeMs !== undefined && `${duration(level.hostTimeMs)} host`,
    shot?.mode,
  ].filter(Boolean)
  return html`<li class="${level.status}">${
    shot
      ? picture(shot, `${guest.title}, ${level.name}: ${level.title}`)
      : html`<div class="noshot">no screenshot</div>`
  }<div class="caption ${level.status}">${mark(level.status)}<div><b>${level.name}</b><p>${level.title}</p>${
    level.reason && html`<p>${level.reason}</p>`
  }${small.length > 0 && html`<p class="small">${small.join(' · ')}</p>`}</div></div></li>`
}

function picture(shot: Screenshot, alt: string): Html {
  const source = shot.png === undefined ? encodeURI(shot.path ?? '') : `data:image/png;base64,${shot.png}`
  return html`<button type="button" class="shot" aria-haspopup="dialog"><img src="${source}" width="${shot.width}" height="${shot.height}" alt="${alt}"></button>`
}

function fold(title: string, content: Html): Html {
  return html`<details><summary>${title}</summary>${content}</details>`
}

export function warnings(list: NonNullable<Cell['warnings']>): Html {
  return html`<table class="accesses"><thead><tr><th scope="col">What</th><th scope="col">Last at</th><th scope="col" class="n">Times</th></tr></thead><tbody>${list.map(
    ({ text, address, count: times }) =>
      html`<tr><td>${text}</td><td>${address !== undefined && html`<code>0x${address.toString(16)}</code>`}</td><td class="n">${count(times)}</td></tr>`,
  )}</tbody></table>`
}

export function accesses(list: NonNullable<Cell['unhandled']>): Html {
  return html`<table class="accesses"><thead><tr><th scope="col">Where</th><th scope="col">What</th><th scope="col" class="n">Reads</th><th scope="col" class="n">Writes</th></tr></thead><tbody>${list.map(
    (access) =>
      html`<tr><td><code>${accessName(access)}</code></td><td>${access.name}</td><td class="n">${count(access.reads)}</td><td class="n">${count(access.writes)}</td></tr>`,
  )}</tbody></table>`
}
