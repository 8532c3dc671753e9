/** The style of a run's report, on top of what all pages share. */
import { TERMINAL_STYLE } from './page-script.js'
import { PAGE_STYLE } from './page-style.js'

export const RUN_STYLE = `${PAGE_STYLE}${TERMINAL_STYLE}
:root { --flaky: #8a6100; --flaky-bg: #fbf0d5; }
@media (prefers-color-scheme: dark) { :root { --flaky: #f0c35a; --flaky-bg: #3a2f14; } }
.flaky > .mark, .mark.flaky { color: var(--flaky); background: var(--flaky-bg); }
.filters { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; margin: 0 0 12px; position: sticky; top: 0; background: var(--page); padding: 8px 0; z-index: 1; }
.filters input[type=search] { font: inherit; flex: 1 1 14rem; min-width: 0; padding: 6px 10px; border: 1px solid var(--line); border-radius: 6px; background: var(--card); color: inherit; }
button { font: inherit; padding: 5px 12px; border: 1px solid var(--line); border-radius: 6px; background: var(--card); color: inherit; cursor: pointer; }
button:hover { background: var(--shade); }
button[aria-pressed=true] { border-color: var(--link); box-shadow: inset 0 0 0 1px var(--link); }
.count { color: var(--soft); font-variant-numeric: tabular-nums; }
.tests { list-style: none; margin: 0; padding: 0; background: var(--card); border: 1px solid var(--line); border-radius: var(--radius); }
.tests > li + li { border-top: 1px solid var(--line); }
.tests details { margin: 0; }
.tests summary { display: flex; align-items: center; gap: 10px; width: auto; padding: 9px 14px; color: inherit; list-style: none; }
.tests summary::-webkit-details-marker { display: none; }
.tests summary:hover { background: var(--shade); }
.title { flex: 1; min-width: 0; overflow-wrap: anywhere; }
.title small { color: var(--soft); display: block; font-size: .8125rem; }
.title .groups { color: var(--soft); }
.times { color: var(--soft); font-size: .8125rem; font-variant-numeric: tabular-nums; text-align: right; flex: none; }
.tag { font-size: .75rem; font-weight: 600; color: var(--flaky); background: var(--flaky-bg); border-radius: 4px; padding: 1px 6px; }
.body { padding: 2px 14px 16px 46px; }
.body h3 { font-size: .9375rem; margin: 18px 0 6px; }
.body pre.error { border-left: 3px solid var(--failed); white-space: pre-wrap; overflow-wrap: anywhere; }
.history { display: flex; gap: 3px; flex: none; }
.history i { width: 7px; height: 18px; border-radius: 2px; background: var(--line); }
.history .passed { background: var(--passed); } .history .failed { background: var(--failed); } .history .flaky { background: var(--flaky); } .history .skipped { background: var(--skipped-bg); }
.modes, .controls { display: flex; flex-wrap: wrap; gap: 6px; align-items: center; margin: 0 0 8px; }
.controls input[type=range] { flex: 1; min-width: 6rem; }
.controls output { font-variant-numeric: tabular-nums; color: var(--soft); min-width: 7.5rem; text-align: right; }
.compare { display: grid; gap: 10px; }
.compare figure { margin: 0; min-width: 0; }
.compare figcaption { color: var(--soft); font-size: .8125rem; }
.compare img { display: block; max-width: 100%; height: auto; background: #000; border: 1px solid var(--line); }
.compare.side { grid-template-columns: repeat(auto-fit, minmax(min(100%, 300px), 1fr)); }
.overlay { position: relative; width: fit-content; max-width: 100%; }
.overlay img + img { position: absolute; inset: 0; height: 100%; width: 100%; }
.overlay.slide img + img { clip-path: inset(0 0 0 var(--at, 50%)); }
.overlay.slide::after { content: ""; position: absolute; top: 0; bottom: 0; left: var(--at, 50%); width: 2px; margin-left: -1px; background: #ff3ea5; pointer-events: none; }
.overlay.blink img + img { animation: blink 1s steps(1) infinite; }
.overlay.paused img + img { animation: none; }
@keyframes blink { 50% { opacity: 0; } }
.video { max-width: 100%; background: #000; border: 1px solid var(--line); }
.runs { border-collapse: collapse; font-size: .875rem; }
.runs td, .runs th { text-align: left; padding: 3px 14px 3px 0; border-top: 1px solid var(--line); font-weight: 400; }
.runs .n { text-align: right; font-variant-numeric: tabular-nums; }
.nothing { padding: 20px; color: var(--soft); margin: 0; }
[hidden] { display: none !important; }
@media (max-width: 640px) {
  main, header, footer { padding-left: 12px; padding-right: 12px; }
  .tests summary { flex-wrap: wrap; padding: 9px 10px; }
  .tests .history { display: none; }
  .times { text-align: left; flex-basis: 100%; padding-left: 32px; }
  .body { padding: 2px 10px 14px; }
}
`
