/** FreeDOS on KVM, from floppy and from disk; a KVM that emulates real mode takes half a minute for each. */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { buildFreeDosDisk } from '../../fixtures/disk.js'
import type { MachineConfig } from '../../harness/config/machine-config.js'
import { findMedium, image } from '../../harness/guest/guest-media.js'
import { VmThread } from '../../harness/thread/machine-thread.js'
import { text } from '../../harness/vm/conditions.js'
import { kvmAccess } from '../../machine/cpu/kvm/access.js'
import { noFirmware } from '../firmware-here.js'

const floppy = await findMedium(image('freedos722.img')).catch((error: Error) => error)
const missing = kvmAccess()?.why ?? noFirmware ?? (floppy instanceof Error ? floppy.message : undefined)

async function prompt(config: MachineConfig, until: RegExp): Promise<string | undefined> {
  const vm = await VmThread.start({ engine: 'kvm', memory: 16 << 20, ...config })
  try {
    const result = await vm.run({ steps: [{ kind: 'until', condition: text(until) }], hostTimeoutMs: 180_000 })
    expect(result.error).toBeUndefined()
    return result.text
  } finally {
    await vm.close()
  }
}

describe.skipIf(missing)(`FreeDOS on KVM${missing ? ` (skipped: ${missing})` : ''}`, () => {
  const path = floppy as string

  test('boots from floppy to its prompt', async () => {
    expect(await prompt({ floppies: [{ path }] }, /^A:\\>$/)).toContain('FreeDOS')
  })

  test('boots from disk to its prompt', async () => {
    const disk = join(mkdtempSync(join(tmpdir(), 'bootwright-freedos-')), 'disk.img')
    writeFileSync(disk, buildFreeDosDisk(new Uint8Array(readFileSync(path))))
    expect(await prompt({ disks: [{ path: disk }] }, /^C:\\>$/)).toContain('FreeDOS')
  })
})
