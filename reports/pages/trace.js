// The viewer of a trace.
const { screens, events, isFailed } = JSON.parse($('#trace').textContent)
const list = $('#events')
const range = $('.line input')
const options = $$('li', list)
const end = Math.max(1, ...events.map((event) => event.untilGuestTimeNs ?? event.guestTimeNs))
const words = (ns) => `${(ns / 1e9).toFixed(3)} s`
let chosen = -1
function choose(index) {
  if (events.length === 0) return
  index = Math.max(0, Math.min(events.length - 1, index))
  if (index === chosen) return
  options[chosen]?.removeAttribute('aria-selected')
  chosen = index
  const event = events[index]
  options[index].setAttribute('aria-selected', 'true')
  list.setAttribute('aria-activedescendant', `event-${index}`)
  const { top, bottom } = options[index].getBoundingClientRect()
  const box = list.getBoundingClientRect()
  if (top < box.top) list.scrollTop -= box.top - top + 4
  if (bottom > box.bottom) list.scrollTop += bottom - box.bottom + 4
  range.value = index
  range.setAttribute('aria-valuetext', options[index].textContent)
  // A wait is shown as it ended.
  const at = event.untilGuestTimeNs ?? event.guestTimeNs
  $('.now').style.left = `min(${(100 * at) / end}%, 100% - 2px)`
  $('.moment').textContent =
    'Event ' +
    (index + 1) +
    ' of ' +
    events.length +
    ', guest ' +
    words(at) +
    ', host ' +
    ((event.untilHostMs ?? event.hostMs) / 1000).toFixed(3) +
    ' s'
  $('.reason').hidden = !event.error
  $('.reason').textContent = event.error ?? ''
  const past = events.filter(
    (other, i) =>
      i <= index ||
      (event.kind === 'condition' && (other.untilGuestTimeNs ?? other.guestTimeNs) <= at && other.kind !== 'condition'),
  )
  showScreen(past.filter((other) => other.kind === 'screen').at(-1))
  showConsoles(past.filter((other) => other.kind === 'serial'))
}
function showScreen(event) {
  const image = $('img.screen')
  const screen = event && screens[event.screen]
  image.hidden = !screen
  $('.noscreen').hidden = Boolean(screen)
  if (!screen) return
  image.width = screen.width
  image.height = screen.height
  image.src = urlOf(screen.file)
  image.alt = event.text || `the screen, ${screen.width}×${screen.height}`
}
function showConsoles(serial) {
  const ports = [...new Set(serial.map((event) => event.port))].sort()
  $('.consoles').replaceChildren(
    ...ports.flatMap((port) => {
      const terminal = new Terminal(80, 24)
      for (const event of serial) if (event.port === port) terminal.write(event.text.replace(/(?<!\r)\n/g, '\r\n'))
      const box = element('div', { className: 'terminal', tabIndex: 0, role: 'img', ariaLabel: `COM${port + 1}` })
      drawTerminal(terminal, box)
      return [element('h2', { textContent: `COM${port + 1}` }), box]
    }),
  )
}
range.addEventListener('input', () => choose(Number(range.value)))
list.addEventListener('click', (event) => {
  const option = event.target.closest('li')
  if (option) choose(Number(option.dataset.index))
})
$('.track').addEventListener('click', (event) => {
  if (event.target.dataset.index) return choose(Number(event.target.dataset.index))
  const { left, width } = $('.track').getBoundingClientRect()
  const at = ((event.clientX - left) / width) * end
  choose(
    events.reduce(
      (best, other, i) => (Math.abs(other.guestTimeNs - at) < Math.abs(events[best].guestTimeNs - at) ? i : best),
      0,
    ),
  )
})
const STEPS = {
  ArrowDown: 1,
  ArrowRight: 1,
  ArrowUp: -1,
  ArrowLeft: -1,
  PageDown: 10,
  PageUp: -10,
  Home: -Infinity,
  End: Infinity,
}
document.addEventListener('keydown', (event) => {
  if (event.target === range || event.ctrlKey || event.altKey || event.metaKey || !(event.key in STEPS)) return
  event.preventDefault()
  choose(chosen + STEPS[event.key])
})
// What went wrong is what a reader came for.
const FAILED = ['timeout', 'failed']
const failure = isFailed ? events.findLastIndex((event) => FAILED.includes(event.outcome) || event.kind === 'exit') : 0
choose(Math.max(0, failure))
