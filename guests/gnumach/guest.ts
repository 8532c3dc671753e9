import { gunzipSync } from 'node:zlib'
import { built, defineGuest, packageFile, text } from 'bootwright'
import { firmware } from '../levels.js'

const kernel = built(
  'gnumach-1.8-486',
  [packageFile('gnumach-image-1.8-486', '/boot/gnumach-1.8-486.gz', { unpackOnly: true })],
  ([packed]) => gunzipSync(packed),
)

/** The microkernel alone: Debian has the servers of its Hurd for hurd-i386 only. */
export default defineGuest({
  name: 'gnumach',
  title: 'GNU Mach 1.8',
  family: 'Hurd',
  licence: 'GPL-2.0-or-later and CMU Mach',
  machine: { memory: 64, kernel: { image: kernel } },
  levels: [
    firmware,
    { name: 'kernel', title: 'its name and version', until: text('GNU Mach 1.8') },
    { name: 'devices', title: 'it has found its serial lines', until: text('com0: at atbus0'), timeout: '30s' },
    {
      name: 'bootstrap',
      title: 'it asks for the servers that it is to start',
      until: text('No bootstrap code loaded'),
      timeout: '30s',
      note: 'the kernel alone: no servers are given to it',
    },
  ],
})
