/**
 * Debian's installation on a host whose disk is full: it ends in one sentence that says where there is no room, and a stage
 * that cannot be kept is used all the same.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import debian from '../../guests/debian-12-amd64-unattended/guest.js'
import { afterAll, describe, expect, stage, test, vi } from '../../harness/vitest/index.js'
import { base, failureOf, lan, limits, retrieves } from './debian-served.js'
import { withoutMedia } from './media-here.js'

/** A file system of its own, of 64 MiB; undefined where this user may not mount one. */
function smallFolder(): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'bootwright-full-'))
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', folder]).status === 0) return folder
  rmSync(folder, { recursive: true })
  return undefined
}

const isHere = !(await withoutMedia(debian))
const full = isHere ? smallFolder() : undefined
if (full) {
  // The stage that it fails behind is built, or opened, where there is room.
  await base.ready()
  // Machines' threads have the environment that there was when they began.
  process.env.TMPDIR = full
}
const cache = process.env.BOOTWRIGHT_CACHE

describe.skipIf(!full)('on a host whose disk is full', () => {
  const folder = full as string
  afterAll(() => {
    spawnSync('umount', ['-l', folder])
    rmSync(folder, { recursive: true, force: true })
  })

  test.from(base)('an installation fails in a sentence that says so, and goes on from its stage', async () => {
    const { sentence, evidence } = await failureOf(
      stage('full host', { from: base, network: lan(), ...limits }, async (vm) => {
        await expect(vm.screen).toHaveText('Selecting the kernel to install')
      }),
    )
    expect(sentence).toMatch(/^the stage 'full host' could not be built: .*the guest failed: "\[!!\] .*"/)
    expect(sentence).toContain(
      `the empty disk 'disk0': the folder for temporary files ${folder} has less than 256 MiB left; ` +
        'make room there, or name another one with TMPDIR',
    )
    expect(evidence).toMatch(/last screen[\s\S]*Install the base system/)
    expect(evidence).toMatch(/last lines of COM1:[\s\S]*(I\/O error|Read-only file system|Remounting)/)
    const next = await base.fork({ network: lan(), ...limits })
    await expect(next.screen).toHaveText(retrieves)
    await next.close()
  })

  test.from(base)('a stage that cannot be kept is used, and said so', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
    process.env.BOOTWRIGHT_CACHE = folder
    try {
      const unkept = stage('unkept', { from: base, network: lan(), ...limits }, (vm) => vm.wait('1s'))
      const vm = await unkept.fork({ network: lan(), ...limits })
      await expect(vm.screen).toHaveText('Installing the base system')
      await vm.close()
      expect(warn.mock.calls.flat().join()).toMatch(/the stage 'unkept' is not kept: .*no space left on device/)
      expect(readdirSync(join(folder, 'stages'))).toEqual([])
    } finally {
      if (cache === undefined) delete process.env.BOOTWRIGHT_CACHE
      else process.env.BOOTWRIGHT_CACHE = cache
      warn.mockRestore()
    }
  })
})
