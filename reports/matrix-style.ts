/** The style of the matrix page. One accent colour a status; light and dark by the reader's setting. */
export const MATRIX_STYLE = `
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #fff; --ink: #16191f; --soft: #59616e; --line: #dde1e7; --shade: #eef0f4;
  --passed: #137a3b; --failed: #b92a1f; --skipped: #666e7a; --passed-bg: #e3f3e8; --failed-bg: #fbe9e7; --skipped-bg: #eceef1;
  --link: #0b57b5; --radius: 8px;
  --mono: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0f1216; --card: #171b21; --ink: #e7eaef; --soft: #9aa4b2; --line: #2b323c; --shade: #20262e;
    --passed: #58c97f; --failed: #ff8a7d; --skipped: #9aa4b2; --passed-bg: #16301f; --failed-bg: #3a1c1a; --skipped-bg: #232931;
    --link: #7cb5ff;
  }
}
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main, header, footer { max-width: 1200px; margin: 0 auto; padding: 0 20px; }
header { padding-top: 28px; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .35rem; letter-spacing: -.01em; }
h2 { font-size: 1.15rem; margin: 0; }
a { color: var(--link); text-underline-offset: 2px; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; border-radius: 3px; }
.skip { position: absolute; left: -999px; }
.skip:focus { left: 12px; top: 8px; background: var(--card); padding: 4px 10px; }
.lead { margin: 0; font-size: 1.05rem; }
.facts { display: flex; flex-wrap: wrap; gap: 2px 22px; margin: .6rem 0 1.4rem; padding: 0; color: var(--soft); font-size: .875rem; list-style: none; }
.facts b { font-weight: 600; color: var(--ink); }
.scroll { overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: var(--radius); }
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
.mark { flex: none; display: inline-grid; place-items: center; width: 1.35rem; height: 1.35rem; border-radius: 50%; font-size: .8rem; font-weight: 700; line-height: 1; }
.passed > .mark, .mark.passed { color: var(--passed); background: var(--passed-bg); }
.failed > .mark, .mark.failed { color: var(--failed); background: var(--failed-bg); }
.skipped > .mark, .mark.skipped { color: var(--skipped); background: var(--skipped-bg); }
.bar { display: flex; gap: 3px; }
.bar i { width: 16px; height: 6px; border-radius: 3px; background: var(--line); }
.bar i.passed { background: var(--passed); }
.bar i.failed { background: var(--failed); }
.fraction { color: var(--soft); font-size: .8125rem; font-variant-numeric: tabular-nums; }
.guest { margin: 30px 0 0; }
.guest > .head { display: flex; flex-wrap: wrap; align-items: baseline; gap: 2px 14px; }
.guest > .about { color: var(--soft); font-size: .875rem; margin: 2px 0 10px; overflow-wrap: anywhere; }
article { background: var(--card); border: 1px solid var(--line); border-radius: var(--radius); padding: 14px 16px 16px; margin: 10px 0; }
article:target { outline: 2px solid var(--link); }
article > .head { display: flex; align-items: center; gap: 10px; }
article h3 { font-size: 1rem; margin: 0; }
.figures { color: var(--soft); font-size: .875rem; margin: 4px 0 0; }
.reason { border-left: 3px solid var(--failed); background: var(--failed-bg); padding: 8px 12px; border-radius: 0 6px 6px 0; margin: 10px 0 0; overflow-wrap: anywhere; }
.skipped .reason { border-color: var(--skipped); background: var(--skipped-bg); }
.levels { list-style: none; margin: 14px 0 0; padding: 0; display: grid; gap: 14px; grid-template-columns: repeat(auto-fill, minmax(min(100%, 330px), 1fr)); }
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
details { margin-top: 10px; }
summary { cursor: pointer; color: var(--link); width: fit-content; }
pre { font: 12.5px/1.35 var(--mono); background: var(--shade); border: 1px solid var(--line); border-radius: 6px; padding: 10px 12px; margin: 8px 0 0; overflow-x: auto; max-height: 34rem; }
.accesses { border-collapse: collapse; margin-top: 8px; font-size: .875rem; }
.accesses th, .accesses td { text-align: left; padding: 3px 16px 3px 0; border-top: 1px solid var(--line); font-weight: 400; }
.accesses thead th { border: 0; color: var(--soft); }
.accesses code { font-family: var(--mono); }
.accesses .n { text-align: right; font-variant-numeric: tabular-nums; }
.up { font-size: .8125rem; margin-left: auto; }
dialog { padding: 0; border: 1px solid var(--line); border-radius: var(--radius); background: var(--card); color: var(--ink); max-width: 96vw; max-height: 96vh; }
dialog::backdrop { background: rgb(0 0 0 / .75); }
dialog img { display: block; max-width: 100%; max-height: 86vh; margin: 0 auto; background: #000; }
dialog div { display: flex; gap: 16px; align-items: center; justify-content: space-between; padding: 8px 12px; }
dialog p { margin: 0; }
dialog button { font: inherit; padding: 3px 12px; border: 1px solid var(--line); border-radius: 6px; background: var(--shade); color: inherit; cursor: pointer; }
footer { color: var(--soft); font-size: .8125rem; padding-top: 26px; padding-bottom: 34px; }
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
