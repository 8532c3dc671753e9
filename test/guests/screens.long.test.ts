/** The screens of guests that boot within seconds, beside QEMU's; `npm run conformance -- screens` compares all. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { allMedia, loadGuest } from '../../harness/guest/guest.js'
import { findMedium } from '../../harness/guest/guest-media.js'
import { haveQemu, QEMU } from '../conformance/screens/qemu.js'
import { compareGuest } from '../conformance/screens/run.js'
import { noFirmware } from '../firmware-here.js'

const out = mkdtempSync(join(tmpdir(), 'bootwright-screens-'))
afterAll(() => rmSync(out, { recursive: true, force: true }))

const qemu = haveQemu()

/** How many screens each guest has to compare. */
describe.each([
  ['freedos', 2],
  ['elks', 2],
  ['grub-rescue-floppy', 3],
  ['kolibri', 3],
] as const)('%s', async (name, screens) => {
  const guest = await loadGuest(name)
  const media = await Promise.allSettled(allMedia(guest).map((medium) => findMedium(medium)))
  const lost = media.find((medium) => medium.status === 'rejected')
  const missing = qemu ? (lost?.reason.message ?? noFirmware) : `${QEMU} is needed`
  test.skipIf(missing)(`has QEMU's pixels${missing ? ` (skipped: ${missing})` : ''}`, async () => {
    const results = await compareGuest(guest, { out })
    expect(results.filter(({ status }) => status !== 'equal')).toEqual([])
    expect(results).toHaveLength(screens)
  })
})
