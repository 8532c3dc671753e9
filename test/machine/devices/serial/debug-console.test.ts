import { expect, test } from 'vitest'
import { DebugConsole } from '../../../../machine/devices/serial/debug-console.js'
import { loadState, saveState } from '../../../../machine/state/state-table.js'

test('prints what is written and reads E9, by which SeaBIOS finds it', () => {
  const printed: number[] = []
  const device = new DebugConsole({ base: 0x402, output: (byte) => printed.push(byte) })
  const [port] = device.ports
  expect([port.base, port.count, port.read(0, 1)]).toEqual([0x402, 1, 0xe9])
  for (const c of 'hi') port.write(0, c.charCodeAt(0), 1)
  expect(printed).toEqual([0x68, 0x69])
  loadState(device, saveState(device))
})

test('two of them have different names', () => {
  const output = () => {}
  expect(new DebugConsole({ base: 0x402, output }).name).not.toBe(new DebugConsole({ base: 0xe9, output }).name)
})
