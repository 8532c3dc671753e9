/** Every guest whose media are here, on the soft engine, to its top level. */
import { expect, test } from 'vitest'
import { guestNames, loadGuest } from '../../harness/guest.js'
import { runCell } from '../../harness/matrix-run.js'

test.each(guestNames())('%s reaches its top level', async (name) => {
  const guest = await loadGuest(name)
  const cell = await runCell({ ...guest, hostTimeout: '28m' }, { engine: 'soft' })
  expect(cell.status === 'skipped' ? '' : cell.reason, cell.reason).toBeFalsy()
})
