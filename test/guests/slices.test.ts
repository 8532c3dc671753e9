import { expect, test } from 'vitest'
import freedos from '../../guests/freedos/guest.js'
import kolibri from '../../guests/kolibri/guest.js'
import openbsd from '../../guests/openbsd-installer/guest.js'
import { withoutMedia } from './media-here.js'
import { checkSlices, eachSlice } from './slices.js'

// Real mode with the firmware and a DOS; protected mode without paging; paging.
for (const [guest, seconds] of [
  [freedos, 1.2],
  [kolibri, 4.2],
  [openbsd, 2],
] as const) {
  const missing = await withoutMedia(guest)
  test.skipIf(missing)(
    `slices do not matter: ${guest.title}${missing ? ' (skipped: its image is not here)' : ''}`,
    async () => {
      expect.hasAssertions()
      const windows = { instructions: 20_000, count: 2, gap: 20e6, slices: eachSlice(7) }
      await checkSlices(guest, { from: seconds * 1e9, ...windows })
    },
    120_000,
  )
}
