/** A test kernel on a machine that a debugger may stop, and what of its run must not change by that. */
import { readFileSync } from 'node:fs'
import { createMachine } from '../../../machine/create-machine.js'
import type { SymbolFile } from '../../../machine/debug/symbols/symbol-file.js'
import { findFirmware } from '../../../machine/firmware/find-firmware.js'
import type { Machine, MachineExit } from '../../../machine/machine.js'

export function debuggedKernel(kernel: string, symbols?: SymbolFile): Machine {
  const { bios, vgaBios } = findFirmware()
  return createMachine({
    engine: 'soft',
    memory: 16 << 20,
    floppies: [],
    disks: [],
    firmware: { bios: readFileSync(bios.path), vgaBios: readFileSync(vgaBios.path) },
    kernel: { image: readFileSync(kernel), name: 'kernel' },
    ...(symbols && { symbols: [{ file: symbols }] }),
  })
}

/** Closes the machine. */
export function resultOf(machine: Machine, exit: MachineExit | undefined) {
  const result = { reason: exit?.reason, instructions: machine.instructions(), hash: machine.fingerprint() }
  machine.close()
  return result
}
