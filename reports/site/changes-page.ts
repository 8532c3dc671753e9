/** What changed from run to run, the newest first, some runs a page; a run's commit is its anchor. */

import { type Html, html } from '../html.js'
import { changesSummary } from '../matrix/compare-matrix.js'
import { changeList, changesOf } from './compare-page.js'
import { minute, page } from './layout.js'
import type { SiteModel, SiteRun } from './site-model.js'

/** Runs on a page: more changes than these open slowly. */
const RUNS = 10

/** Pages by their files' names; the first is `changes.html`. */
export function changesPages(model: SiteModel): Map<string, string> {
  const pages = Math.max(1, Math.ceil(model.runs.length / RUNS))
  const name = (page: number) => (page === 0 ? 'changes.html' : `changes-${page + 1}.html`)
  return new Map(
    Array.from({ length: pages }, (_, i) => {
      const more = html`${i > 0 && html`<a rel="prev" href="${name(i - 1)}">Newer runs</a>`}${i + 1 < pages && html`<a rel="next" href="${name(i + 1)}">Older runs</a>`}`
      return [name(i), changesPage(model, i * RUNS, more)]
    }),
  )
}

function changesPage(model: SiteModel, first: number, more: Html): string {
  const pairs = model.runs
    .map((run, i) => ({ run, older: model.runs.slice(i + 1) }))
    .slice(first, first + RUNS)
    .map(({ run, older }) => [run, beforeOf(older, run)] as const)
  const body = html`<header><h1>Changes</h1><p class="lead">What each run found otherwise than the runs before it.</p></header>
<main id="main">
${pairs.map(([run, before]) => {
  const changes = before ? changesOf(before, run).filter(({ kind }) => kind !== 'not booted') : []
  const name = run.bootwright.commit?.replace(/\W+/g, '-') ?? run.id
  return html`<article id="${name}"><div class="head"><h2>${minute(run.date)}</h2></div><p class="figures">Bootwright ${run.bootwright.version}${run.bootwright.commit && ` (${run.bootwright.commit})`}, ${run.measurements.length} guests on ${run.hosts.join('; ')}</p><p>${before ? `${changesSummary(changes)}.` : 'The first run.'}</p>${changes.length > 0 && changeList(changes, './')}</article>\n`
})}
${more.text && html`<nav class="pages" aria-label="Runs">${more}</nav>`}
</main>`
  return page(model, { title: 'Changes: guest support', root: './', here: 'changes', scripts: ['site.js'], body })
}

/** What was known before a run of what it booted, whichever run measured it. */
function beforeOf(older: readonly SiteRun[], run: SiteRun): SiteRun | undefined {
  if (older.length === 0) return undefined
  const wanted = new Set(run.measurements.map(({ cell }) => [cell.guest, cell.engine, cell.device].join('|')))
  const measurements = []
  for (const other of older) {
    if (wanted.size === 0) break
    for (const one of other.measurements)
      if (wanted.delete([one.cell.guest, one.cell.engine, one.cell.device].join('|'))) measurements.push(one)
  }
  return { ...older[0], measurements }
}
