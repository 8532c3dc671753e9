/** Every guest whose media are here, on the soft engine, to its top level. */
import { expect, test } from 'vitest'
import { guestNames, loadGuest } from '../../harness/guest/guest.js'
import { runCell } from '../../harness/guest/matrix-run.js'

/** Has a test of its own: a whole installation takes longer. */
const INSTALLED = 'debian-12-amd64-unattended'

test.each(guestNames().filter((name) => name !== INSTALLED))('%s reaches its top level', async (name) => {
  const guest = await loadGuest(name)
  const cell = await runCell({ ...guest, hostTimeout: '28m' }, { engine: 'soft' })
  expect(cell.status === 'skipped' ? '' : cell.reason, cell.reason).toBeFalsy()
})

// Each CPU costs Linux memory: with less, the installer goes into its low-memory mode.
test.each(['debian-12-amd64-installer', 'debian-12-amd64-gtk-installer'])('%s with four CPUs', async (name) => {
  const guest = await loadGuest(name)
  const machine = { ...guest.machine, cpus: 4, memory: 1024 }
  const cell = await runCell({ ...guest, machine, hostTimeout: '28m' }, { engine: 'soft' })
  expect(cell.status === 'skipped' ? '' : cell.reason, cell.reason).toBeFalsy()
})
