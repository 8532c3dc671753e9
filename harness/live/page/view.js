// The live view, as the browser runs it.
import RFB from './novnc/core/rfb.js'

const byId = (id) => document.getElementById(id)
const address = (name) => new URL(name, location.href.replace(/^http/, 'ws')).href
const view = byId('view')
let over = ''

const rfb = new RFB(byId('screen'), address('rfb'), { shared: true })
rfb.scaleViewport = true
rfb.showDotCursor = true
rfb.background = '#000'
rfb.addEventListener('connect', () => {
  document.body.dataset.connected = 'yes'
  rfb.focus()
})
rfb.addEventListener('disconnect', () => {
  document.body.dataset.connected = 'no'
  byId('state').textContent = over || 'the machine has gone'
  for (const button of document.querySelectorAll('button')) button.disabled = true
})

const control = new WebSocket(address('control'))
const say = (message) => control.readyState === 1 && control.send(JSON.stringify(message))
control.onmessage = ({ data }) => {
  const message = JSON.parse(data)
  if (message.kind === 'state') byId('state').textContent = message.text
  if (message.kind === 'ended') byId('state').textContent = over = message.text
  if (message.kind === 'serial') addSerial(message.text)
  if (message.kind === 'monitor') addMonitor(message.text)
  if (message.kind === 'note') byId('note').textContent = message.text
  if (message.kind === 'lines') {
    byId('lines').textContent = message.lines.join('\n')
    byId('lines').scrollTop = 1e9
  }
}

for (const button of document.querySelectorAll('[data-press]'))
  button.onclick = () => {
    say({ kind: 'press', keys: button.dataset.press.split(' ') })
    rfb.focus()
  }
byId('full').onclick = () => (document.fullscreenElement ? document.exitFullscreen() : view.requestFullscreen())

// The guest's mouse knows only movements; captured, the browser's does too. Escape lets it go.
byId('mouse').onclick = () => view.requestPointerLock()
document.addEventListener('pointerlockchange', () => {
  byId('mouse').setAttribute('aria-pressed', document.pointerLockElement === view)
  rfb.focus()
})
let buttons = 0
const move = (event, dz = 0) => {
  if (document.pointerLockElement !== view) return
  event.preventDefault()
  event.stopImmediatePropagation()
  buttons = event.buttons
  say({ kind: 'mouse', dx: event.movementX || 0, dy: event.movementY || 0, dz, buttons })
}
for (const name of ['mousemove', 'mousedown', 'mouseup']) document.addEventListener(name, (event) => move(event), true)
document.addEventListener('wheel', (event) => move(event, event.deltaY), { capture: true, passive: false })

// Telephones show their keyboard only for a field.
const XK = { Enter: 0xff0d, Backspace: 0xff08 }
byId('keyboard').onclick = () => byId('typed').focus()
byId('typed').addEventListener('beforeinput', (event) => {
  event.preventDefault()
  if (event.inputType === 'deleteContentBackward') rfb.sendKey(XK.Backspace, 'Backspace')
  else if (event.inputType === 'insertLineBreak') rfb.sendKey(XK.Enter, 'Enter')
  else
    for (const character of event.data || '') {
      const point = character.codePointAt(0)
      rfb.sendKey(point < 0x100 ? point : 0x1000000 + point, null)
    }
})

// The monitor: a line, and below it what it answers; the arrows bring back lines from before.
const monitorText = byId('monitor-text')
const monitorLine = byId('monitor-line')
const lines = []
let line = 0
const addMonitor = (text) => {
  monitorText.textContent = (monitorText.textContent + text).slice(-65536)
  monitorText.scrollTop = 1e9
}
byId('monitor-button').onclick = () => {
  const shown = byId('monitor').toggleAttribute('hidden') === false
  byId('monitor-button').setAttribute('aria-expanded', shown)
  if (shown) monitorLine.focus()
}
byId('monitor-form').onsubmit = (event) => {
  event.preventDefault()
  if (monitorLine.value.trim() === '') return
  line = lines.push(monitorLine.value)
  addMonitor(`> ${monitorLine.value}\n`)
  say({ kind: 'monitor', line: monitorLine.value })
  monitorLine.value = ''
}
monitorLine.addEventListener('keydown', ({ key }) => {
  if (key !== 'ArrowUp' && key !== 'ArrowDown') return
  line = Math.max(0, Math.min(lines.length, line + (key === 'ArrowUp' ? -1 : 1)))
  monitorLine.value = lines[line] ?? ''
})

const serialText = byId('serial-text')
const addSerial = (text) => {
  const atEnd = serialText.scrollTop + serialText.clientHeight > serialText.scrollHeight - 8
  const plain = text.replace(/\x1b(\[[0-?]*[ -/]*[@-~]|[()][A-Z0-9]|.)/g, '').replace(/\r(?!\n)/g, '')
  let all = serialText.textContent
  for (const part of plain.split(/(\x08+)/)) all = part[0] === '\b' ? all.slice(0, -part.length) : all + part
  serialText.textContent = all.slice(-65536)
  if (atEnd) serialText.scrollTop = 1e9
}
byId('serial-button').onclick = () => {
  const shown = byId('serial').toggleAttribute('hidden') === false
  byId('serial-button').setAttribute('aria-expanded', shown)
  if (shown) serialText.focus()
}
const CONTROL = {
  Enter: '\r',
  Backspace: '\x7f',
  Tab: '',
  Escape: '\x1b',
  ArrowUp: '\x1b[A',
  ArrowDown: '\x1b[B',
  ArrowRight: '\x1b[C',
  ArrowLeft: '\x1b[D',
}
serialText.addEventListener('keydown', (event) => {
  let text = CONTROL[event.key] ?? (event.key.length === 1 && !event.metaKey ? event.key : '')
  if (event.ctrlKey)
    text = /^[a-z]$/i.test(event.key) ? String.fromCharCode(event.key.toUpperCase().charCodeAt(0) - 64) : ''
  if (text === '') return
  event.preventDefault()
  say({ kind: 'serial', text })
})

// Codegen: a glass over the screen, on which text is clicked or a box drawn.
const glass = byId('glass')
const box = byId('box')
let tool = ''
const choose = (name) => {
  tool = name
  glass.hidden = name === ''
  for (const button of document.querySelectorAll('[data-tool]'))
    button.setAttribute('aria-pressed', button.dataset.tool === name)
  if (name === '') rfb.focus()
}
const pixel = (event) => {
  const canvas = byId('screen').querySelector('canvas')
  const edge = canvas.getBoundingClientRect()
  const at = (value, from, size, count) => Math.max(0, Math.min(count, Math.round(((value - from) * count) / size)))
  return {
    x: at(event.clientX, edge.left, edge.width, canvas.width),
    y: at(event.clientY, edge.top, edge.height, canvas.height),
  }
}
const frame = (from, to) => {
  const edge = view.getBoundingClientRect()
  box.style.left = `${Math.min(from.clientX, to.clientX) - edge.left}px`
  box.style.top = `${Math.min(from.clientY, to.clientY) - edge.top}px`
  box.style.width = `${Math.abs(to.clientX - from.clientX)}px`
  box.style.height = `${Math.abs(to.clientY - from.clientY)}px`
}
for (const button of document.querySelectorAll('[data-tool]'))
  button.onclick = () => choose(tool === button.dataset.tool ? '' : button.dataset.tool)
let from
glass.onpointerdown = (event) => {
  event.preventDefault()
  glass.setPointerCapture(event.pointerId)
  from = event
  box.hidden = tool !== 'box'
  frame(from, from)
}
glass.onpointermove = (event) => from && frame(from, event)
glass.onpointerup = (event) => {
  if (!from) return
  const [a, b] = [pixel(from), pixel(event)]
  from = undefined
  box.hidden = true
  if (tool === 'text') say({ kind: 'assert-text', x: b.x, y: b.y })
  else
    say({
      kind: 'assert-box',
      x: Math.min(a.x, b.x),
      y: Math.min(a.y, b.y),
      width: Math.abs(b.x - a.x),
      height: Math.abs(b.y - a.y),
    })
  choose('')
}
glass.onpointercancel = () => {
  from = undefined
  box.hidden = true
}
document.addEventListener(
  'keydown',
  (event) => {
    if (tool === '' || event.key !== 'Escape') return
    event.stopImmediatePropagation()
    choose('')
  },
  true,
)
if (byId('save')) {
  byId('save').onclick = () => say({ kind: 'save' })
  byId('undo').onclick = () => {
    say({ kind: 'undo' })
    rfb.focus()
  }
}
