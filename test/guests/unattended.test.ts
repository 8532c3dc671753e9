/**
 * Definitions of systems that install themselves from the user's own medium: nobody has those here, so what can be looked at
 * is that each has a disk, its answers where its installer looks, and scripts that a shell reads.
 */
import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { loadGuest } from '../../harness/guest/guest.js'
import { partsOf } from '../../harness/guest/guest-media.js'

/** A text that stands in the medium, and one of its answers. */
const MEDIA: [guest: string, path: string, answer: string][] = [
  ['ubuntu-server', 'CIDATA', 'fallback: offline-install'],
  ['fedora', 'OEMDRV', 'clearpart --all --initlabel'],
  ['alpine', 'ANSWERS', 'DISKOPTS="-m sys /dev/vda"'],
  ['opensuse', 'OEMDRV', 'http://www.suse.com/1.0/yast2ns'],
  ['freebsd', 'INSTALLE', 'PARTITIONS="ada0"'],
  ['windows-2000', 'WINNT   SIF', 'UnattendMode=FullUnattended'],
  ['windows-xp', 'WINNT   SIF', 'UnattendMode=FullUnattended'],
  ['windows-10', 'AUTOUN~1XML', '<Active>true</Active>'],
  ['windows-server', 'AUTOUN~1XML', '<Active>true</Active>'],
  ['windows-11', 'AUTOUN~1XML', 'BypassTPMCheck'],
]

test.each(MEDIA)('%s finds its answers on a medium of its own', async (name, path, answer) => {
  const { machine } = await loadGuest(name)
  const media = [...(machine.floppies ?? []), ...(machine.disks ?? [])]
  const found = media.flatMap((one) => ('kind' in one && one.kind === 'built' ? [Buffer.from(one.build([]))] : []))
  expect(found).toHaveLength(1)
  expect(found[0].includes(path, 0, 'latin1')).toBe(true)
  expect(found[0].includes(answer)).toBe(true)
})

const SERVED: [guest: string, path: string, answer: string][] = [
  ['openbsd', '/install.conf', 'Location of sets = cd0'],
  ['netbsd', '/install.sh', 'installboot -v'],
  ['arch', '/install.sh', 'pacstrap /mnt'],
]

test.each(SERVED)('%s fetches its answers from the LAN', async (name, path, answer) => {
  const { machine } = await loadGuest(name)
  const { http } = machine.network as { http: { [path: string]: { text: string } } }
  expect(http[path].text).toContain(answer)
  if (path.endsWith('.sh'))
    expect(spawnSync('bash', ['-n'], { input: http[path].text, encoding: 'utf8' })).toMatchObject({
      status: 0,
      stderr: '',
    })
})

test.each([...new Set([...MEDIA, ...SERVED].map(([name]) => name)), 'windows-98', 'reactos'])(
  '%s has a disk to be installed on, wants the user’s own medium, and is told apart from what was installed',
  async (name) => {
    const { machine, levels } = await loadGuest(name)
    expect(machine.disks?.length).toBeGreaterThan(0)
    expect(machine.cdrom && partsOf(machine.cdrom)).toMatchObject([{ kind: 'image', maker: expect.any(String) }])
    if (name !== 'arch') expect(levels.map((level) => level.name)).toContain('installed')
  },
)
