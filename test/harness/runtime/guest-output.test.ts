import { expect, test } from 'vitest'
import { GuestOutput } from '../../../harness/runtime/guest-output.js'

test('the first byte of the debug console is handed on at once, what follows in one piece', () => {
  const heard: string[] = []
  const output = new GuestOutput(1, { onDebug: (bytes) => heard.push(Buffer.from(bytes).toString()) })
  const say = (text: string) => {
    for (const byte of Buffer.from(text)) output.debugByte(byte)
  }
  say('Sea')
  expect(heard).toEqual(['S'])
  output.flush(1)
  say('BIOS')
  output.flush(2)
  expect(heard).toEqual(['S', 'ea', 'BIOS'])
})
