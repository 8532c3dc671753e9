import { expect, test } from 'vitest'
import debian64 from '../../guests/debian-12-amd64-kernel/guest.js'
import debian32 from '../../guests/debian-12-i386-kernel/guest.js'
import freedos from '../../guests/freedos/guest.js'
import kolibri from '../../guests/kolibri/guest.js'
import openbsd from '../../guests/openbsd-installer/guest.js'
import { Random } from '../random.js'
import { randomSlices } from '../slices.js'
import { withoutMedia } from './media-here.js'
import { checkSlices, eachSlice } from './slices.js'

const HOUR = 3_600_000

for (const [guest, from] of [
  [freedos, 2e9],
  [kolibri, 4e9],
  [openbsd, 3e9],
  [debian32, /Run \/init as init process/],
  [debian64, /Run \/init as init process/],
] as const) {
  const missing = await withoutMedia(guest)
  const note = missing ? ' (skipped: its media are not here)' : ''
  test.skipIf(missing)(
    `slices do not matter, 1 million instructions in each kind: ${guest.title}${note}`,
    async () => {
      expect.hasAssertions()
      await checkSlices(guest, { from, instructions: 200_000, count: 5, gap: 100e6, slices: eachSlice(11) })
    },
    HOUR,
  )
  // Where a user land pages in, fetches fault: a cut there once went another way.
  test.skipIf(missing)(
    `slices do not matter, 20 million instructions cut at random: ${guest.title}${note}`,
    async () => {
      expect.hasAssertions()
      const slices = { 'random ones': randomSlices(new Random(12)) }
      await checkSlices(guest, { from, instructions: 5_000_000, count: 4, gap: 100e6, slices })
    },
    HOUR,
  )
}
