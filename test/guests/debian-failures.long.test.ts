/**
 * What can go wrong while Debian installs itself: each ends in one sentence, with the installer's screen and its log, which
 * the preseed sends to the serial line; and what is mended goes on from the stage before.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import debian from '../../guests/debian-12-amd64-unattended/guest.js'
import type { HttpFunction } from '../../harness/index.js'
import { describe, expect, stage, test } from '../../harness/vitest/index.js'
import { withoutMedia } from './media-here.js'

const { network } = debian.machine
const { http } = network as { http: { [path: string]: string } }

const repository: HttpFunction = ({ path }) =>
  readFile(join(http['/debian/'], decodeURIComponent(path).replace('/debian/', ''))).catch(() => ({ status: 404 }))

const answers: HttpFunction = () => readFile(http['/preseed.cfg'])

const lan = (changes: { [path: string]: HttpFunction } = {}) => ({
  ...network,
  http: { ...http, '/preseed.cfg': answers, '/debian/': repository, ...changes },
})

const limits = { timeout: '1h', hostTimeout: '1h' } as const
let starts = 0

const started = stage('debian-12-started', { guest: debian, engine: 'soft', network: lan(), ...limits }, async (vm) => {
  starts++
  await expect(vm.screen).toHaveText('Configuring the network')
})

const base = stage('debian-12-debootstrap', { from: started, network: lan(), ...limits }, async (vm) => {
  await expect(vm.screen).toHaveText('Installing the base system')
})

describe.skipIf(await withoutMedia(debian))('an installation of Debian that fails', () => {
  test.from(started)('by a preseed with an error, and goes on when it is mended', async () => {
    const wrong = lan({ '/preseed.cfg': () => 'd-i debian-installer/locale\n' })
    const failing = stage('wrong preseed', { from: started, network: wrong, ...limits }, async (vm) => {
      await expect(vm.screen).toHaveText('Installing the base system')
    })
    const { message } = (await failing.ready().catch((error: Error) => error)) as Error
    expect(message).toMatch(/^the stage 'wrong preseed' could not be built: [^\n]*the guest failed: "\[!!\] [^\n]*"/)
    expect(message).toMatch(/last screen[\s\S]*preconfiguration file/)
    const began = starts
    await base.ready()
    expect(starts).toBe(began)
  })

  test.from(base)('by a power cut, and goes on from the stage before', async () => {
    const cut = stage('power cut', { from: base, network: lan(), ...limits }, async (vm) => {
      await vm.wait('10s')
      await vm.power.reset()
      await expect(vm.screen).toHaveText(/^debian login:/, { timeout: '20s' })
    })
    const { message } = (await cut.ready().catch((error: Error) => error)) as Error
    expect(message).toMatch(/^the stage 'power cut' could not be built: [^\n]+\n/)
    expect(message).toMatch(/Booting from Hard Disk/)
    const next = await base.fork({ network: lan(), ...limits })
    await expect(next.screen).toHaveText(/(Retrieving|Validating) /)
    await next.close()
  })
})
