import { expect, test } from 'vitest'
import { PortLog } from '../../../machine/bus/port-log.js'

const nameOf = (port: number) => (port === 0x64 ? '8042' : undefined)

test('what is done again is one entry, with the last value, at the end', () => {
  const log = new PortLog()
  log.note(1, 0x80, 7, 1)
  for (let value = 0; value < 5; value++) log.note(0, 0x64, value, 1)
  log.note(1, 0x64, 0xae, 1)
  log.note(1, 0x80, 8, 2)
  expect(log.list(nameOf)).toEqual([
    { kind: 'read', port: 0x64, name: '8042', size: 1, value: 4, times: 5 },
    { kind: 'write', port: 0x64, name: '8042', size: 1, value: 0xae, times: 1 },
    { kind: 'write', port: 0x80, size: 2, value: 8, times: 2 },
  ])
})

test('the last eight are kept, and port 0 is one like the others', () => {
  const log = new PortLog()
  expect(log.list(nameOf)).toEqual([])
  for (let port = 20; port >= 0; port--) log.note(1, port, 0xffffffff, 4)
  expect(log.list(nameOf).map(({ port }) => port)).toEqual([7, 6, 5, 4, 3, 2, 1, 0])
  expect(log.list(nameOf)[0]).toMatchObject({ size: 4, value: 0xffffffff })
})
