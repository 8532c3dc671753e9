/** Whole machines with different thresholds of the JIT, side by side. */
import { readFileSync } from 'node:fs'
import { expect } from 'vitest'
import { createMachine } from '../../machine/create-machine.js'
import { findFirmware } from '../../machine/firmware/find-firmware.js'
import type { Machine, MachineOptions } from '../../machine/machine.js'

export type Shape = Partial<MachineOptions>

/** A machine of 32 MiB unless `shape` says otherwise, whose blocks are compiled after `jit` entries. */
function machine(shape: Shape, jit: string): Machine {
  const { bios, vgaBios } = findFirmware()
  const read = (path: string) => new Uint8Array(readFileSync(path))
  const before = process.env.BOOTWRIGHT_JIT
  process.env.BOOTWRIGHT_JIT = jit
  try {
    return createMachine({
      engine: 'soft',
      memory: 32 << 20,
      floppies: [],
      disks: [],
      firmware: { bios: read(bios.path), vgaBios: read(vgaBios.path) },
      ...shape,
    })
  } finally {
    if (before === undefined) delete process.env.BOOTWRIGHT_JIT
    else process.env.BOOTWRIGHT_JIT = before
  }
}

/** Runs them to guest time `end` and compares all of them at every `step` on the way; both are in ms. */
export function expectTheSame(shape: () => Shape, thresholds: readonly string[], end: number, step: number): void {
  const machines = thresholds.map((jit) => machine(shape(), jit))
  for (let t = step; t <= end; t += step) {
    for (const each of machines) each.run(t * 1e6)
    const [first, ...others] = machines.map((each) => `${each.instructions()} ${each.fingerprint()}`)
    for (const [i, other] of others.entries())
      expect(`${thresholds[i + 1]} at ${t} ms: ${other}`).toBe(`${thresholds[i + 1]} at ${t} ms: ${first}`)
  }
  expect(machines[0].instructions()).toBeGreaterThan(10_000)
}
