/**
 * What can go wrong while Debian installs itself: each ends in one sentence, with the installer's screen and its log, which
 * the preseed sends to the serial line; and what is mended goes on from the stage before.
 */
import debian from '../../guests/debian-12-amd64-unattended/guest.js'
import { describe, expect, stage, test } from '../../harness/vitest/index.js'
import { answering, base, begun, failureOf, lacking, lan, limits, retrieves, started, starts } from './debian-served.js'
import { withoutMedia } from './media-here.js'

describe.skipIf(await withoutMedia(debian))('an installation of Debian that fails', () => {
  test.from(started)('by a preseed with an error, and goes on when it is mended', async () => {
    const wrong = lan({ '/preseed.cfg': () => 'd-i debian-installer/locale\n' })
    const { sentence, evidence } = await failureOf(
      stage('wrong preseed', { from: started, network: wrong, ...limits }, begun),
    )
    expect(sentence).toMatch(/^the stage 'wrong preseed' could not be built: .*the guest failed: "\[!!\] .*"/)
    expect(evidence).toMatch(/last screen[\s\S]*preconfiguration file/)
    const began = starts
    await base.ready()
    expect(starts).toBe(began)
  })

  test.from(base)('by a repository without a package, and goes on when it is there', async () => {
    const network = lan({ '/debian/': lacking(/\/libc6_/) })
    const { sentence, evidence } = await failureOf(
      stage('no libc6', { from: base, network, ...limits }, async (vm) => {
        await expect(vm.screen).toHaveText(/Extracting /)
      }),
    )
    expect(sentence).toMatch(/^the stage 'no libc6' could not be built: .*the guest failed: "\[!!\] .*"/)
    // The installer does not say which package, but its log, which the preseed sends to COM1, where it ended.
    expect(evidence).toMatch(/last lines of COM1:[\s\S]*debootstrap-failed/)
    expect(evidence).toMatch(/asked of the LAN:[\s\S]*libc6_\S+.* 404/)
    const next = await base.fork({ network: lan(), ...limits })
    await expect(next.screen).toHaveText(retrieves)
    await next.close()
  })

  test.from(base)('by a power cut, and goes on from the stage before', async () => {
    const { sentence, evidence } = await failureOf(
      stage('power cut', { from: base, network: lan(), ...limits }, async (vm) => {
        await vm.wait('10s')
        await vm.power.reset()
        await expect(vm.screen).toHaveText(/^debian login:/, { timeout: '20s' })
      }),
    )
    expect(sentence).toMatch(/^the stage 'power cut' could not be built: ./)
    expect(evidence).toMatch(/Booting from Hard Disk/)
    const next = await base.fork({ network: lan(), ...limits })
    await expect(next.screen).toHaveText(retrieves)
    await next.close()
  })

  test.from(started)('by a disk that is too small', async () => {
    const network = lan({ '/preseed.cfg': answering('partman-auto/disk string /dev/vdb') })
    const { sentence, evidence } = await failureOf(stage('small disk', { from: started, network, ...limits }, begun))
    expect(sentence).toMatch(
      /^the stage 'small disk' could not be built: .*the guest failed: "\[!!\] Partition the disk"/,
    )
    expect(evidence).toMatch(/The disk \/dev\/vdb has 629 MB, and the base system\s+.*needs 1100 MB/)
    expect(evidence).toMatch(/last lines of COM1:[\s\S]*one-partition: error: too-small/)
  })
})
