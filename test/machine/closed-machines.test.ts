/** What a closed machine keeps, as long as somebody holds it: next to nothing. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { canMap } from '../../machine/state/guest-memory.js'
import { type BarePc, barePc } from './state/bare-pc.js'

const MACHINES = 50
const FILLED = 8 << 20

/** Resident memory of this process, bytes. */
function resident(): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
  return Number(kib) * 1024
}

test.runIf(canMap())(`${MACHINES} machines that were closed and are still held take no memory`, () => {
  const held: BarePc[] = []
  const before = resident()
  for (let i = 0; i < MACHINES; i++) {
    const machine = barePc({ memory: 16 << 20, floppies: [], disks: [], cdrom: undefined })
    machine.memory.write(1 << 20, new Uint8Array(FILLED).fill(i + 1))
    machine.run(100e3)
    machine.pc.close()
    held.push(machine)
  }
  expect(held).toHaveLength(MACHINES)
  // Their guests alone had 400 MB.
  expect((resident() - before) / 2 ** 20).toBeLessThan((MACHINES * FILLED) / 2 ** 20 / 2)
})
