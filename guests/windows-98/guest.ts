import { built, defineGuest, image, text } from 'bootwright'
import { buildDisk } from '../../fixtures/disk.js'
import { desktop, firmware, installed } from '../levels.js'
import { msbatch } from '../windows.js'

// Its CD boots DOS, which would ask for FDISK and FORMAT: the disk has a partition already, and the answers in it.
const disk = built('windows-98-disk.img', [], () => {
  const files = msbatch().files.map(({ path, data }) => ({ path, data: new TextEncoder().encode(data) }))
  return buildDisk({ partitions: [{ megabytes: 504, label: 'WINDOWS', active: true, files }] })
})

/** The CD is the second drive behind the disk where DOS has a RAM disk, else the first. */
const SETUP = 'for %d in (d: e:) do if exist %d\\win98\\setup.exe %d\\win98\\setup.exe /is /iv c:\\msbatch.inf<enter>'

// Nobody has booted it here yet: the levels are what its makers describe.
export default defineGuest({
  name: 'windows-98',
  title: 'Windows 98, installs itself by an MSBATCH.INF',
  family: 'Windows',
  licence: 'LicenseRef-Microsoft',
  machine: {
    memory: 64,
    boot: 'order=dc',
    cdrom: image('win98*.iso', { maker: 'a bootable CD of one’s own; its key is BOOTWRIGHT_WINDOWS_KEY' }),
    disks: [disk],
  },
  levels: [
    firmware,
    { name: 'loader', title: 'its boot menu', until: text(/CD-ROM support|Boot from CD/i), timeout: '5m' },
    {
      name: 'dos',
      title: 'DOS’s prompt',
      keys: "2<enter><wait 'CD-ROM support'>2<enter>",
      until: text(/^[A-E]:\\.*>$/m),
      timeout: '5m',
    },
    { name: 'installer', title: 'Setup', keys: SETUP, until: text(/Setup/), timeout: '30m' },
    // From the CD's own menu, the disk is its first entry and the one that it takes by itself.
    installed('2h'),
    desktop('2h'),
  ],
  hostTimeout: '6h',
  heavy: 'installs a whole system',
})
