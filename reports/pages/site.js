// The site of the matrix: filters and sorting of the table; a screenshot that is clicked on is shown enlarged.
const viewer = document.getElementById('viewer')
document.addEventListener('click', (event) => {
  const shot = event.target.closest('a.shot')
  if (shot && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault()
    const image = viewer.querySelector('img')
    const words = shot.firstElementChild?.alt ?? 'screen'
    image.src = shot.href
    image.alt = viewer.querySelector('p').textContent = words
    viewer.showModal()
  } else if (event.target === viewer) viewer.close()
})

const table = document.querySelector('table.site')
if (table) {
  const form = document.querySelector('form.filters')
  const body = table.tBodies[0]
  const rows = [...body.rows].map((row, order) => ({
    row,
    order,
    search: row.dataset.search,
    family: row.dataset.family,
    states: row.dataset.state.split(' '),
    title: row.querySelector('th').textContent,
    date: row.dataset.date,
    share: Number(row.dataset.share),
  }))
  const pressed = () => [...form.querySelectorAll('button[aria-pressed=true]')].map((button) => button.dataset.state)
  const orders = {
    title: (a, b) => a.title.localeCompare(b.title),
    family: (a, b) => a.family.localeCompare(b.family) || a.title.localeCompare(b.title),
    state: (a, b) => a.share - b.share || a.order - b.order,
    date: (a, b) => b.date.localeCompare(a.date) || a.order - b.order,
  }
  let sorted = ''
  const show = () => {
    const words = form.text.value.toLowerCase().split(/\s+/).filter(Boolean)
    const states = pressed()
    const family = form.family.value
    let shown = 0
    for (const one of rows) {
      const fits =
        (family === '' || one.family === family) &&
        (states.length === 0 || states.some((state) => one.states.includes(state))) &&
        words.every((word) => one.search.includes(word))
      one.row.hidden = !fits
      if (fits) shown++
    }
    form.querySelector('.count').textContent = shown === rows.length ? '' : `${shown} of ${rows.length} guests`
    if (form.sort.value !== sorted) {
      sorted = form.sort.value
      const order = orders[sorted] ?? ((a, b) => a.order - b.order)
      body.append(...[...rows].sort(order).map(({ row }) => row))
    }
    const query = new URLSearchParams()
    if (form.text.value) query.set('text', form.text.value)
    if (family) query.set('family', family)
    if (sorted) query.set('sort', sorted)
    if (states.length > 0) query.set('state', states.join(','))
    // What is shown can be linked to.
    history.replaceState(null, '', query.size > 0 ? `#${query}` : location.pathname + location.search)
  }
  const query = new URLSearchParams(location.hash.slice(1))
  for (const name of ['text', 'family', 'sort']) if (query.has(name)) form[name].value = query.get(name)
  for (const state of query.get('state')?.split(',') ?? [])
    form.querySelector(`button[data-state="${CSS.escape(state)}"]`)?.setAttribute('aria-pressed', 'true')
  form.hidden = false
  form.addEventListener('submit', (event) => event.preventDefault())
  form.addEventListener('input', show)
  form.addEventListener('click', (event) => {
    const button = event.target.closest('button')
    if (!button) return
    button.setAttribute('aria-pressed', String(button.getAttribute('aria-pressed') !== 'true'))
    show()
  })
  if (query.size > 0) show()
}
