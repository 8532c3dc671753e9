/** The site: static files that open from a disk as from any web server, in a folder of their own. */
import { copyFileSync, existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import * as z from 'zod'
import { writeOutputFile } from '../../machine/host/output-file.js'
import { makeFolder } from '../make-folder.js'
import { type Badge, COLOURS, renderBadge } from '../matrix/badge.js'
import { renderMatrixJunit } from '../matrix/matrix-junit.js'
import { renderMatrixMarkdown } from '../matrix/matrix-markdown.js'
import { countOf, MatrixResult } from '../matrix/matrix-result.js'
import { Measurement } from '../matrix/measurement.js'
import { pageStyle, plainScript } from '../page-files.js'
import { pictureFile } from '../screenshots.js'
import { changesPages } from './changes-page.js'
import { comparePage, runScript } from './compare-page.js'
import { guestPage } from './guest-page.js'
import { indexPage } from './index-page.js'
import { latestOn, type SiteGuest, type SiteModel } from './site-model.js'

/** @param results The folder that the screenshots are in. Returns the path of the first page. Throws the host's error. */
export function writeSite(model: SiteModel, results: string, folder: string): string {
  for (const name of ['guests', 'runs', 'badges', 'screenshots']) makeFolder(join(folder, name))
  const put = (name: string, text: string) => writeOutputFile(join(folder, name), text)
  copyPictures(model, results, folder)
  put('site.css', pageStyle('matrix.css', 'site.css'))
  put('site.js', plainScript('site.js'))
  put('compare.js', plainScript('compare.js'))
  for (const guest of model.guests) {
    put(`guests/${guest.row.name}.html`, guestPage(model, guest))
    put(`badges/${guest.row.name}.svg`, renderBadge(guestBadge(model, guest)))
  }
  for (const run of model.runs) put(`runs/${run.id}.js`, runScript(run))
  put('badges/matrix.svg', renderBadge(matrixBadge(model)))
  put('compare.html', comparePage(model))
  for (const [name, text] of changesPages(model)) put(name, text)
  put('matrix.json', `${JSON.stringify(MatrixResult.parse(model.matrix), undefined, 2)}\n`)
  put('matrix.schema.json', `${JSON.stringify(z.toJSONSchema(MatrixResult, { io: 'input' }), undefined, 2)}\n`)
  put('measurement.schema.json', `${JSON.stringify(z.toJSONSchema(Measurement, { io: 'input' }), undefined, 2)}\n`)
  put('matrix.md', renderMatrixMarkdown(model.matrix))
  put('junit.xml', renderMatrixJunit(model.matrix))
  put('index.html', indexPage(model))
  return join(folder, 'index.html')
}

/** Pictures are named by their contents: one that is there is right. */
function copyPictures(model: SiteModel, results: string, folder: string): void {
  const seen = new Set<string>()
  for (const { history } of model.guests)
    for (const { cell } of history)
      for (const { evidence } of cell.levels) {
        const picture = evidence?.screenshot
        if (!picture?.path || seen.has(picture.path)) continue
        seen.add(picture.path)
        const from = pictureFile(picture, results)
        const to = join(folder, picture.path)
        if (from && (!existsSync(to) || statSync(to).size !== statSync(from).size)) copyFileSync(from, to)
      }
}

function guestBadge(model: SiteModel, guest: SiteGuest): Badge {
  const label = guest.row.title
  const cells = model.engines.flatMap((engine) => latestOn(guest, engine)?.cell ?? [])
  if (cells.length === 0) return { label, message: 'not measured', colour: COLOURS.none }
  const worst = cells.find(({ status }) => status === 'failed') ?? cells[0]
  const top = worst.status === 'passed'
  return {
    label,
    message: worst.level ?? 'broken',
    colour: top ? COLOURS.good : worst.level ? COLOURS.fair : COLOURS.bad,
  }
}

function matrixBadge({ matrix }: SiteModel): Badge {
  const { passed, failed } = countOf(matrix)
  const label = 'guests'
  if (passed + failed === 0) return { label, message: 'none measured', colour: COLOURS.none }
  return { label, message: `${passed} of ${passed + failed} work`, colour: failed > 0 ? COLOURS.fair : COLOURS.good }
}
