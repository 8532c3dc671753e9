import { beforeEach, describe, expect, test } from 'vitest'
import { Ps2Keyboard } from '../../../../machine/devices/input/ps2-keyboard.js'
import { SCAN_CODES } from '../../../../machine/devices/input/scancodes.js'
import { loadState, saveState } from '../../../../machine/state/state-table.js'

let keyboard: Ps2Keyboard
let warnings: string[]
beforeEach(() => {
  warnings = []
  keyboard = new Ps2Keyboard({ warn: (what) => warnings.push(what) })
})

function drain(k = keyboard): string {
  const bytes: string[] = []
  while (k.pending() > 0) bytes.push(k.read().toString(16).padStart(2, '0'))
  return bytes.join(' ')
}

function send(...bytes: number[]): string {
  for (const byte of bytes) keyboard.write(byte)
  return drain()
}

function down(code: string): string {
  keyboard.key({ code, down: true })
  return drain()
}

function up(code: string): string {
  keyboard.key({ code, down: false })
  return drain()
}

describe('scan codes', () => {
  // Measured on QEMU 7.2's PS/2 keyboard: make and break in sets 2, 3 and 1.
  test.each([
    ['KeyA', '1c', 'f0 1c', '1c', 'f0 1c', '1e', '9e'],
    ['Digit0', '45', 'f0 45', '45', 'f0 45', '0b', '8b'],
    ['F7', '83', 'f0 83', '37', 'f0 37', '41', 'c1'],
    ['F12', '07', 'f0 07', '5e', 'f0 5e', '58', 'd8'],
    ['Backslash', '5d', 'f0 5d', '5c', 'f0 5c', '2b', 'ab'],
    ['IntlBackslash', '61', 'f0 61', '13', 'f0 13', '56', 'd6'],
    ['CapsLock', '58', 'f0 58', '14', 'f0 14', '3a', 'ba'],
    ['ControlRight', 'e0 14', 'e0 f0 14', '58', 'f0 58', 'e0 1d', 'e0 9d'],
    ['AltRight', 'e0 11', 'e0 f0 11', '39', 'f0 39', 'e0 38', 'e0 b8'],
    ['MetaLeft', 'e0 1f', 'e0 f0 1f', '8b', 'f0 8b', 'e0 5b', 'e0 db'],
    ['ContextMenu', 'e0 2f', 'e0 f0 2f', '8d', 'f0 8d', 'e0 5d', 'e0 dd'],
    ['ArrowUp', 'e0 75', 'e0 f0 75', '63', 'f0 63', 'e0 48', 'e0 c8'],
    ['Delete', 'e0 71', 'e0 f0 71', '64', 'f0 64', 'e0 53', 'e0 d3'],
    ['NumpadEnter', 'e0 5a', 'e0 f0 5a', '79', 'f0 79', 'e0 1c', 'e0 9c'],
    ['NumpadSubtract', '7b', 'f0 7b', '4e', 'f0 4e', '4a', 'ca'],
    ['AudioVolumeUp', 'e0 32', 'e0 f0 32', '95', 'f0 95', 'e0 30', 'e0 b0'],
    ['PrintScreen', 'e0 12 e0 7c', 'e0 f0 7c e0 f0 12', '57', 'f0 57', 'e0 2a e0 37', 'e0 b7 e0 aa'],
    ['Pause', 'e1 14 77 e1 f0 14 f0 77', '', '62', 'f0 62', 'e1 1d 45 e1 9d c5', ''],
  ])('%s', (code, make2, break2, make3, break3, make1, break1) => {
    expect([down(code), up(code)]).toEqual([make2, break2])
    send(0xf0, 3)
    expect([down(code), up(code)]).toEqual([make3, break3])
    send(0xf0, 1)
    expect([down(code), up(code)]).toEqual([make1, break1])
  })

  test('PrintScreen with Alt is SysRq, with Control or Shift has no fake shift, and is released as it was pressed', () => {
    down('AltLeft')
    expect(down('PrintScreen')).toBe('84')
    up('AltLeft')
    expect(up('PrintScreen')).toBe('f0 84')
    down('ShiftRight')
    expect([down('PrintScreen'), up('PrintScreen')]).toEqual(['e0 7c', 'e0 f0 7c'])
  })

  test('Pause with Control is Break', () => {
    down('ControlLeft')
    expect([down('Pause'), up('Pause')]).toEqual(['e0 7e e0 f0 7e', ''])
  })

  test('no two keys share a code in set 2', () => {
    const seen = new Map<number, string>()
    const aliases = new Set(['OSLeft', 'OSRight', 'VolumeMute', 'VolumeDown', 'VolumeUp'])
    for (const [code, { set2 }] of SCAN_CODES) {
      if (set2 < 0 || aliases.has(code)) continue
      expect(seen.get(set2), code).toBeUndefined()
      seen.set(set2, code)
    }
    expect(seen.size).toBeGreaterThan(104)
  })

  test('a held key repeats only when the host says so', () => {
    down('KeyA')
    expect(down('KeyA')).toBe('1c')
  })

  test('a key without a code is warned of', () => {
    expect(down('NoSuchKey')).toBe('')
    expect(warnings).toEqual(['key NoSuchKey has no code in scan code set 2'])
  })
})

describe('commands', () => {
  test('echo, id, reset', () => {
    expect(send(0xee)).toBe('ee')
    expect(send(0xf2)).toBe('fa ab 83')
    expect(send(0xff)).toBe('fa aa')
  })

  test('LEDs are set, and a command in place of the argument is obeyed', () => {
    expect(send(0xed, 0x02)).toBe('fa')
    expect(keyboard.leds).toBe(2)
    send(0xed)
    expect(send(0xf2)).toBe('fa ab 83')
    expect(keyboard.leds).toBe(2)
  })

  test('the scan code set is set, told, and refused beyond 3', () => {
    expect(send(0xf0, 0)).toBe('fa 02')
    send(0xf0, 1)
    expect(send(0xf0, 0)).toBe('fa 01')
    expect(send(0xf0, 7)).toBe('fe')
    expect(send(0xf0, 0)).toBe('fa 01')
    send(0xf6)
    expect(send(0xf0, 0)).toBe('fa 02')
  })

  test('the typematic rate is taken', () => {
    expect(send(0xf3, 0x20)).toBe('fa')
    expect(keyboard.typematicRate).toBe(0x20)
  })

  test('F5 stops the keys, F4 lets them through', () => {
    expect(send(0xf5)).toBe('fa')
    expect(down('KeyA')).toBe('')
    expect(send(0xf4)).toBe('fa')
    expect(up('KeyA')).toBe('f0 1c')
  })

  test('in set 3 breaks go by the key types', () => {
    send(0xf0, 3)
    send(0xf7)
    expect([down('KeyA'), up('KeyA')]).toEqual(['1c', ''])
    send(0xfa)
    expect(up('KeyA')).toBe('f0 1c')
    // A list of keys, ended by the next command.
    expect(send(0xfd, 0x1c, 0x32, 0xf4)).toBe('fa')
    expect([up('KeyA'), up('KeyB'), up('KeyC')]).toEqual(['', '', 'f0 21'])
    send(0xfc, 0x1c, 0xf4)
    expect(up('KeyA')).toBe('f0 1c')
  })

  test('FE sends the last byte again, and an unknown command gets FE', () => {
    down('KeyA')
    expect(send(0xfe)).toBe('1c')
    expect(send(0xef)).toBe('fe')
    expect(warnings).toHaveLength(1)
  })

  test('a new command drops what is left of the last reply', () => {
    keyboard.write(0xf2)
    expect(keyboard.read()).toBe(0xfa)
    expect(send(0xee)).toBe('ee')
  })
})

describe('queue', () => {
  test('keeps 16 bytes and then the overrun marker, once', () => {
    for (let i = 0; i < 20; i++) keyboard.key({ code: 'KeyA', down: true })
    expect(keyboard.pending()).toBe(17)
    expect(drain()).toBe(`${'1c '.repeat(16)}00`)
    expect(down('KeyB')).toBe('32')
  })

  test('takes a sequence as a whole or not at all', () => {
    for (let i = 0; i < 15; i++) keyboard.key({ code: 'KeyA', down: true })
    keyboard.key({ code: 'ArrowUp', down: true })
    keyboard.key({ code: 'KeyB', down: true })
    expect(drain()).toBe(`${'1c '.repeat(15)}00`)
  })

  test('onData announces keys and replies', () => {
    let calls = 0
    keyboard.onData = () => calls++
    keyboard.key({ code: 'KeyA', down: true })
    keyboard.write(0xee)
    expect(calls).toBe(2)
  })

  test('a reply fits even when the queue is full', () => {
    for (let i = 0; i < 20; i++) keyboard.key({ code: 'KeyA', down: true })
    keyboard.write(0xf2)
    expect(drain().slice(0, 8)).toBe('fa ab 83')
  })
})

test('a restore in mid-operation continues the same', () => {
  keyboard.key({ code: 'AltLeft', down: true })
  drain()
  keyboard.key({ code: 'PrintScreen', down: true })
  keyboard.write(0xed)
  const copy = new Ps2Keyboard()
  loadState(copy, structuredClone(saveState(keyboard)))
  for (const k of [keyboard, copy]) {
    expect(drain(k)).toBe('fa 84')
    k.write(5)
    expect(k.leds).toBe(5)
    k.key({ code: 'PrintScreen', down: false })
    expect(drain(k)).toBe('fa f0 84')
  }
})
