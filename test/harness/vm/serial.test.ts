import { expect, test } from 'vitest'
import type { VmDriver } from '../../../harness/vm/driver.js'
import { SerialLine } from '../../../harness/vm/serial.js'

test('of a guest that floods its line the last megabytes are kept, whole', () => {
  const line = new SerialLine({} as VmDriver, 0)
  const chunk = new Uint8Array(1 << 20).fill(0x61)
  for (let i = 0; i < 40; i++) line.receive(chunk, i)
  line.receive(new TextEncoder().encode('the end'), 40)
  const { length } = line.raw()
  expect(length).toBeGreaterThan(16 << 20)
  expect(length).toBeLessThanOrEqual(32 << 20)
  expect(line.text()).toHaveLength(length)
  expect(line.text().endsWith('the end')).toBe(true)
  expect(line.record().events).toHaveLength(line.record().bytes.length)
})
