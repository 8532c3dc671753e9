import { describe, expect, test } from 'vitest'
import { RecordedKeys } from '../../../harness/codegen/recorded-keys.js'
import { quote, Recording } from '../../../harness/codegen/recording.js'
import { patternOf, textAt, waitPattern } from '../../../harness/codegen/screen-wait.js'
import { testText } from '../../../harness/codegen/write-test.js'

/** `+ShiftLeft -ShiftLeft`; a bare code goes down and up. */
function record(strokes: string, recording = new Recording('x')): string[] {
  const keys = new RecordedKeys()
  for (const stroke of strokes.split(' ')) {
    const code = stroke.replace(/^[+-]/, '')
    for (const down of stroke[0] === '+' ? [true] : stroke[0] === '-' ? [false] : [true, false]) {
      const note = keys.note({ code, down })
      if (note) recording.key(note)
    }
  }
  return recording.lines()
}

describe('keys', () => {
  test.each([
    ['KeyD KeyI KeyR Enter', "await vm.keyboard.type('dir\\n')"],
    ['+ShiftLeft KeyA Digit1 -ShiftLeft KeyA', "await vm.keyboard.type('A!a')"],
    ['+ControlLeft KeyC -ControlLeft', "await vm.keyboard.press('Control+C')"],
    ['+ControlLeft +AltLeft Delete -AltLeft -ControlLeft', "await vm.keyboard.press('Control+Alt+Delete')"],
    ['+ShiftLeft Tab -ShiftLeft', "await vm.keyboard.press('Shift+Tab')"],
    ['F10', "await vm.keyboard.press('F10')"],
    ['Enter', "await vm.keyboard.press('Enter')"],
    ['+AltLeft -AltLeft', "await vm.keyboard.press('Alt')"],
    ['+KeyX +KeyX -KeyX', "await vm.keyboard.type('xx')"],
    ['Quote Backslash', `await vm.keyboard.type("'\\\\")`],
  ])('%s', (strokes, line) => {
    expect(record(strokes)).toEqual([line])
  })

  test('a modifier that repeats while it is held is pressed once', () => {
    expect(record('+ControlLeft +ControlLeft +ControlLeft KeyC -ControlLeft')).toEqual([
      "await vm.keyboard.press('Control+C')",
    ])
  })

  test('each line is a statement of its own', () => {
    expect(record('KeyA Enter KeyB Enter')).toEqual([
      "await vm.keyboard.type('a\\n')",
      "await vm.keyboard.type('b\\n')",
    ])
  })
})

test('strings as most projects write them', () => {
  expect(['a', "it's", 'say "hi"', `'"`, 'a\\b\n'].map(quote)).toEqual([
    ...["'a'", `"it's"`, `'say "hi"'`, `'\\'"'`, `'a\\\\b\\n'`],
  ])
})

describe('what a test waits for', () => {
  const prompt = 'Welcome\n\nA:\\>'

  test('the last row, where it is new', () => {
    expect(waitPattern(prompt, '')?.source).toBe('^A:\\\\>$')
  })

  test('as many rows as it takes to tell it from the screen before', () => {
    const pattern = waitPattern('A:\\>dir\nFILES 3\n\nA:\\>', prompt)
    expect(pattern?.source).toBe('^FILES 3$\\n+A:\\\\>$')
    expect(pattern?.test('A:\\>dir\nFILES 3\n\nA:\\>')).toBe(true)
    expect(pattern?.test(prompt)).toBe(false)
  })

  test('the row of the cursor, where it says something', () => {
    expect(waitPattern('Name: \nstatus line', '', 0)?.source).toBe('^Name:$')
    expect(waitPattern('Name: \nstatus line', '', 5)?.source).toBe('^status line$')
  })

  test('a new row further up, where the last ones have not changed', () => {
    expect(waitPattern('Page two\n\nF1 Help', 'Page one\n\nF1 Help')?.source).toBe('^Page two$\\n+F1 Help$')
    expect(waitPattern('New\n1\n2\n3\n4\n5', 'Old\n1\n2\n3\n4\n5')?.source).toBe('^New$')
  })

  test('the words of frames, without the frames', () => {
    const pattern = waitPattern('╔══════════╗\n║ Welcome to Setup  F1 ║\n╚══════════╝', '')
    expect(pattern?.source).toBe('Welcome to Setup')
  })

  test('times and dates may be others', () => {
    expect(patternOf('up since 12:34:56 on 2004-12-24 (ok)')).toBe('up since [\\d:.,]+ on [-/.\\d]+ \\(ok\\)')
    expect(new RegExp(patternOf('12/31/99 at 9:05')).test('1/2/2001 at 10:07')).toBe(true)
  })

  test('nothing, where there is no text', () => {
    expect(waitPattern('\n \n', '')).toBeUndefined()
    expect(waitPattern('same', 'same')).toBeUndefined()
  })
})

test('the words at a place are those between wide gaps', () => {
  const text = 'COMMAND  COM   66,090\nA:\\>'
  const places = [...text].map((character, i) =>
    character === '\n' ? undefined : { x: (i < 22 ? i : i - 22) * 9, y: i < 22 ? 0 : 16, width: 9, height: 16 },
  )
  const at = (x: number, y: number) => textAt({ text, places }, x, y)
  expect([at(5, 5), at(9 * 9 + 1, 15), at(18 * 9, 3), at(2, 20)]).toEqual(['COMMAND', 'COM', '66,090', 'A:\\>'])
  expect([at(7 * 9 + 4, 5), at(500, 5), at(5, 40)]).toEqual([undefined, undefined, undefined])
})

test('a test is a file that reads as if written by hand', () => {
  const recording = new Recording('boot')
  recording.wait(/^A:\\>$/)
  record('KeyD KeyI KeyR Enter', recording)
  recording.wait(undefined, '2m')
  recording.pause(4.21e9)
  recording.needle({ width: 1, height: 1, data: new Uint8Array(4) }, { x: 0, y: 0, width: 1, height: 1 })
  recording.do('await vm.mouse.click(1, 2)')
  recording.undo()
  expect(testText('boot', { guest: "it's.img", floppy: ['a.img', 'b.img'] }, recording)).toBe(`\
import { fileURLToPath } from 'node:url'
import { expect, test } from 'bootwright/vitest'

test.use({
  guest: "it's.img",
  floppy: ['a.img', 'b.img'],
  needles: fileURLToPath(new URL('needles', import.meta.url)),
})

test('boot', async ({ vm }) => {
  await expect(vm.screen).toHaveText(/^A:\\\\>$/)
  await vm.keyboard.type('dir\\n')
  await vm.screen.waitForStill('1s', { timeout: '2m' })
  await vm.wait('4.3s')
  await expect(vm.screen).toMatchNeedle('boot-1')
})
`)
})
