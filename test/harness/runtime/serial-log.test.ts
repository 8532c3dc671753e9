import { describe, expect, test } from 'vitest'
import { SerialLog } from '../../../harness/runtime/serial-log.js'

function log(text: string | number[]): SerialLog {
  const result = new SerialLog()
  for (const byte of typeof text === 'string' ? new TextEncoder().encode(text) : text) result.add(byte)
  return result
}

describe('matching', () => {
  test('what was matched does not match again, what came after it does', () => {
    const serial = log('login: one\nlogin: two\n')
    expect(serial.match(/login: \w+/m)).toBe('login: one')
    expect(serial.match(/login: \w+/m)).toBe('login: two')
    expect(serial.match(/login: \w+/m)).toBeUndefined()
  })

  test('colours and cursor movements do not stand between letters', () => {
    const serial = log('\x1b[1;32mlo\x1b[0mgin\x1b]0;title\x07:\x1b(B \r\n')
    expect(serial.match(/^login: $/m)).toBe('login: ')
  })

  test('a backspace takes a character away', () => {
    expect(log('helo\b\blo\n').match(/^he\w+$/m)).toBe('helo')
  })

  test('a pattern that wants the escape sequence finds it', () => {
    const sequence = '\x1b[32m'
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what the test is about
    expect(log(`a${sequence}b`).match(/\x1b\[32m/)).toBe(sequence)
  })

  test('characters of several bytes come whole, and broken ones do no harm', () => {
    expect(log('Grüße ✓').match(/Grüße ✓/)).toBe('Grüße ✓')
    expect(log([0xff, 0x41, 0xc3, 0x42]).match(/A.?B/)).toBeDefined()
  })

  test('old text is forgotten at the start of a line, and new text still matches', () => {
    const serial = log(`${'x'.repeat(99)}\n`.repeat(200))
    expect(serial.bytes).toBe(20000)
    for (const byte of new TextEncoder().encode('end')) serial.add(byte)
    expect(serial.match(/^x{1,98}$/m)).toBeUndefined()
    expect(serial.match(/^end$/m)).toBe('end')
  })
})

test('the last lines are those without control sequences, an unfinished one included', () => {
  expect(log('one\r\ntwo\r\n\x1b[1mthree').lastLines(2)).toEqual(['two', 'three'])
  expect(log('one\r\n').lastLines(5)).toEqual(['one'])
  expect(log('').lastLines(5)).toEqual([])
})
