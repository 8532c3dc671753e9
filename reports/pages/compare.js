// Two runs that are chosen, side by side. A run's data is a script of its own, loaded when it is asked for.
const runs = new Map()
const waiting = new Map()
function run(data) {
  runs.set(data.id, data)
  waiting.get(data.id)?.(data)
}
function load(id) {
  if (runs.has(id)) return Promise.resolve(runs.get(id))
  return new Promise((resolve, reject) => {
    waiting.set(id, resolve)
    const script = document.createElement('script')
    script.src = `runs/${encodeURIComponent(id)}.js`
    script.onerror = () => reject(new Error(`the data of the run ${id} is not there`))
    document.head.append(script)
  })
}

const chooser = document.querySelector('form.compare')
const result = document.getElementById('result')
const make = (name, className, ...children) => {
  const made = document.createElement(name)
  if (className) made.className = className
  made.append(...children)
  return made
}
const works = ([, state]) => state === 1

function change(a, b) {
  const then = new Map(a.levels.map((level) => [level[0], level]))
  const pairs = b.levels.filter(([name]) => then.has(name)).map((level) => [level, then.get(level[0])])
  const lost = pairs.find(([now, before]) => works(before) && !works(now))
  if (lost) {
    const [[name, state, , reason]] = lost
    const words = `${name} worked and is ${state === 0 ? 'broken' : 'untested'}${reason ? `: ${reason}` : ''}`
    return { kind: 'regressed', level: name, words }
  }
  const won = pairs.findLast(([now, before]) => works(now) && !works(before))
  return won && { kind: 'improved', level: won[0][0], words: `${won[0][0]} works and did not` }
}

function picture(cell, name, words) {
  const end = cell.levels.findIndex((level) => level[0] === name)
  const path = cell.levels.slice(0, end + 1).findLast((level) => level[2])?.[2]
  const figure = make('figure', '', make('figcaption', '', words))
  if (!path) figure.append(make('span', 'noshot', 'no screen'))
  else {
    const image = Object.assign(make('img'), { src: encodeURI(path), alt: `${words}, ${name}`, loading: 'lazy' })
    figure.append(Object.assign(make('a', 'shot', image), { href: encodeURI(path) }))
  }
  return figure
}

async function compare() {
  try {
    const [before, after] = await Promise.all([load(chooser.before.value), load(chooser.after.value)])
    const old = new Map(before.cells.map((cell) => [cell.key, cell]))
    const now = new Map(after.cells.map((cell) => [cell.key, cell]))
    const changes = [...new Set([...old.keys(), ...now.keys()])].flatMap((key) => {
      const [a, b] = [old.get(key), now.get(key)]
      if (a && b) {
        const found = change(a, b)
        return found ? [{ ...found, a, b }] : []
      }
      return a
        ? [{ kind: 'not booted', words: 'was booted before and not now', a }]
        : [{ kind: 'new', words: 'booted for the first time', b }]
    })
    const kinds = ['regressed', 'improved', 'new', 'not booted']
    changes.sort((a, b) => kinds.indexOf(a.kind) - kinds.indexOf(b.kind))
    const counts = kinds.flatMap((kind) => {
      const count = changes.filter((one) => one.kind === kind).length
      return count > 0 ? [`${count} ${kind}`] : []
    })
    const list = make('ul', 'changes')
    for (const { kind, words, level, a, b } of changes) {
      const cell = b ?? a
      const link = Object.assign(make('a', '', cell.title), { href: `guests/${encodeURIComponent(cell.guest)}.html` })
      const line = make(
        'p',
        '',
        make('span', `chip ${kind.replace(' ', '-')}`, kind),
        ' ',
        link,
        ` on ${cell.engine}: ${words}`,
      )
      const item = make('li', { regressed: 'failed', improved: 'passed' }[kind] ?? 'skipped', line)
      if (kind === 'regressed')
        item.append(make('div', 'pair', picture(a, level, 'before'), picture(b, level, 'after')))
      list.append(item)
    }
    result.replaceChildren(make('p', 'lead', `${counts.join(', ') || 'Nothing has changed'}.`), list)
  } catch (error) {
    result.replaceChildren(make('p', 'reason', error.message))
  }
  history.replaceState(
    null,
    '',
    `#${new URLSearchParams({ before: chooser.before.value, after: chooser.after.value })}`,
  )
}

if (chooser.before.options.length > 1) {
  chooser.hidden = false
  chooser.addEventListener('change', compare)
  const asked = new URLSearchParams(location.hash.slice(1))
  for (const side of ['before', 'after']) if (asked.has(side)) chooser[side].value = asked.get(side)
  if (asked.has('before') || asked.has('after')) compare()
}
