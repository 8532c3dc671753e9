/** The style of the matrix page, on top of what all pages share. */
import { PAGE_STYLE } from './page-style.js'

export const MATRIX_STYLE = `${PAGE_STYLE}
table.matrix { border-collapse: collapse; width: 100%; }
.matrix th, .matrix td { text-align: left; padding: 9px 14px; border-top: 1px solid var(--line); vertical-align: middle; font-weight: 400; }
.matrix thead th { border-top: 0; background: var(--shade); font-size: .8125rem; font-weight: 600; color: var(--soft); }
.matrix tbody th { white-space: nowrap; font-weight: 600; position: sticky; left: 0; background: var(--card); }
.matrix .cell { padding: 0; min-width: 11rem; }
.cell a { display: flex; align-items: center; gap: 10px; padding: 9px 14px; color: inherit; text-decoration: none; }
.cell a:hover { background: var(--shade); }
.cell a:hover .reached { text-decoration: underline; }
.reached { min-width: 5.5rem; }
.none { color: var(--soft); padding: 9px 14px; }
.family { color: var(--soft); }
.bar { display: flex; gap: 3px; }
.bar i { width: 16px; height: 6px; border-radius: 3px; background: var(--line); }
.bar i.passed { background: var(--passed); }
.bar i.failed { background: var(--failed); }
.fraction { color: var(--soft); font-size: .8125rem; font-variant-numeric: tabular-nums; }
.guest { margin: 30px 0 0; }
.guest > .head { display: flex; flex-wrap: wrap; align-items: baseline; gap: 2px 14px; }
.guest > .about { color: var(--soft); font-size: .875rem; margin: 2px 0 10px; overflow-wrap: anywhere; }
.levels { list-style: none; margin: 14px 0 0; padding: 0; display: grid; gap: 14px; grid-template-columns: repeat(auto-fill, minmax(min(100%, 540px), 1fr)); }
.levels > li { border: 1px solid var(--line); border-radius: 6px; overflow: hidden; display: flex; flex-direction: column; }
.levels > li.failed { border-color: var(--failed); }
.shot { display: block; width: 100%; padding: 0; border: 0; border-bottom: 1px solid var(--line); background: #000; cursor: zoom-in; aspect-ratio: 3 / 2; }
.shot:focus-visible { outline-offset: -3px; border-radius: 0; }
.shot img { display: block; width: 100%; height: 100%; object-fit: contain; }
.noshot { display: grid; place-items: center; aspect-ratio: 3 / 2; background: var(--shade); color: var(--soft); border-bottom: 1px solid var(--line); font-size: .875rem; }
.caption { display: flex; gap: 10px; padding: 9px 11px; }
.caption b { display: block; }
.caption p { margin: 0; overflow-wrap: anywhere; }
.caption .small { color: var(--soft); font-size: .8125rem; font-variant-numeric: tabular-nums; }
.accesses { border-collapse: collapse; margin-top: 8px; font-size: .875rem; }
.accesses th, .accesses td { text-align: left; padding: 3px 16px 3px 0; border-top: 1px solid var(--line); font-weight: 400; }
.accesses thead th { border: 0; color: var(--soft); }
.accesses code { font-family: var(--mono); }
.accesses .n { text-align: right; font-variant-numeric: tabular-nums; }
.up { font-size: .8125rem; margin-left: auto; }
@media (max-width: 640px) {
  main, header, footer { padding-left: 12px; padding-right: 12px; }
  .matrix .family, .reached + .bar { display: none; }
  .matrix th, .cell a { padding: 9px 10px; }
  .matrix tbody th { white-space: normal; }
  .matrix .cell { min-width: 9.5rem; }
  .reached { min-width: 0; }
  article { padding: 12px; }
}
@media print { .up, details:not([open]) { display: none; } article { break-inside: avoid; } }
`
