/** What changed from run to run, the newest first; a run's commit is its anchor. */

import { html } from '../html.js'
import { changesSummary } from '../matrix/compare-matrix.js'
import { changeList, changesOf } from './compare-page.js'
import { minute, page } from './layout.js'
import type { SiteModel, SiteRun } from './site-model.js'

export function changesPage(model: SiteModel): string {
  const pairs = model.runs.map((run, i) => [run, beforeOf(model.runs.slice(i + 1), run)] as const)
  const body = html`<header><h1>Changes</h1><p class="lead">What each run found otherwise than the runs before it.</p></header>
<main id="main">
${pairs.map(([run, before]) => {
  const changes = before ? changesOf(before, run).filter(({ kind }) => kind !== 'not booted') : []
  const name = run.bootwright.commit?.replace(/\W+/g, '-') ?? run.id
  return html`<article id="${name}"><div class="head"><h2>${minute(run.date)}</h2></div><p class="figures">Bootwright ${run.bootwright.version}${run.bootwright.commit && ` (${run.bootwright.commit})`}, ${run.measurements.length} guests on ${run.hosts.join('; ')}</p><p>${before ? `${changesSummary(changes)}.` : 'The first run.'}</p>${changes.length > 0 && changeList(changes, './')}</article>\n`
})}
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
