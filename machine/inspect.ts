/** What is to be seen of a machine while it stands still: for reports, and for a monitor. */
import type { Assembly } from './assembly.js'
import { formatAllRegisters } from './cpu/registers.js'
import type { MachineParts } from './debug/machine-parts.js'
import type { MachineReport } from './report.js'
import { saveState } from './state/state-table.js'

export function reportOn({ board, cpu, debugTarget, errors, ports, wiring }: Assembly): MachineReport {
  return {
    unhandled: errors.unhandled(),
    warnings: errors.warnings.list(),
    lastIo: wiring.portLog.list((port) => ports.nameOf(port)),
    faults: debugTarget.named(cpu.lastFaults()),
    registers: formatAllRegisters(cpu),
    backtraces: debugTarget.backtraces(),
    mouse: board.mouse.reporting,
  }
}

export function partsOf({ board, media, memory, network, nics, ports }: Assembly): MachineParts {
  const { types, devices, irqs, tray } = board
  const pci = board.pci.functions()
  return {
    devices: devices.map((device) => ({ name: device.name, type: types[device.name], state: saveState(device) })),
    memory: memory.describe(),
    ports: ports.ranges(),
    pci: pci.map(({ device, function: number, pci: { name, config } }) => ({ device, function: number, name, config })),
    media: [...media].map(([drive, { size, readOnly }]) => ({ drive, size, readOnly })),
    tray: tray && { locked: tray.locked, trayOpen: tray.trayOpen },
    irqs: irqs.assertedSources,
    nics: nics.map(({ id, type, mac, net }) => ({ id, type, mac, net, up: network?.port(id)?.link ?? false })),
  }
}
