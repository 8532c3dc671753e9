import { expect, test } from 'vitest'
import { PhaseWatch } from '../../../../harness/runtime/watches/phase-watch.js'

const PHASES = [
  { name: 'kernel', pattern: { source: 'linux-image', flags: 'g' } },
  { name: 'base system', pattern: { source: 'base system\\s+(\\d+)%', flags: '' } },
]

test('the first phase that fits is the one; its percentage grows, and what fits none leaves all as it is', () => {
  const watch = new PhaseWatch()
  watch.configure(PHASES)
  watch.atFrame('Partitioning', 1)
  expect(watch.reached).toEqual([])
  watch.atFrame('base system\n  7%', 2)
  watch.atFrame('base system\n 43%', 3)
  watch.atFrame('a dialog', 4)
  expect(watch.reached).toEqual([{ name: 'base system', percent: 43, guestTimeNs: 2 }])
  watch.atFrame('base system 80% linux-image', 5)
  watch.atFrame('base system 90%', 6)
  expect(watch.reached.map(({ name, percent }) => [name, percent])).toEqual([
    ['base system', 43],
    ['kernel', undefined],
    ['base system', 90],
  ])
})

test('without phases nothing is looked at', () => {
  const watch = new PhaseWatch()
  watch.configure()
  watch.atFrame('base system 7%', 1)
  expect(watch.reached).toEqual([])
})

test('a line of a log on a serial line tells a phase too, while the screen stays as it is', () => {
  const watch = new PhaseWatch()
  watch.configure([{ name: 'loader', pattern: { source: "Menu item 'grub' selected", flags: '' } }, ...PHASES])
  const say = (port: number, text: string, ns: number) => {
    for (const byte of Buffer.from(text)) watch.serialByte(port, byte, ns)
  }
  watch.atFrame('base system 90%', 1)
  say(0, "main-menu: Menu item 'gr", 2)
  say(1, 'another line\r\n', 3)
  expect(watch.reached).toHaveLength(1)
  say(0, "ub' selected\r\n", 4)
  watch.atFrame('base system 90%', 5)
  expect(watch.reached).toEqual([
    { name: 'base system', percent: 90, guestTimeNs: 1 },
    { name: 'loader', percent: undefined, guestTimeNs: 4 },
  ])
  watch.atFrame('base system 100%', 6)
  expect(watch.reached.at(-1)?.name).toBe('base system')
})
