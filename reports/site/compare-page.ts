/** Two runs side by side. Without scripts it shows the last two; with them any two can be chosen. */

import { type Html, html } from '../html.js'
import { type Change, changesSummary, compareMatrix } from '../matrix/compare-matrix.js'
import type { Cell } from '../matrix/matrix-result.js'
import { scriptJson } from '../page-data.js'
import { guestHref, minute, page, shot } from './layout.js'
import type { SiteModel, SiteRun } from './site-model.js'

export function comparePage(model: SiteModel): string {
  const [now, before] = model.runs
  const options = (chosen: SiteRun | undefined) =>
    model.runs.map(
      (run) =>
        html`<option value="${run.id}"${run === chosen && html` selected`}>${minute(run.date)}${run.bootwright.commit && `, ${run.bootwright.commit}`}, ${run.measurements.length} ${run.measurements.length === 1 ? 'guest' : 'guests'}</option>`,
    )
  const body = html`<header><h1>Compare runs</h1></header>
<main id="main">
<form class="filters compare" hidden>
<label>Before <select name="before">${options(before)}</select></label>
<label>After <select name="after">${options(now)}</select></label>
</form>
<div id="result" aria-live="polite">
${
  now && before
    ? html`<p class="lead">${minute(before.date)} and ${minute(now.date)}: ${changesSummary(changesOf(before, now))}.</p>${changeList(changesOf(before, now), './')}`
    : html`<p class="lead">There is one run, or none: nothing to compare yet.</p>`
}
</div>
</main>`
  return page(model, {
    title: 'Compare runs: guest support',
    root: './',
    here: 'compare',
    scripts: ['site.js', 'compare.js'],
    body,
  })
}

export function changesOf(before: SiteRun, now: SiteRun): Change[] {
  return compareMatrix(before.measurements, now.measurements)
}

export function changeList(changes: readonly Change[], root: string): Html {
  return html`<ul class="changes">${changes.map(
    (change) =>
      html`<li class="${change.kind === 'regressed' ? 'failed' : change.kind === 'improved' ? 'passed' : 'skipped'}"><p><span class="chip ${change.kind.replace(' ', '-')}">${change.kind}</span> <a href="${guestHref(root, change.guest)}">${change.title}</a> on ${change.engine}: ${change.words}</p>${
        change.kind === 'regressed' &&
        html`<div class="pair">${side('before', change.before, change.level, root)}${side('after', change.after, change.level, root)}</div>`
      }</li>\n`,
  )}</ul>`
}

function side(words: string, cell: Cell | undefined, level: string | undefined, root: string): Html {
  const found = shotOf(cell, level)
  return html`<figure><figcaption>${words}</figcaption>${found ? shot(root, found, `${words}, ${level}`) : html`<span class="noshot">no screen</span>`}</figure>`
}

/** Of the level, or of the last one before it that has a picture. */
function shotOf(cell: Cell | undefined, name: string | undefined) {
  const end = cell?.levels.findIndex((level) => level.name === name) ?? -1
  const level = cell?.levels.slice(0, end + 1).findLast((one) => one.evidence?.screenshot?.path)
  const picture = level?.evidence?.screenshot
  return picture?.path ? { ...picture, path: picture.path } : undefined
}

/** What `compare.js` reads of a run, as a script, since pages that are opened as files may fetch nothing. */
export function runScript({ id, measurements }: SiteRun): string {
  const cells = measurements.map(({ guest, cell }) => ({
    key: [cell.guest, cell.engine, cell.device].join('|'),
    guest: cell.guest,
    title: guest.title,
    engine: cell.engine,
    levels: cell.levels.map((level) => [
      level.name,
      { passed: 1, failed: 0, skipped: -1 }[level.status],
      level.evidence?.screenshot?.path ?? '',
      level.status === 'failed' ? (level.reason ?? '') : '',
    ]),
  }))
  return `run(${scriptJson({ id, cells }).text})\n`
}
