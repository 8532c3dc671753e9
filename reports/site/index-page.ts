/** The site's first page: a row a guest, a column an engine, with filters and sorting where scripts run. */
import { type Html, html } from '../html.js'
import { summary } from '../words.js'
import { bar, guestHref, minute, page, reached, shot } from './layout.js'
import { bestSight, latestOn, passed, type SiteGuest, type SiteModel } from './site-model.js'

/** With more engines thumbnails are smaller, so that a desk's width does. */
const ROOMY = 3

export function indexPage(model: SiteModel): string {
  const { run } = model.matrix
  const tested = model.guests.filter(({ untested }) => untested === undefined)
  const others = model.guests.filter(({ untested }) => untested !== undefined)
  const body = html`<header>
<h1>Guest support matrix</h1>
<p class="lead">${summary({ ...model.matrix, cells: model.matrix.cells.filter(({ status }) => status !== 'skipped') })}${
    others.length > 0 && `, ${others.length} not measured`
  }.</p>
<ul class="facts">
<li>Last measured <b><time datetime="${run.date}">${minute(run.date)}</time></b></li>
<li>Bootwright <b>${run.bootwright.version}</b>${run.bootwright.commit && ` (${run.bootwright.commit})`}</li>
<li>Host <b>${run.host.os}</b>, ${run.host.cpu}</li>
<li><b>${model.runs.length}</b> ${model.runs.length === 1 ? 'run' : 'runs'}</li>
</ul>
</header>
<main id="main">
<form class="filters" role="search" hidden>
<input type="search" name="text" placeholder="Filter guests" aria-label="Filter guests" autocomplete="off">
<select name="family" aria-label="Family"><option value="">All families</option>${model.families.map((family) => html`<option>${family}</option>`)}</select>
<select name="sort" aria-label="Sort by"><option value="">As measured</option><option value="title">By name</option><option value="family">By family</option><option value="state">By state</option><option value="date">By date</option></select>
<span class="buttons">${(['passed', 'failed', 'regressed', 'skipped'] as const).map(
    (state) =>
      html`<button type="button" data-state="${state}" aria-pressed="false">${{ passed: 'Works', failed: 'Broken', regressed: 'Regressed', skipped: 'Not measured' }[state]}</button>`,
  )}</span>
<p class="count" role="status"></p>
</form>
<div class="scroll" role="region" aria-label="Matrix" tabindex="0">
<table class="matrix site${model.engines.length > ROOMY && ' many'}" style="--engines:${model.engines.length}">
<thead><tr><th scope="col" class="thumb"><span class="hide">Screen</span></th><th scope="col">Guest</th><th scope="col" class="family">Family</th>${model.engines.map((engine) => html`<th scope="col">${engine}</th>`)}</tr></thead>
<tbody>
${tested.map((guest) => testedRow(model, guest))}${others.map((guest) => untestedRow(model, guest))}</tbody>
</table>
</div>
</main>`
  return page(model, { title: 'Guest support matrix', root: './', here: 'matrix', scripts: ['site.js'], body })
}

function testedRow(model: SiteModel, guest: SiteGuest): Html {
  const { row, latest, regressed } = guest
  const failed = latest.some(({ cell }) => cell.status === 'failed')
  const newest = latest
    .map(({ cell }) => cell.measured)
    .sort()
    .at(-1)
  const share = Math.max(...latest.map(({ cell }) => passed(cell) / Math.max(1, cell.levels.length)))
  const states = [failed ? 'failed' : 'passed', regressed.length > 0 && 'regressed'].filter(Boolean).join(' ')
  // On a phone, which has no heads of columns, each says whose it is.
  const named = (engine: string) => model.engines.length > 1 && html` data-engine="${engine}"`
  return html`<tr data-state="${states}" data-family="${row.family}" data-date="${newest}" data-share="${share.toFixed(3)}" data-search="${searchWords(guest)}"><td class="thumb">${thumbnail(guest)}</td><th scope="row"><a href="${guestHref('./', row.name)}">${row.title}</a></th><td class="family">${row.family}</td>${model.engines.map(
    (engine) => {
      const found = latestOn(guest, engine)
      if (!found) return html`<td class="none"${named(engine)}>not run</td>`
      const worse = regressed.some((one) => one.engine === engine)
      return html`<td class="cell"${named(engine)}><a class="${found.cell.status}" href="${guestHref('./', row.name)}#${engine}">${reached(found.cell, worse)}</a></td>`
    },
  )}</tr>
`
}

function thumbnail(guest: SiteGuest): Html | undefined {
  const { title, picture, lines } = bestSight(guest) ?? {}
  const words = `${guest.row.title}: ${title}`
  if (picture) return shot('./', picture, words)
  return (
    lines &&
    html`<a class="serial" href="${guestHref('./', guest.row.name)}" aria-label="${words}, on its serial line"><pre>${lines.join('\n')}</pre></a>`
  )
}

function untestedRow(model: SiteModel, guest: SiteGuest): Html {
  const { row } = guest
  return html`<tr class="untested" data-state="skipped" data-family="${row.family}" data-date="" data-share="-1" data-search="${searchWords(guest)}"><td class="thumb"></td><th scope="row"><a href="${guestHref('./', row.name)}">${row.title}</a></th><td class="family">${row.family}</td><td class="none" colspan="${model.engines.length}">${wants(guest)}${bar([])}</td></tr>
`
}

/** `not measured, wants alpine-virt-*.iso (…)`, or why else. */
export function wants({ row: { media }, untested = '' }: SiteGuest): string {
  const takesLong = /'bootwright matrix \S+' boots it\.$/.test(untested)
  return takesLong || media.length === 0 ? `not measured: ${untested}` : `not measured, wants ${media.join('; ')}`
}

function searchWords({ row }: SiteGuest): string {
  return [row.name, row.title, row.family, row.licence].join(' ').toLowerCase()
}
