/** What the pages of the site share: head, navigation, pieces of the table. */
import { type Html, html, pageHead } from '../html.js'
import { type Cell, type LevelResult, standingOf } from '../matrix/matrix-result.js'
import { progress } from '../words.js'
import type { SiteModel } from './site-model.js'

const MARKS = { passed: '✓', failed: '✕', skipped: '–' }

export interface PageParts {
  title: string
  /** From the page to the site's root: `./` or `../`. */
  root: string
  /** The page's own name in the navigation. */
  here?: 'matrix' | 'compare' | 'changes'
  scripts?: readonly string[]
  body: Html
}

export function page(model: SiteModel, { title, root, here, scripts = [], body }: PageParts): string {
  const link = (name: PageParts['here'], href: string, words: string) =>
    html`<a href="${root}${href}"${here === name && html` aria-current="page"`}>${words}</a>`
  const { run } = model.matrix
  return html`${pageHead(title, html`<link rel="stylesheet" href="${root}site.css">`)}<body>
<a class="skip" href="#main">Skip to the content</a>
<nav aria-label="Pages">${link('matrix', 'index.html', 'Matrix')}${link('compare', 'compare.html', 'Compare runs')}${link('changes', 'changes.html', 'Changes')}<a href="${root}matrix.md">Markdown</a><a href="${root}matrix.json">JSON</a></nav>
${model.notice !== undefined && html`<p class="notice" role="note">${model.notice}</p>`}
${body}
<footer>Written by Bootwright ${run.bootwright.version}${run.bootwright.commit && ` (${run.bootwright.commit})`}. Guest time is the virtual machine’s own.</footer>
<dialog id="viewer" aria-label="Screenshot"><img alt=""><div><p></p><form method="dialog"><button>Close</button></form></div></dialog>
${scripts.map((name) => html`<script src="${root}${name}"></script>\n`)}</body>
</html>
`.text
}

export function mark(status: Cell['status'], words: string = status): Html {
  return html`<span class="mark ${status}" role="img" aria-label="${words}">${MARKS[status]}</span>`
}

/** A level's place in the bar, px: `.bar` of site.css cuts it so. */
const STEP = 19
const COLOURS = { passed: '--passed', failed: '--failed', skipped: '--line', noted: '--noted' }

/** One element, however many levels there are: a matrix has hundreds of bars. */
export function bar(levels: readonly LevelResult[]): Html {
  const runs: { colour: string; words: string; names: string[] }[] = []
  for (const level of levels) {
    const colour = COLOURS[level.status === 'passed' && level.note !== undefined ? 'noted' : level.status]
    const words = standingOf(level)
    const last = runs.at(-1)
    if (last?.colour === colour && last.words === words) last.names.push(level.name)
    else runs.push({ colour, words, names: [level.name] })
  }
  let end = 0
  const stops = runs.map(({ colour, names }) => {
    const begin = end
    end += names.length * STEP
    return `var(${colour}) ${begin}px ${end}px`
  })
  const title = runs.map(({ words, names }) => `${names.join(', ')}: ${words}`).join('; ')
  const width = `width:${Math.max(0, end - 3)}px;background`
  const style =
    runs.length === 1 ? `${width}:var(${runs[0].colour})` : `${width}-image:linear-gradient(90deg,${stops.join(',')})`
  return html`<span class="bar" aria-hidden="true"${runs.length > 0 && html` title="${title}" style="${style}"`}></span>`
}

/** `✓ shell ▮▮▮▮ 4/4`, with a chip where it was better before. */
export function reached(cell: Cell, regressed: boolean): Html {
  return html`${mark(cell.status)}<span class="reached">${cell.level ?? 'nothing'}</span>${bar(cell.levels)}<span class="fraction">${progress(cell)}</span>${
    regressed && html`<span class="chip">regressed</span>`
  }`
}

export function minute(date: string): string {
  return `${date.slice(0, 16).replace('T', ' ')} UTC`
}

/** A picture that the script enlarges and that is a link without one. */
export function shot(
  root: string,
  { path, width, height }: { path: string; width: number; height: number },
  alt: string,
): Html {
  const source = `${root}${encodeURI(path)}`
  return html`<a class="shot" href="${source}"><img src="${source}" width="${width}" height="${height}" alt="${alt}" loading="lazy" decoding="async"></a>`
}

export function guestHref(root: string, name: string): string {
  return `${root}guests/${name}.html`
}
