/** A guest's page: on each engine its screens as a film strip, its levels, what it touched, and all that it did before. */
import { type Html, html } from '../html.js'
import { accesses, warnings } from '../matrix/matrix-html.js'
import { type LevelResult, SCREEN_OFF, standingOf } from '../matrix/matrix-result.js'
import type { Measurement } from '../matrix/measurement.js'
import { duration, figuresOf, guestTime } from '../words.js'
import { wants } from './index-page.js'
import { mark, minute, page, reached, shot } from './layout.js'
import { latestOn, type SiteGuest, type SiteModel } from './site-model.js'

const ROOT = '../'

export function guestPage(model: SiteModel, guest: SiteGuest): string {
  const { row, history, regressed } = guest
  const engines = model.engines.flatMap((engine) => latestOn(guest, engine) ?? [])
  const body = html`<header>
<h1>${row.title}</h1>
<p class="lead">${row.family}, ${row.licence}. Media: ${row.media.join('; ') || 'none'}.</p>
<p><img class="badge" src="${ROOT}badges/${row.name}.svg" alt="${row.title}: badge"></p>
</header>
<main id="main">
${engines.length === 0 && html`<article class="skipped"><div class="head">${mark('skipped')}<h2>Not measured</h2></div><p class="reason">${wants(guest)}</p><p>Its levels: ${row.levels.join(', ')}.</p></article>`}
${regressed.map((change) => html`<p class="reason">Regressed on ${change.engine}: ${change.words}</p>`)}
${engines.map(engineSection)}
${history.length > 0 && historyTable(history)}
</main>`
  return page(model, { title: `${row.title}: guest support`, root: ROOT, scripts: ['site.js'], body })
}

function engineSection({ cell, run, device, engine }: Measurement): Html {
  const last = cell.levels.findLast((level) => level.evidence)?.evidence
  const figures = figuresOf(cell)
  const { host, bootwright, firmware } = run
  return html`<article id="${engine.id}" class="${cell.status}">
<div class="head">${mark(cell.status)}<h2>${engine.title}: ${cell.level ? `reached ${cell.level}` : 'reached no level'}</h2></div>
<p class="figures">${minute(cell.measured)} on ${host.os}, ${host.cpu}; Bootwright ${bootwright.version}${bootwright.commit && ` (${bootwright.commit})`}${firmware && `, ${firmware}`}; ${device.title}</p>
${figures.length > 0 && html`<p class="figures">${figures.join(' · ')}</p>`}
${cell.reason && html`<p class="reason">${cell.reason}</p>`}
<ol class="film">${cell.levels.map(frame)}</ol>
<div class="scroll"><table class="plain levels-table"><thead><tr><th scope="col">Level</th><th scope="col">Shown by</th><th scope="col">State</th><th scope="col" class="n">Guest time</th><th scope="col" class="n">Host time</th></tr></thead><tbody>${cell.levels.map(levelRow)}</tbody></table></div>
${cell.command && html`<p class="command">Repeat it: <code>${cell.command}</code></p>`}
${last?.text && fold('Last screen as text', html`<pre tabindex="0">${last.text}</pre>`)}
${last?.serial && fold('Serial log', html`<pre tabindex="0">${last.serial}</pre>`)}
${cell.registers && fold('Registers', html`<pre tabindex="0">${cell.registers}</pre>`)}
${cell.unhandled?.length ? fold(`Unassigned ports, memory and MSRs (${cell.unhandled.length})`, accesses(cell.unhandled)) : undefined}
${cell.warnings?.length ? fold(`Warnings of the machine’s devices (${cell.warnings.length})`, warnings(cell.warnings)) : undefined}
${cell.media?.length ? fold(`Media by hash (${cell.media.length})`, mediaTable(cell.media)) : undefined}
</article>`
}

function frame(level: LevelResult): Html {
  const picture = level.evidence?.screenshot
  return html`<li class="${level.status}">${
    picture?.mode === SCREEN_OFF
      ? html`<span class="noshot">${SCREEN_OFF}</span>`
      : picture?.path
        ? shot(ROOT, { ...picture, path: picture.path }, `${level.name}: ${level.title}`)
        : html`<span class="noshot">no screen</span>`
  }<b>${level.name}</b> ${standingOf(level)}</li>`
}

function levelRow(level: LevelResult): Html {
  return html`<tr><th scope="row">${level.name}</th><td>${level.title}</td><td>${mark(level.status, standingOf(level))} ${standingOf(level)}${level.note !== undefined && `: ${level.note}`}${level.reason !== undefined && `: ${level.reason}`}</td><td class="n">${level.guestTimeNs !== undefined && guestTime(level.guestTimeNs)}</td><td class="n">${level.hostTimeMs !== undefined && duration(level.hostTimeMs)}</td></tr>`
}

function historyTable(history: readonly Measurement[]): Html {
  return html`<article><div class="head"><h2>History</h2></div><div class="scroll"><table class="plain"><thead><tr><th scope="col">Date</th><th scope="col">Engine</th><th scope="col">Reached</th><th scope="col">Commit</th><th scope="col">Host</th><th scope="col">Screen</th></tr></thead><tbody>${history.map(
    ({ cell, run }) => {
      const picture = cell.levels.findLast((level) => level.evidence?.screenshot?.path)?.evidence?.screenshot?.path
      return html`<tr><td>${minute(cell.measured)}</td><td>${cell.engine}</td><td><span class="state">${reached(cell, false)}</span></td><td>${run.bootwright.commit ?? run.bootwright.version}</td><td>${run.host.cpu}</td><td>${picture !== undefined && html`<a class="shot text" href="${ROOT}${encodeURI(picture)}">screen</a>`}</td></tr>\n`
    },
  )}</tbody></table></div></article>`
}

function mediaTable(media: NonNullable<Measurement['cell']['media']>): Html {
  return html`<table class="plain"><thead><tr><th scope="col">What</th><th scope="col">File</th><th scope="col">SHA-256</th></tr></thead><tbody>${media.map(
    ({ what, name, sha256 }) => html`<tr><td>${what}</td><td>${name}</td><td><code>${sha256}</code></td></tr>`,
  )}</tbody></table>`
}

function fold(title: string, content: Html): Html {
  return html`<details><summary>${title}</summary>${content}</details>`
}
