import { describe, expect, test } from 'vitest'
import { parseViews, vncPassword } from '../../../harness/cli/view-options.js'

describe('--vnc', () => {
  test.each([
    [':1', { host: '127.0.0.1', port: 5901 }],
    ['localhost:0', { host: 'localhost', port: 5900 }],
    ['[::1]:2', { host: '::1', port: 5902 }],
    ['0.0.0.0:1,password=key.txt', { host: '0.0.0.0', port: 5901, passwordFile: 'key.txt' }],
  ])('%s', (vnc, expected) => {
    expect(parseViews({ vnc })).toEqual({ uiPort: undefined, vnc: expected })
  })

  test.each([
    ['1', "--vnc '1' is no display; give :1 for port 5901"],
    [':x', "--vnc ':x' is no display"],
    [':60000', 'display 60000 would be port 65900; the last is 59635'],
    [':1,passwd=x', "'passwd=x' is unknown; it takes password=FILE"],
    [':1,password=a,password=b', 'has password twice'],
  ])('%s is refused', (vnc, sentence) => {
    expect(() => parseViews({ vnc })).toThrow(sentence)
  })

  test('whoever can be reached from elsewhere needs a password', () => {
    const { vnc } = parseViews({ vnc: '0.0.0.0:1' })
    expect(() => vncPassword(vnc as never, undefined, {})).toThrow(
      /^--vnc 0\.0\.0\.0:1 can be reached .*,password=FILE/,
    )
    expect(vncPassword(vnc as never, undefined, { BOOTWRIGHT_VNC_PASSWORD: 'a' })).toBe('a')
    expect(vncPassword(vnc as never, 'b\n', { BOOTWRIGHT_VNC_PASSWORD: 'a' })).toBe('b')
    expect(() => vncPassword(vnc as never, '\n', {})).toThrow('the password is empty')
    expect(vncPassword({ host: '127.0.0.2', port: 5901 }, undefined, {})).toBeUndefined()
    // No address of loopback, though it looks like one.
    expect(() => vncPassword({ host: '127.evil.example', port: 5901 }, undefined, {})).toThrow('needs a password')
  })
})

describe('--ui', () => {
  test('takes any free port unless one is named', () => {
    expect(parseViews({ ui: true }).uiPort).toBe(0)
    expect(parseViews({ ui: true, uiPort: '8080' }).uiPort).toBe(8080)
    expect(parseViews({}).uiPort).toBeUndefined()
  })

  test.each([
    [{ uiPort: '80' }, 'add --ui'],
    [{ ui: true, uiPort: '70000' }, "'70000' is no port"],
    [{ ui: true, uiPort: '-1' }, "'-1' is no port"],
  ])('%j is refused', (flags, sentence) => {
    expect(() => parseViews(flags)).toThrow(sentence)
  })
})
