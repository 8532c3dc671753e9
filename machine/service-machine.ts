/**
 * The machine that the services of a network of several machines run on: a switch and a LAN behind a trunk, time, and no
 * CPU. It is a machine to whoever runs, saves and loads it, so that it takes part as the others do.
 */
import { MachineClock } from './clock.js'
import { NO_DISPLAY } from './devices/display/no-display.js'
import type { InputEvent } from './input.js'
import { DEFAULT_EPOCH, type Machine, type MachineExit, type MachineOptions } from './machine.js'
import type { LoggedRequest } from './network/lan/services/request-log.js'
import { MachineNetwork } from './network/machine-network.js'
import { isOutsideInput } from './network/outside.js'
import type { MachineReport } from './report.js'
import { hashParts } from './state/compare.js'
import type { MachineShape, MachineState } from './state/machine-state.js'
import { checkState, saveState, takeState } from './state/state-table.js'
import { Warnings } from './warnings.js'

export function createMachine(options: MachineOptions): Machine {
  return new ServiceMachine(options)
}

class ServiceMachine implements Machine {
  readonly engine = 'soft'
  readonly engineReason = 'services need no CPU'
  readonly display = NO_DISPLAY
  private time = 0
  private readonly clock = new MachineClock(() => this.time)
  private readonly warnings = new Warnings()
  private readonly network: MachineNetwork
  private stopRequested = false

  constructor({ epoch = DEFAULT_EPOCH, network: contents, trunk, onTrunk, onRequest, onOutside }: MachineOptions) {
    const { clock, warnings } = this
    const { warn } = warnings
    const told = { onTrunk, onRequest, onOutside }
    this.network = new MachineNetwork({ nics: [], clock, warn, epoch, contents, trunk, hasServices: true, ...told })
  }

  now(): number {
    return this.time
  }

  instructions(): number {
    return 0
  }

  idleUntil(): number {
    return Math.max(this.time, this.clock.nextDeadline())
  }

  run(until: number, hostEnd = Number.POSITIVE_INFINITY): MachineExit | undefined {
    this.stopRequested = false
    while (!this.stopRequested) {
      const next = this.clock.nextDeadline()
      if (next > until) {
        this.time = Math.max(this.time, until)
        return undefined
      }
      this.time = Math.max(this.time, next)
      this.clock.runDue(1)
      if (performance.now() >= hostEnd) return undefined
    }
    return undefined
  }

  requestStop(): void {
    this.stopRequested = true
  }

  input(event: InputEvent): void {
    if (event.kind === 'frame' || event.kind === 'cut' || isOutsideInput(event)) this.network.input(event)
  }

  pending(): number {
    return 0
  }

  biosKeys(): undefined {
    return undefined
  }

  suspectStuck(): void {}

  isStuck(): undefined {
    return undefined
  }

  insert(): void {}

  requests(): LoggedRequest[] {
    return this.network.requests()
  }

  report(): MachineReport {
    const none = { unhandled: [], lastIo: [], faults: [], registers: '', backtraces: [], mouse: false }
    return { ...none, warnings: this.warnings.list() }
  }

  save(): MachineState {
    return {
      shape: this.shape(),
      time: { kind: 'soft', ns: this.time, counts: {} },
      cpus: [],
      clock: this.clock.save(),
      devices: { network: saveState(this.network) },
      media: {},
      machine: {},
      memory: { size: 0, layers: [] },
    }
  }

  fingerprint(): string {
    return hashParts(this.save()).digest('hex')
  }

  shape(): MachineShape {
    const none = { cpu: '', cpus: 0, ram: 0, memory: [], memorySize: 0, media: {} }
    return { ...none, engine: 'soft', devices: { network: 'network' } }
  }

  load({ time, clock, devices }: MachineState): void {
    checkState(this.network, devices.network, 'network', time.ns)
    this.time = time.ns
    takeState(this.network, devices.network)
    this.clock.load(clock)
  }

  close(): void {}
}
