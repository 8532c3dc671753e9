/** `savevm`, `loadvm` and `delvm`: what they keep is open as long as it is needed, and no longer. */
import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { VmThread } from '../../../harness/thread/machine-thread.js'
import { noFirmware } from '../../firmware-here.js'
import { programFloppy } from '../boot-programs.js'

const folder = mkdtempSync(join(tmpdir(), 'bootwright-kept-'))
afterAll(() => rmSync(folder, { recursive: true }))
const floppy = join(folder, 'echo.img')
writeFileSync(floppy, programFloppy('echo'))

/** Files without a name that this process has open. */
function memfds(): number {
  const names = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`)
    } catch {
      return ''
    }
  })
  return names.filter((name) => name.startsWith('/memfd:')).length
}

test.skipIf(noFirmware || process.platform !== 'linux')(
  'states that are kept and forgotten leave nothing open',
  async () => {
    const before = memfds()
    const vm = await VmThread.start({ memory: 16 << 20, engine: 'soft', floppies: [{ path: floppy }] })
    const run = (ns: number) => vm.run({ steps: [{ kind: 'wait', ns }] })
    const instructions = async () => (await vm.look()).instructions
    await run(300e6)
    expect(await vm.monitor('savevm first')).toBe('')
    const there = await instructions()
    let most = 0
    for (let i = 0; i < 20; i++) {
      await run(20e6)
      expect(await vm.monitor('savevm again')).toBe('')
      most = Math.max(most, memfds() - before)
    }
    // Those of one state are folded together when they become many.
    expect(most).toBeLessThan(30)
    expect(await vm.monitor('delvm again')).toBe('')
    // A fork stands on some of the same files, and goes before.
    const fork = await vm.fork()
    await fork.close()
    expect(await vm.monitor('loadvm first')).toBe('')
    expect(await instructions()).toBe(there)
    await run(20e6)
    expect(await vm.monitor('loadvm first')).toBe('')
    expect(await instructions()).toBe(there)
    expect(await vm.monitor('delvm first')).toBe('')
    expect(await vm.monitor('delvm first')).toBe("there is no snapshot 'first'\n")
    expect((await run(20e6)).outcome).toBe('ok')
    await vm.close()
    await expect.poll(memfds).toBe(before)
  },
)
