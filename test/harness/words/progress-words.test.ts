import { expect, test } from 'vitest'
import { progressLine, progressLines } from '../../../harness/words/progress-words.js'

const progress = (guest: number, lastLine: string) => ({
  ...{ guestTimeNs: guest * 1e9, instructions: guest * 50e6, hostMs: 0, lastLine },
})

test('where lines stay there is one each ten seconds, with the speed since the one before', () => {
  const lines: string[] = []
  let now = 1000
  const line = progressLines(
    (text) => lines.push(text),
    () => now,
  )
  for (let second = 0; second <= 25; second++, now += 1000) line.show(progress(second * 2, `file ${second}`))
  line.clear()
  expect(lines).toEqual(['20.0 s 100 MIPS 2.00x  file 10', '40.0 s 100 MIPS 2.00x  file 20'])
})

test('off a terminal the line of a run is such a one, and a terminal has its live line', () => {
  let written = ''
  const write = (text: string) => {
    written += text
    return true
  }
  progressLine({ isTTY: false, columns: 80, write } as never).show(progress(1, 'x'))
  expect(written).toBe('')
  progressLine({ isTTY: true, columns: 80, write } as never, { NO_COLOR: '1' }).show(progress(1, 'x'))
  expect(written.startsWith('\r\x1b[K1.0 s ')).toBe(true)
})

test('a phase of long work is told in place of the last line, with the time that it will take yet', () => {
  const lines: string[] = []
  let now = 0
  const line = progressLines(
    (text) => lines.push(text),
    () => now,
  )
  const at = (percent: number) => ({
    ...progress(percent, 'Unpacking libc6'),
    phase: { name: 'base system', percent, guestTimeNs: 0 },
  })
  for (let percent = 0; percent <= 43; percent++, now += 10_000) line.show(at(percent))
  expect(lines[0]).toMatch(/ base system 1 %$/)
  expect(lines.at(-1)).toMatch(/ base system 43 %, about 10 min left$/)
})
