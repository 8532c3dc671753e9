/** The live view's style: the screen has what room there is, light and dark by the reader's setting. */
export const VIEW_STYLE = `
:root {
  color-scheme: light dark;
  --page: #eef0f4; --card: #fff; --ink: #16191f; --soft: #59616e; --line: #cfd5dd; --link: #0b57b5; --shade: #f6f7f9;
  --mono: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
}
@media (prefers-color-scheme: dark) {
  :root { --page: #0f1216; --card: #20262e; --ink: #e7eaef; --soft: #9aa4b2; --line: #3a424e; --link: #7cb5ff; --shade: #171b21; }
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
html { height: 100%; }
body { margin: 0; height: 100%; height: 100dvh; display: flex; flex-direction: column; background: var(--page); color: var(--ink); font: 14px/1.4 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
header { display: flex; flex-wrap: wrap; gap: 0 16px; align-items: baseline; padding: 8px 12px 0; }
h1 { font-size: 1rem; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: .85rem; margin: 0; color: var(--soft); font-weight: 600; }
#state { margin: 0; color: var(--soft); font-variant-numeric: tabular-nums; }
.bar { display: flex; flex-wrap: wrap; gap: 6px; padding: 8px 12px; }
.group { display: flex; flex-wrap: wrap; gap: 6px; }
@media (min-width: 700px) { .group { margin-left: auto; } }
button { font: inherit; padding: 5px 12px; min-height: 34px; border: 1px solid var(--line); border-radius: 6px; background: var(--card); color: inherit; cursor: pointer; }
button:hover { border-color: var(--link); }
button[aria-pressed=true], button[aria-expanded=true] { border-color: var(--link); box-shadow: inset 0 0 0 1px var(--link); }
button.main { background: var(--link); border-color: var(--link); color: var(--card); font-weight: 600; }
button:disabled { opacity: .5; cursor: default; }
@media (pointer: fine) { .touch { display: none; } }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
main { flex: 1; min-height: 0; display: flex; flex-wrap: wrap; gap: 8px; padding: 0 12px 12px; }
#view { position: relative; flex: 1 1 480px; min-width: 0; min-height: 240px; background: #000; border-radius: 6px; overflow: hidden; }
#screen { position: absolute; inset: 0; }
#glass { position: absolute; inset: 0; cursor: crosshair; touch-action: none; }
#box { position: absolute; border: 2px solid #ffb300; background: rgb(255 179 0 / .2); }
section { flex: 1 1 300px; max-width: 100%; min-width: 0; min-height: 160px; max-height: 100%; display: flex; flex-direction: column; gap: 4px; }
@media (min-width: 900px) { section { flex: 0 1 420px; } }
pre { flex: 1; min-height: 0; margin: 0; padding: 8px 10px; overflow: auto; background: var(--shade); border: 1px solid var(--line); border-radius: 6px; font: 12.5px/1.4 var(--mono); white-space: pre-wrap; overflow-wrap: anywhere; }
#note { margin: 0; color: var(--soft); min-height: 1.4em; }
#typed { position: fixed; left: -999px; top: 40%; width: 1px; height: 1px; opacity: 0; }
`
