/** The live view's page. */

export interface ViewPageOptions {
  title: string
  /** With codegen's tools. */
  tools: boolean
}

export function viewPage({ title, tools }: ViewPageOptions): string {
  const name = escapeHtml(title)
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${name}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="view.css">
<script type="module" src="view.js"></script>
</head>
<body>
<header>
  <h1>${name}</h1>
  <p id="state" role="status">connecting …</p>
</header>
<div class="bar" role="toolbar" aria-label="Machine">
  <button type="button" data-press="Control Alt Delete">Ctrl+Alt+Del</button>
  <button type="button" id="mouse" aria-pressed="false">Capture mouse</button>
  <button type="button" id="keyboard" class="touch">Keyboard</button>
  <button type="button" id="full">Full screen</button>
  <button type="button" id="monitor-button" aria-expanded="false" aria-controls="monitor">Monitor</button>
  <button type="button" id="serial-button" aria-expanded="false" aria-controls="serial">Serial line</button>
${tools ? TOOLS : ''}</div>
<main>
  <div id="view"><div id="screen"></div><div id="glass" hidden><div id="box" hidden></div></div></div>
${tools ? RECORDING : ''}  <section id="monitor" hidden>
    <h2>Monitor</h2>
    <pre id="monitor-text" tabindex="0" role="log" aria-label="What the monitor answers"></pre>
    <form id="monitor-form"><input id="monitor-line" aria-label="A line for the monitor" placeholder="info registers, x/8xw $eip, help …" autocomplete="off" spellcheck="false"></form>
  </section>
  <section id="serial" hidden>
    <h2>COM1</h2>
    <pre id="serial-text" tabindex="0" aria-label="COM1's output; what you type goes to it"></pre>
  </section>
</main>
<textarea id="typed" aria-label="Keys for the guest" autocapitalize="off" autocomplete="off" spellcheck="false"></textarea>
</body>
</html>
`
}

const TOOLS = `  <span class="group" role="group" aria-label="Assertions">
    <button type="button" data-tool="text" aria-pressed="false">Assert text</button>
    <button type="button" data-tool="box" aria-pressed="false">Assert picture</button>
    <button type="button" id="undo">Undo</button>
    <button type="button" id="save" class="main">Save test</button>
  </span>
`

const RECORDING = `  <section id="recording">
    <h2>Test</h2>
    <p id="note" role="status"></p>
    <pre id="lines" tabindex="0" aria-label="The test so far"></pre>
  </section>
`

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
