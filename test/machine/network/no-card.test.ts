/**
 * A guest without a network card costs nothing: whatever is served, nothing of the network is there, no timer of its is
 * known, and a run is the same. Nor does a card that no driver touches take anything of the guest.
 */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { MachineClock } from '../../../machine/clock.js'
import { createMachine } from '../../../machine/create-machine.js'
import { findFirmware } from '../../../machine/firmware/find-firmware.js'
import type { MachineOptions } from '../../../machine/machine.js'
import type { NicSpec } from '../../../machine/network/machine-network.js'
import { firmwareNote, noFirmware } from '../../firmware-here.js'

const SECOND = 1e9
const SERVED: Partial<MachineOptions> = {
  network: { http: { '/': { kind: 'bytes', body: Buffer.from('served') } }, wayOut: () => true },
}

/** SeaBIOS until it has found nothing to boot, and on. */
function run(options: Partial<MachineOptions>) {
  const { bios, vgaBios } = findFirmware()
  const machine = createMachine({
    ...({ engine: 'soft', memory: 16 << 20, floppies: [], disks: [] } as const),
    firmware: { bios: readFileSync(bios.path), vgaBios: readFileSync(vgaBios.path), file: () => undefined },
    ...options,
  })
  try {
    expect(machine.run(SECOND)).toBeUndefined()
    const { clock } = machine as unknown as { clock: MachineClock }
    const { timers } = clock as unknown as { timers: { name: string }[] }
    return {
      counts: { instructions: machine.instructions(), time: machine.now(), due: clock.armed() },
      timers: timers.map(({ name }) => name).sort(),
      devices: Object.keys(machine.save().devices),
      fingerprint: machine.fingerprint(),
    }
  } finally {
    machine.close()
  }
}

describe.skipIf(noFirmware !== undefined)(`without a network card${firmwareNote}`, () => {
  const bare = noFirmware === undefined ? run({}) : undefined

  test('a machine has nothing of the network, whatever is served', () => {
    expect(run(SERVED)).toEqual(bare)
    expect(bare?.devices).not.toContain('network')
  })

  test('it runs as one with a card that nobody touches, of whose timers none is armed', () => {
    const nic: NicSpec = { type: 'ne2k_isa', id: 'net0', mac: '52:54:00:12:34:56', net: 'lan' }
    const { counts, timers, devices } = run({ ...SERVED, nics: [nic] })
    expect(counts).toEqual(bare?.counts)
    // And the test would see them.
    expect(devices).toEqual(expect.arrayContaining(['network', 'net0']))
    expect(timers.length).toBeGreaterThan(bare?.timers.length ?? 0)
  })
})
