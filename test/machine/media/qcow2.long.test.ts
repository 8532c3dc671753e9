/** A thousand images through a kill or a power cut, judged by qemu-img. BOOTWRIGHT_SEEDS=from,to repeats some of them. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { haveQemuImg, runSequence } from './qcow2-sequences.js'

test.skipIf(!haveQemuImg)(
  '1,000 sequences leave sound images, and lose nothing that was flushed',
  { timeout: 3.6e6 },
  () => {
    // In memory where the host has that: each sequence asks several times that its writes be kept.
    const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'bootwright-qcow2-'))
    const [from, to] = (process.env.BOOTWRIGHT_SEEDS ?? '0,1000').split(',').map(Number)
    const wrong: string[] = []
    for (let seed = from; seed < to; seed++) {
      try {
        runSequence(seed, folder)
      } catch (error) {
        wrong.push((error as Error).message)
      }
    }
    rmSync(folder, { recursive: true })
    expect(wrong).toEqual([])
  },
)
