// A run’s report: filters, picture comparison, the player of serial lines. Built on use, not on load.
const sourceUrl = (source) => (source.startsWith('#') ? urlOf(source.slice(1)) : source)
const sourceText = async (source) => (source.startsWith('#') ? textOf(source.slice(1)) : (await fetch(source)).text())

const filters = $('.filters')
const items = $$('.tests > li')
function filter() {
  const words = filters.text.value.toLowerCase().split(/\s+/).filter(Boolean)
  const statuses = $$('button[aria-pressed=true]', filters).map((button) => button.dataset.status)
  let shown = 0
  for (const item of items) {
    const match =
      (statuses.length === 0 || statuses.includes(item.dataset.status)) &&
      words.every((word) => item.dataset.search.includes(word))
    item.hidden = !match
    if (match) shown++
  }
  const all = shown === items.length
  $('p.count[role=status]').hidden = all
  $('p.count[role=status]').textContent = all ? '' : `${shown} of ${items.length} tests`
}
filters.addEventListener('submit', (event) => event.preventDefault())
filters.addEventListener('input', filter)
filters.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-status]')
  if (!button) return
  button.setAttribute('aria-pressed', String(button.getAttribute('aria-pressed') !== 'true'))
  filter()
})

document.addEventListener(
  'toggle',
  (event) => {
    const details = event.target
    if (!details.open || details.dataset.built) return
    details.dataset.built = 'yes'
    for (const box of $$('.pictures', details)) comparePictures(box)
    for (const box of $$('.player', details)) play(box)
    for (const image of $$('img[data-source]', details)) image.src = sourceUrl(image.dataset.source)
    for (const link of $$('a[data-download]', details)) link.href = sourceUrl(link.dataset.download)
    for (const text of $$('pre[data-text]', details))
      sourceText(text.dataset.text).then((content) => {
        text.textContent = content
      })
  },
  true,
)

function comparePictures(box) {
  const { name, expected, actual, diff } = box.dataset
  const image = (what, source) => element('img', { alt: `${name}, ${what}`, src: sourceUrl(source) })
  const figure = (what, source) =>
    element('figure', {}, element('figcaption', { textContent: what }), image(what, source))
  const parts = [
    ['expected', expected],
    ['actual', actual],
    ['diff', diff],
  ].filter(([, source]) => source)
  const view = element('div', { className: 'compare' })
  const modes = {
    'side by side': () => {
      view.classList.add('side')
      view.append(...parts.map(([what, source]) => figure(what, source)))
    },
  }
  const overlay = (className) => {
    const made = element(
      'div',
      { className: `overlay ${className}` },
      image('expected', expected),
      image('actual', actual),
    )
    view.append(made)
    return made
  }
  if (expected && actual) {
    modes.slider = () => {
      const range = element('input', { type: 'range', min: 0, max: 100, value: 50 })
      range.setAttribute('aria-label', 'how much of the expected picture is shown, from the left')
      const made = overlay('slide')
      range.addEventListener('input', () => made.style.setProperty('--at', `${range.value}%`))
      view.append(
        element(
          'div',
          { className: 'controls' },
          element('span', { textContent: 'expected' }),
          range,
          element('span', { textContent: 'actual' }),
        ),
      )
    }
    modes.blink = () => {
      const made = overlay('blink')
      const stop = element('button', { type: 'button', textContent: 'Hold' })
      stop.addEventListener('click', () => {
        stop.textContent = made.classList.toggle('paused') ? 'Blink' : 'Hold'
      })
      view.append(element('div', { className: 'controls' }, stop))
    }
  }
  if (diff) modes.diff = () => view.append(figure('diff', diff))
  const buttons = Object.keys(modes).map((mode) => {
    const button = element('button', { type: 'button', textContent: mode })
    button.addEventListener('click', () => show(mode))
    return button
  })
  function show(mode) {
    for (const button of buttons) button.setAttribute('aria-pressed', String(button.textContent === mode))
    view.className = 'compare'
    view.replaceChildren()
    modes[mode]()
  }
  if (buttons.length > 1)
    box.append(element('div', { className: 'modes', role: 'group', ariaLabel: 'how to compare' }, ...buttons))
  box.append(view)
  show('side by side')
}

async function play(box) {
  let lines
  try {
    lines = (await sourceText(box.dataset.cast))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
  } catch {
    box.textContent = 'The recording cannot be read.'
    return
  }
  const [head, ...all] = lines
  // Version 3 has the time since the event before, version 2 since the beginning.
  let sum = 0
  const events = all
    .filter(Array.isArray)
    .map(([time, kind, data]) => {
      sum = head.version >= 3 ? sum + time : time
      return [sum, kind, data]
    })
    .filter(([, kind]) => kind === 'o')
  const columns = head.width ?? head.term?.cols ?? 80
  const rows = head.height ?? head.term?.rows ?? 24
  const end = events.length > 0 ? events[events.length - 1][0] : 0
  const screen = element('div', { className: 'terminal', tabIndex: 0, role: 'img', ariaLabel: 'serial console' })
  const button = element('button', { type: 'button', textContent: 'Play' })
  const range = element('input', { type: 'range', min: 0, max: end, step: 'any', value: end, ariaLabel: 'time' })
  const speed = element(
    'select',
    { ariaLabel: 'speed' },
    ...[1, 4, 16, 64].map((factor) => element('option', { value: factor, textContent: `${factor}×` })),
  )
  const time = element('output')
  let terminal
  let next = 0
  function seek(seconds) {
    if (!terminal || (next > 0 && events[next - 1][0] > seconds)) {
      terminal = new Terminal(columns, rows)
      next = 0
    }
    while (next < events.length && events[next][0] <= seconds) terminal.write(events[next++][2])
    drawTerminal(terminal, screen)
    time.value = `${clock(seconds)} / ${clock(end)}`
  }
  let playing
  function stop() {
    cancelAnimationFrame(playing)
    playing = undefined
    button.textContent = 'Play'
  }
  button.addEventListener('click', () => {
    if (playing !== undefined) return stop()
    button.textContent = 'Pause'
    let at = Number(range.value) >= end ? 0 : Number(range.value)
    let last = performance.now()
    const step = (now) => {
      at = Math.min(end, at + ((now - last) / 1000) * Number(speed.value))
      last = now
      range.value = at
      seek(at)
      if (at >= end) stop()
      else playing = requestAnimationFrame(step)
    }
    playing = requestAnimationFrame(step)
  })
  range.addEventListener('input', () => {
    stop()
    seek(Number(range.value))
  })
  box.append(element('div', { className: 'controls' }, button, range, speed, time), screen)
  seek(end)
}
