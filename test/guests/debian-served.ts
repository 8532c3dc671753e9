/**
 * Debian's installation as a LAN serves it whose files are a test's own functions: what is wrong with them comes and goes
 * from stage to stage.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import debian from '../../guests/debian-12-amd64-unattended/guest.js'
import type { HttpFunction } from '../../harness/index.js'
import { expect, type Stage, stage } from '../../harness/vitest/index.js'
import type { Vm } from '../../harness/vm/vm.js'

const { network } = debian.machine
const { http } = network as { http: { [path: string]: string } }

const repository: HttpFunction = ({ path }) =>
  readFile(join(http['/debian/'], decodeURIComponent(path).replace('/debian/', ''))).catch(() => ({ status: 404 }))

const answers: HttpFunction = () => readFile(http['/preseed.cfg'])

/** The preseed, and one answer more. */
export const answering =
  (answer: string): HttpFunction =>
  async () =>
    `${await readFile(http['/preseed.cfg'], 'utf8')}d-i ${answer}\n`

export const lan = (changes: { [path: string]: HttpFunction } = {}) => ({
  ...network,
  http: { ...http, '/preseed.cfg': answers, '/debian/': repository, ...changes },
})

/** The repository without the packages whose files are named so. */
export const lacking =
  (file: RegExp): HttpFunction =>
  (request) =>
    file.test(request.path) ? { status: 404 } : repository(request)

export const limits = { timeout: '1h', hostTimeout: '1h' } as const
/** Which the installer leaves alone unless a preseed names it. */
const SMALL = { size: '600M', if: 'virtio' } as const

/** How often an installation was begun. */
export let starts = 0

/** The installer's kernel runs its first program. */
const booted = stage(
  'debian-12-booted',
  { guest: debian, engine: 'soft', network: lan(), disks: [{ size: '4G', if: 'virtio' }, SMALL], ...limits },
  async (vm) => {
    starts++
    await expect(vm.screen).toHaveText('Starting system log daemon')
  },
)

export const started = stage('debian-12-started', { from: booted, network: lan(), ...limits }, async (vm) => {
  await expect(vm.screen).toHaveText('Configuring the network')
})

export const base = stage('debian-12-debootstrap', { from: started, network: lan(), ...limits }, async (vm) => {
  await expect(vm.screen).toHaveText('Installing the base system')
})

/** Of a stage that cannot be built: the sentence, and all of its evidence. */
export async function failureOf(failing: Stage): Promise<{ sentence: string; evidence: string }> {
  const thrown = await failing.ready().then(
    () => undefined,
    (error: Error) => error,
  )
  const [sentence, ...evidence] = (thrown?.message ?? 'it was built').split('\n')
  return { sentence, evidence: evidence.join('\n') }
}

export const begun = async (vm: Vm) => {
  await expect(vm.screen).toHaveText('Installing the base system')
}

/** Of debootstrap, which goes on. */
export const retrieves = /(Retrieving|Validating) /
