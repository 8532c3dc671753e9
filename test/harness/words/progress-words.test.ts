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
