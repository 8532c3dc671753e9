/** What all pages share: colours, one accent a status, light and dark by the reader's setting; text, marks, boxes. */
export const PAGE_STYLE = `
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
.mark { flex: none; display: inline-grid; place-items: center; width: 1.35rem; height: 1.35rem; border-radius: 50%; font-size: .8rem; font-weight: 700; line-height: 1; }
.passed > .mark, .mark.passed { color: var(--passed); background: var(--passed-bg); }
.failed > .mark, .mark.failed { color: var(--failed); background: var(--failed-bg); }
.skipped > .mark, .mark.skipped { color: var(--skipped); background: var(--skipped-bg); }
article { background: var(--card); border: 1px solid var(--line); border-radius: var(--radius); padding: 14px 16px 16px; margin: 10px 0; }
article:target { outline: 2px solid var(--link); }
article > .head { display: flex; align-items: center; gap: 10px; }
article h3 { font-size: 1rem; margin: 0; }
.figures { color: var(--soft); font-size: .875rem; margin: 4px 0 0; }
.reason { border-left: 3px solid var(--failed); background: var(--failed-bg); padding: 8px 12px; border-radius: 0 6px 6px 0; margin: 10px 0 0; overflow-wrap: anywhere; }
.skipped .reason { border-color: var(--skipped); background: var(--skipped-bg); }
details { margin-top: 10px; }
summary { cursor: pointer; color: var(--link); width: fit-content; }
pre { font: 12.5px/1.35 var(--mono); background: var(--shade); border: 1px solid var(--line); border-radius: 6px; padding: 10px 12px; margin: 8px 0 0; overflow-x: auto; max-height: 34rem; }
dialog { padding: 0; border: 1px solid var(--line); border-radius: var(--radius); background: var(--card); color: var(--ink); max-width: 96vw; max-height: 96vh; }
dialog::backdrop { background: rgb(0 0 0 / .75); }
dialog img { display: block; max-width: 100%; max-height: 86vh; margin: 0 auto; background: #000; }
dialog div { display: flex; gap: 16px; align-items: center; justify-content: space-between; padding: 8px 12px; }
dialog p { margin: 0; }
dialog button { font: inherit; padding: 3px 12px; border: 1px solid var(--line); border-radius: 6px; background: var(--shade); color: inherit; cursor: pointer; }
footer { color: var(--soft); font-size: .8125rem; padding-top: 26px; padding-bottom: 34px; }
`
