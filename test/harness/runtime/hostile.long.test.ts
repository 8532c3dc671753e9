import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { findFirmware } from '../../../machine/firmware/find-firmware.js'
import { BOOT_SECTORS, runRandom, runSector } from './hostile.js'

/** Those that leave their CPU in a loop or a halt that nothing can end: that is said before the time-out. */
const HUNG = new Map([
  ['bmide_negative', 'hang'],
  ['control_hang', 'hang'],
  ['hlt_cli', 'halted'],
  ['hpet_storm', 'hang'],
])

test.each(BOOT_SECTORS)('%s ends in three seconds', (name) => {
  const { bios, vgaBios } = findFirmware()
  const firmware = { bios: readFileSync(bios.path), vgaBios: readFileSync(vgaBios.path) }
  const { outcome, reason, overrunMs, error } = runSector(name, firmware, 2000)
  const hung = HUNG.get(name)
  expect(outcome).toBe(hung ? 'failed' : 'timeout')
  if (hung) expect(reason).toBe(hung)
  expect(overrunMs).toBeLessThan(1000)
  expect(error ?? '').not.toContain('Bootwright')
})

test('500 random programs with a limit of 250 ms', { timeout: 600_000 }, () => {
  const overruns: number[] = []
  for (let seed = 1; seed <= 500; seed++) {
    const { overrunMs, error } = runRandom(seed, 250)
    expect(error ?? '', `seed ${seed}`).not.toContain('Bootwright')
    overruns.push(overrunMs)
  }
  console.log(`the largest overrun: ${Math.max(...overruns).toFixed(0)} ms`)
  expect(Math.max(...overruns)).toBeLessThan(1000)
})
