/** A run as one HTML file: a list with filters; in each test its errors, pictures to compare, recordings and history. */

import { type Html, html, pageHead, raw } from './html.js'
import { type History, historyLines, historyOf } from './matrix/history.js'
import { EmbeddedFiles } from './page-data.js'
import { pageScript, pageStyle } from './page-files.js'
import {
  type Attachment,
  countTests,
  fullTitle,
  type PictureAttachment,
  type ResultFile,
  type RunError,
  type RunResult,
  runSummary,
  type TestResult,
  TestStatus,
} from './run-result.js'
import { duration, guestTime } from './words.js'

const MARKS = { passed: '✓', failed: '✕', flaky: '±', skipped: '–' }
/** What was seen before the test passed again is worth as much as a failure. */
const ORDER: readonly TestResult['status'][] = ['failed', 'flaky', 'passed', 'skipped']

export interface RunHtmlOptions {
  history?: History
}

/** Files with `data` are embedded; those that have only a path are referred to. */
export function renderRunHtml(result: RunResult, options: RunHtmlOptions = {}): string {
  const { run } = result
  const files = new EmbeddedFiles()
  const counts = countTests(result.tests)
  const tests = [...result.tests].sort((a, b) => ORDER.indexOf(a.status) - ORDER.indexOf(b.status))
  const items = tests.map((test) => item(test, files, options.history))
  const title = `${runSummary(result.tests)}: guest tests, ${run.date.slice(0, 10)}`
  const head = pageHead(title, html`<style>${raw(pageStyle('terminal.css', 'run.css'))}</style>`)
  const page = html`${head}<body>
<a class="skip" href="#tests">Skip to the tests</a>
<header>
<h1>Guest tests</h1>
<p class="lead">${runSummary(result.tests)}${run.interrupted && '; the run was interrupted'}.</p>
<ul class="facts">
<li><b><time datetime="${run.date}">${run.date.slice(0, 16).replace('T', ' ')} UTC</time></b> in ${duration(run.durationMs)}</li>
<li>Bootwright <b>${run.bootwright.version}</b>${run.bootwright.commit && html` (${run.bootwright.commit})`}</li>
${run.commit && html`<li>Commit <b>${run.commit}</b></li>`}
<li>Host <b>${run.host.os}</b>, ${run.host.cpu}, ${run.host.cores} ${run.host.cores === 1 ? 'core' : 'cores'}, Node ${run.host.node}</li>
${run.shard && html`<li>Part <b>${run.shard}</b></li>`}
</ul>
</header>
<main>
${result.errors.length > 0 && html`<section class="body"><h2>Outside any test</h2>${result.errors.map(error)}</section>`}
<form class="filters" role="search">
<input type="search" name="text" placeholder="Filter by title or file" aria-label="Filter by title or file" autocomplete="off">
${TestStatus.options.map((status) =>
  counts[status] > 0
    ? html`<button type="button" data-status="${status}" aria-pressed="false">${status} <span class="count">${counts[status]}</span></button>`
    : undefined,
)}
</form>
<p class="count" role="status" hidden></p>
<ul class="tests" id="tests">
${items}</ul>
${result.tests.length === 0 && html`<p class="nothing">No tests were run.</p>`}
${options.history && options.history.runs.length > 1 && runs(options.history)}
</main>
<footer>Written by Bootwright ${run.bootwright.version}. Guest time is the virtual machine’s own; host time is what a reader’s clock would have shown.</footer>
<noscript><p class="nothing">Pictures and recordings need the page’s script.</p></noscript>
${files.render()}<script>${raw(pageScript('run.js'))}</script>
</body>
</html>
`
  return page.text
}

function item(test: TestResult, files: EmbeddedFiles, history: History | undefined): Html {
  const past = history && historyOf(history, test.id)
  const groups = test.titles.slice(0, -1)
  const times = [
    test.guestTimeNs !== undefined && `${guestTime(test.guestTimeNs)} guest`,
    test.status !== 'skipped' && `${duration(test.hostMs)} host`,
    test.retries > 0 && `${test.retries} ${test.retries === 1 ? 'retry' : 'retries'}`,
  ].filter(Boolean)
  const search = `${fullTitle(test)} ${test.file}`.toLowerCase()
  return html`<li class="${test.status}" data-status="${test.status}" data-search="${search}"><details><summary>${mark(test.status)}<span class="title">${
    groups.length > 0 && html`<span class="groups">${groups.join(' › ')} › </span>`
  }${test.titles[test.titles.length - 1]}${past?.flaky && html` <span class="tag">flaky</span>`}<small>${
    test.project && `[${test.project}] `
  }${test.file}${test.line && `:${test.line}`}</small></span>${past && strip(past.statuses)}<span class="times">${times.join(', ')}</span></summary><div class="body">${
    test.reason && html`<p>${test.reason}</p>`
  }${test.errors.map(error)}${test.attachments.map((attachment) => attached(attachment, files))}${
    test.errors.length + test.attachments.length === 0 &&
    !test.reason &&
    html`<p class="count">Nothing was recorded.</p>`
  }</div></details></li>
`
}

function mark(status: TestResult['status']): Html {
  return html`<span class="mark ${status}" role="img" aria-label="${status}">${MARKS[status]}</span>`
}

/** The last ones; the page's lower end has all runs. */
const STRIP = 10

function strip(statuses: readonly (TestResult['status'] | undefined)[]): Html {
  const last = statuses.slice(-STRIP)
  const words = last.map((status) => status ?? 'not run').join(', ')
  return html`<span class="history" role="img" aria-label="last runs: ${words}" title="last runs: ${words}">${last.map((status) => html`<i class="${status}"></i>`)}</span>`
}

function error({ message, stack, diff }: RunError): Html {
  return html`<pre class="error" tabindex="0">${stack?.includes(message) ? stack : message}${diff && `\n\n${diff}`}</pre>`
}

function attached(attachment: Attachment, files: EmbeddedFiles): Html {
  if (attachment.kind === 'picture') return picture(attachment, files)
  const { kind, name, file } = attachment
  const source = sourceOf(file, files)
  if (kind === 'video') return html`<h3>${name}</h3><img class="video" alt="${name}" data-source="${source}">`
  if (kind === 'asciicast') return html`<h3>${name}</h3><div class="player" data-cast="${source}"></div>`
  if (kind === 'text') return html`<h3>${name}</h3><pre tabindex="0" data-text="${source}"></pre>`
  if (kind === 'capture')
    return html`<p><a data-download="${source}" download="${name}">${name}</a> (the frames of a network card: open it with <code>wireshark</code> or <code>tcpdump -r</code>)</p>`
  return html`<p><a data-download="${source}" download="${name}">${name}</a> (open it with <code>bootwright show-trace</code>)</p>`
}

function picture(attachment: PictureAttachment, files: EmbeddedFiles): Html {
  const { name, expected, actual, diff, differentPixels, status } = attachment
  const note = [
    status === 'missing' && 'there is no expected picture',
    differentPixels !== undefined && differentPixels > 0 && `${differentPixels} pixels differ`,
  ].filter(Boolean)
  const source = (file: ResultFile | undefined) => file && sourceOf(file, files)
  return html`<h3>${name}${note.length > 0 && html` <span class="count">${note.join(', ')}</span>`}</h3><div class="pictures" data-name="${name}" data-expected="${source(expected)}" data-actual="${source(actual)}" data-diff="${source(diff)}"></div>`
}

/** What the script takes: the id of an embedded file, or a path. */
function sourceOf(file: ResultFile, files: EmbeddedFiles): string {
  return file.data === undefined ? encodeURI(file.path ?? '') : `#${files.add(file.data, file.type)}`
}

function runs(history: History): Html {
  const lines = historyLines(history).reverse()
  return html`<details><summary>The last ${lines.length} runs</summary><div class="scroll" tabindex="0" role="region" aria-label="The last runs"><table class="runs"><thead><tr><th scope="col">Date</th><th scope="col">Commit</th>${TestStatus.options.map((status) => html`<th scope="col" class="n">${status}</th>`)}</tr></thead><tbody>${lines.map(
    ({ date, commit, counts }) =>
      html`<tr><td>${date.slice(0, 16).replace('T', ' ')}</td><td>${commit}</td>${TestStatus.options.map((status) => html`<td class="n">${counts[status]}</td>`)}</tr>`,
  )}</tbody></table></div></details>`
}
