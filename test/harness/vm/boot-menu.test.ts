/** The firmware's boot menu, by a key, on real machines of both engines. */
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { MachineConfig } from '../../../harness/config/machine-config.js'
import { parseBootCommand } from '../../../harness/keys/boot-command.js'
import type { RunResult, Step } from '../../../harness/protocol/script.js'
import { VmThread } from '../../../harness/thread/machine-thread.js'
import { text } from '../../../harness/vm/conditions.js'
import { kvmAccess } from '../../../machine/cpu/kvm/access.js'
import { noFirmware } from '../../firmware-here.js'
import { programFloppy } from '../boot-programs.js'

const folder = mkdtempSync(join(tmpdir(), 'bootwright-menu-'))
const [floppy, disk] = ['idle', 'echo'] as const
for (const name of [floppy, disk]) writeFileSync(join(folder, `${name}.img`), programFloppy(name))

const noKvm = kvmAccess()?.why

async function run(config: MachineConfig, steps: Step[]): Promise<RunResult> {
  const vm = await VmThread.start({
    memory: 16 << 20,
    floppies: [{ path: join(folder, `${floppy}.img`) }],
    disks: [{ path: join(folder, `${disk}.img`) }],
    bootOrder: 'c',
    ...config,
  })
  try {
    return await vm.run({ steps, hostTimeoutMs: 50_000 })
  } finally {
    await vm.close()
  }
}

describe.each([
  { engine: 'soft' as const, skipped: noFirmware },
  { engine: 'kvm' as const, skipped: noKvm ?? noFirmware },
])('the boot menu on $engine', ({ engine, skipped }) => {
  test.skipIf(skipped)(
    `opens by Escape and boots what is chosen${skipped ? ` (skipped: ${skipped})` : ''}`,
    async () => {
      const result = await run({ engine, bootMenu: { waitMs: 60_000 } }, [
        ...parseBootCommand(
          "<wait 'Press ESC for boot menu'><esc><wait 'Select boot device:[\\s\\S]*2\\. Floppy'><wait1>2",
        ),
        { kind: 'until', condition: text(/^Booting from Floppy[\s\S]*idle here/) },
      ])
      expect(result.error).toBeUndefined()
      // The disk comes first in the boot order.
      expect(result.text).toMatch(/1\. ata0-0: BOOTWRIGHT[\s\S]*2\. Floppy \[drive A\]/)
    },
  )
})

test.skipIf(noFirmware)('the boot menu is offered for as long as asked, then the first drive boots', async () => {
  const booted: Step[] = [
    { kind: 'until', condition: { kind: 'serial', port: 0, pattern: { source: '>', flags: '' } } },
  ]
  const seconds = async (config: MachineConfig) => (await run({ engine: 'soft', ...config }, booted)).guestTimeNs / 1e9
  const without = await seconds({})
  expect((await seconds({ bootMenu: {} })) - without).toBeCloseTo(2.5, 0)
  expect((await seconds({ bootMenu: { waitMs: 7000 } })) - without).toBeCloseTo(7, 0)
})
