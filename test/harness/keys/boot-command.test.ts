import { describe, expect, test } from 'vitest'
import { type BootStep, parseBootCommand } from '../../../harness/keys/boot-command.js'

const tap = (...codes: string[]): BootStep => ({ kind: 'tap', codes })

function steps(text: string | string[], options = {}): BootStep[] {
  return parseBootCommand(text, options)
}

/** The error for `--keys text`. */
function error(text: string | string[], variables?: { [word: string]: string }): string {
  try {
    parseBootCommand(text, { source: '--keys', variables })
  } catch (thrown) {
    return (thrown as Error).message
  }
  return 'no error'
}

describe('text', () => {
  test('is typed in the layout', () => {
    expect(steps('aB:')).toEqual([tap('KeyA'), tap('ShiftLeft', 'KeyB'), tap('ShiftLeft', 'Semicolon')])
    expect(steps('z@', { layout: 'de' })).toEqual([tap('KeyY'), tap('AltRight', 'KeyQ')])
    expect(steps('é', { layout: 'de' })).toEqual([tap('Equal'), tap('KeyE')])
  })

  test('a list is typed without anything between', () => {
    expect(steps(['a', 'b<enter>'])).toEqual([tap('KeyA'), tap('KeyB'), tap('Enter')])
  })

  test.each([
    'cat < x',
    'cat <x',
    'a<b',
    'a<b>c',
    '<foo>',
    '<<',
    '<>',
    '<>>',
    'cat <<EOF',
    '<html lang="en">',
    '</body>',
    '<a>',
    '<=>',
    '<waiter>',
    '<f13x>',
    '<br>',
    '<!-- - -->',
    'x <-y',
    '<a-b>',
    '< enter >',
    'if [ $a <lt> ]'.replace('<lt>', '< 5'),
  ])('a < that begins no known word is typed as it stands: %s', (text) => {
    expect(steps(text)).toEqual(steps(text.replaceAll('<', '<lt>')))
  })

  test('a key may follow a < that is text', () => {
    expect(steps('<<enter>')).toEqual([tap('ShiftLeft', 'Comma'), tap('Enter')])
    expect(steps('cat <<EOF<enter>')).toEqual([...steps('cat '), ...steps('<lt><lt>EOF'), tap('Enter')])
  })

  test('brackets are written <lt> and <gt>, and > stands for itself', () => {
    expect(steps('<lt><GT>>')).toEqual([
      tap('ShiftLeft', 'Comma'),
      tap('ShiftLeft', 'Period'),
      tap('ShiftLeft', 'Period'),
    ])
  })

  test('line ends are Enter', () => {
    expect(steps('\r\n\n')).toEqual([tap('Enter'), tap('Enter')])
  })
})

describe('keys', () => {
  test.each([
    ['enter', 'Enter'],
    ['return', 'Enter'],
    ['esc', 'Escape'],
    ['tab', 'Tab'],
    ['bs', 'Backspace'],
    ['del', 'Delete'],
    ['f1', 'F1'],
    ['F12', 'F12'],
    ['up', 'ArrowUp'],
    ['left', 'ArrowLeft'],
    ['pageUp', 'PageUp'],
    ['pageDown', 'PageDown'],
    ['spacebar', 'Space'],
    ['insert', 'Insert'],
    ['home', 'Home'],
    ['end', 'End'],
    ['menu', 'ContextMenu'],
    ['leftAlt', 'AltLeft'],
    ['rightShift', 'ShiftRight'],
    ['rightSuper', 'MetaRight'],
    ['leftMeta', 'MetaLeft'],
    ['rightMeta', 'MetaRight'],
    ['semicolon', 'Semicolon'],
    ['kp_enter', 'NumpadEnter'],
    ['KeyQ', 'KeyQ'],
    ['ArrowDown', 'ArrowDown'],
  ])('<%s>', (name, code) => {
    expect(steps(`<${name}>`)).toEqual([tap(code)])
  })

  test('combinations in W3C and QEMU style', () => {
    const codes = ['ControlLeft', 'AltLeft', 'Delete']
    expect(steps('<Control+Alt+Delete><ctrl-alt-delete>')).toEqual([tap(...codes), tap(...codes)])
  })

  test('On holds and Off lets go, of any key', () => {
    expect(steps('<leftCtrlOn>c<leftCtrlOff><f1On><aOn><aOff>')).toEqual([
      { kind: 'key', code: 'ControlLeft', down: true },
      tap('KeyC'),
      { kind: 'key', code: 'ControlLeft', down: false },
      { kind: 'key', code: 'F1', down: true },
      { kind: 'key', code: 'KeyA', down: true },
      { kind: 'key', code: 'KeyA', down: false },
    ])
  })

  test('<leftMetaOn> and its like', () => {
    expect(steps('<leftMetaOn>r<leftMetaOff>')).toEqual([
      { kind: 'key', code: 'MetaLeft', down: true },
      tap('KeyR'),
      { kind: 'key', code: 'MetaLeft', down: false },
    ])
  })

  test('a count behind the name repeats it; names that end in digits stay names', () => {
    expect(steps('<bs22>')).toEqual(Array.from({ length: 22 }, () => tap('Backspace')))
    expect(steps('<Down3><Control+Right2>')).toEqual([
      ...Array.from({ length: 3 }, () => tap('ArrowDown')),
      ...Array.from({ length: 2 }, () => tap('ControlLeft', 'ArrowRight')),
    ])
    expect(steps('<f12><kp_5><Digit7>')).toEqual([tap('F12'), tap('Numpad5'), tap('Digit7')])
    expect(error('<bs0>')).toBe("'<bs0>' at character 1 of --keys; a key is pressed 1 to 10000 times, not 0")
    expect(error('<bs99999999999>')).toContain('a key is pressed 1 to 10000 times')
  })

  test('text typed under a held Shift does not let go of it', () => {
    expect(steps('<rightShiftOn>A<rightShiftOff>A').filter((s) => s.kind === 'tap')).toEqual([
      tap('KeyA'),
      tap('ShiftLeft', 'KeyA'),
    ])
  })
})

describe('waits', () => {
  test.each([
    ['<wait>', 1e9],
    ['<wait5>', 5e9],
    ['<wait10s>', 10e9],
    ['<wait1m20s>', 80e9],
    ['<wait100ms>', 100e6],
    ['<WAIT 2s>', 2e9],
  ])('%s', (text, ns) => {
    expect(steps(text)).toEqual([{ kind: 'wait', ns }])
  })

  test.each([
    ["<wait 'Install'>", { source: 'Install', flags: '' }, undefined],
    ['<wait "it\'s > 5">', { source: "it's > 5", flags: '' }, undefined],
    ["<wait 'login:'i 30s>", { source: 'login:', flags: 'i' }, 30e9],
    ['<wait /boot: $/im 1m>', { source: 'boot: $', flags: 'im' }, 60e9],
    ["<wait 'don\\'t \\d+'>", { source: "don't \\d+", flags: '' }, undefined],
  ])('%s', (text, pattern, timeoutNs) => {
    const expected: BootStep = { kind: 'wait-text', pattern }
    if (timeoutNs !== undefined) expected.timeoutNs = timeoutNs
    expect(steps(text)).toEqual([expected])
  })
})

test('mouse', () => {
  expect(steps("<click 'Next >'><click><click right><mouse -10,20><mouse +3 4>")).toEqual([
    { kind: 'click-text', pattern: { source: 'Next >', flags: '' } },
    { kind: 'mouse-click', button: 'left' },
    { kind: 'mouse-click', button: 'right' },
    { kind: 'mouse-move', dx: -10, dy: 20 },
    { kind: 'mouse-move', dx: 3, dy: 4 },
  ])
})

describe('template words', () => {
  const variables = { HTTPIP: '10.0.2.2', HTTPPort: 80, Name: 'a.b<enter>' }

  test('of Packer’s HTTP server lead to the LAN’s, on the command line and in guests, too', () => {
    expect(steps('{{ .HTTPURL }} {{ .HTTPIP }}:{{ .HTTPPort }}')).toEqual(steps('http://10.0.2.2 10.0.2.2:80'))
    expect(steps('{{ .HTTPPort }}', { variables: { HTTPPort: 8080 } })).toEqual(steps('8080'))
  })

  test('are replaced in text, and what they bring is typed as it stands', () => {
    expect(steps('{{ .HTTPIP }}:{{.HTTPPort}}', { variables })).toEqual(steps('10.0.2.2:80'))
    expect(steps('{{ .Name }}', { variables })).toEqual(steps('a.b<lt>enter>'))
  })

  test('are literal in patterns', () => {
    expect(steps("<wait '^{{ .HTTPIP }} ok'>", { variables })).toEqual([
      { kind: 'wait-text', pattern: { source: '^10\\.0\\.2\\.2 ok', flags: '' } },
    ])
  })

  test('a quoted string stands for itself', () => {
    expect(steps('{{ "{{" }}{{ `}}` }}')).toEqual([
      tap('ShiftLeft', 'BracketLeft'),
      tap('ShiftLeft', 'BracketLeft'),
      tap('ShiftLeft', 'BracketRight'),
      tap('ShiftLeft', 'BracketRight'),
    ])
  })

  test('an unknown one is an error', () => {
    expect(error('x{{ .Foo }}', { Name: '' })).toBe(
      "unknown template word '{{ .Foo }}' at character 2 of --keys; known words are {{ .HTTPIP }}, {{ .HTTPPort }}, {{ .HTTPURL }}, {{ .Name }}",
    )
    expect(error('{{ .toString }}')).toContain('unknown template word')
    expect(error('a {{ .Name')).toContain("'{{' at character 3 of --keys; it is not closed with '}}'")
  })
})

describe('errors', () => {
  test('a slip names itself, its place, what was meant and the known ones', () => {
    expect(error('<wait><entr>')).toMatch(
      /^unknown key '<entr>' at character 7 of --keys; did you mean '<enter>'\? text in brackets is written <lt>entr>; known names are <enter>, <esc>/i,
    )
    expect(error('<lefCtrlOn>')).toContain("did you mean '<leftCtrlOn>'?")
    expect(error('<ctrl-alt-delte>')).toContain("did you mean '<ctrl-alt-Delete>'?")
  })

  test('the line of a list is named', () => {
    expect(error(['<enter>', 'x<entre>'])).toContain('at character 2 of line 2 of --keys')
  })

  test('without a source it is the boot command', () => {
    expect(() => parseBootCommand('<entre>')).toThrow('at character 1 of the boot command')
  })

  test.each([
    ['a <enter', "'<' at character 3 of --keys; it is not closed with '>'; the character '<' itself is written <lt>"],
    ["<wait 'abc>", "'<wait 'abc>' at character 1 of --keys; its pattern is not closed with '"],
    [
      "<wait 'a('>",
      "the pattern 'a(' in '<wait 'a('>' at character 1 of --keys; it is not a regular expression: Unterminated group",
    ],
    [
      "<wait 'a'g>",
      "the flags 'g' of pattern 'a' in '<wait 'a'g>' at character 1 of --keys; the flags are i, m, s and u",
    ],
    ["<wait ''>", "the pattern '' in '<wait ''>' at character 1 of --keys; it is empty and would match anything"],
    [
      '<wait5x>',
      "'5x' in '<wait5x>' at character 1 of --keys; it is not a duration such as '5', '100ms', '1m20s', nor a pattern in quotes",
    ],
    [
      "<wait 'a' soon>",
      "'soon' in '<wait 'a' soon>' at character 1 of --keys; it is not a duration such as '5', '100ms', '1m20s', nor a pattern in quotes",
    ],
    [
      '<click here>',
      "'here' in '<click here>' at character 1 of --keys; a click takes left, middle, right or a pattern in quotes",
    ],
    ['<mouse 5>', "'<mouse 5>' at character 1 of --keys; a movement is written <mouse dx,dy>"],
    ['ab漢', "the keyboard layout 'us' has no key for '漢' (U+6F22) at character 3 of --keys"],
  ])('%s', (text, message) => {
    expect(error(text)).toBe(message)
  })
})
