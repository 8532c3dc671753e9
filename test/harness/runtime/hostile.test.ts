import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { findFirmware } from '../../../machine/firmware/find-firmware.js'
import { runRandom, runSector } from './hostile.js'

const haveNasm = spawnSync('nasm', ['-v']).status === 0

describe.skipIf(!haveNasm)('a time-out holds within a second of the host’s processor', () => {
  const { bios, vgaBios } = findFirmware()
  const firmware = { bios: readFileSync(bios.path), vgaBios: readFileSync(vgaBios.path) }

  test.each([
    'vbe_clear_outs',
    'fwcfg_dma_outs',
    'pam_flip_outs',
    'bar_flip_outs',
    'hpet_storm3_hlt',
    'ud_tight',
    'msr_scan',
    'rep_lfb',
  ])('%s', (name) => {
    const { outcome, overrunMs } = runSector(name, firmware, 700)
    expect(outcome).toBe('timeout')
    expect(overrunMs).toBeLessThan(1000)
  })
})

test('random programs end in time, and none in a fault of ours', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const { overrunMs, error } = runRandom(seed, 50)
    expect(overrunMs, `seed ${seed}`).toBeLessThan(1000)
    expect(error ?? '', `seed ${seed}`).not.toContain('Bootwright')
  }
})
