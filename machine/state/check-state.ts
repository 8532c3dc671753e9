/**
 * A state from a file is held against the machine that it is for before any of it is taken over: of the same build as
 * what the machine itself saves, and with a time that it can go on from.
 */
import type { CpuState, EngineTime } from '../cpu/engine.js'
import type { Check, Device, State, Stateful, StateValue } from '../device.js'
import { checkFields, checkLike, damaged, flag, integer, isRecord, LAST_NS, list, optional, time } from './fields.js'
import type { MachineState } from './machine-state.js'
import { checkState as checkTable } from './state-table.js'

export interface LikeState {
  time: EngineTime
  cpus: CpuState[]
  clock: State
  devices: readonly Device[]
  /** Whose members are its own, in one record. */
  owners: readonly Stateful[]
}

const COUNT = integer(0, Number.MAX_SAFE_INTEGER)

const COUNTS: { [name: string]: Check } = {
  retired: COUNT,
  stalled: COUNT,
  base: time,
  turnEnd: optional(time),
  skipped: optional({
    wanted: 'a count of ticks',
    fits: (value) => typeof value === 'bigint' && value >= 0n && value < 1n << 63n,
  }),
}

/** Throws a SnapshotError. */
export function checkState(state: MachineState, own: LikeState): void {
  checkTime(state, own)
  if (!Array.isArray(state.cpus) || state.cpus.length !== own.cpus.length)
    throw damaged('cpus', `there should be ${own.cpus.length}`)
  for (const [i, cpu] of state.cpus.entries()) checkCpu(cpu, own.cpus[i], `cpu${i}`)
  checkClock(state, own.clock)
  for (const device of own.devices) checkTable(device, state.devices[device.name], device.name, state.time.ns)
  for (const owner of own.owners) checkTable(owner, state.machine, 'machine')
}

function checkTime({ time: saved, cpus }: MachineState, own: LikeState): void {
  if (!isRecord(saved as unknown as StateValue)) throw damaged('time', 'it is no record')
  if (!(saved.ns >= 0 && saved.ns <= LAST_NS)) throw damaged('time.ns', 'it is no guest time')
  if (saved.kind !== 'soft' && saved.kind !== 'kvm') throw damaged('time.kind', 'there is no such engine')
  if (saved.kind !== own.time.kind || saved.kind !== 'soft') return
  checkFields(COUNTS, saved.counts, 'time.counts')
  const { processors } = saved.counts
  if (processors === undefined) return
  const cpu = integer(0, cpus.length - 1)
  checkFields(
    {
      current: cpu,
      quantum: optional(integer(1, Number.MAX_SAFE_INTEGER)),
      summoned: { ...cpu, fits: (value) => value === null || value === undefined || cpu.fits(value) },
      summons: optional(COUNT),
      waiting: list(flag, cpus.length),
      retired: optional(list(COUNT, cpus.length)),
      messages: { wanted: 'a list of messages between CPUs', fits: (value) => isMessages(value, cpus.length) },
    },
    processors as State,
    'time.counts.processors',
  )
}

function isMessages(value: StateValue | undefined, cpus: number): boolean {
  const vector = integer(0, 0xff)
  return (
    Array.isArray(value) &&
    value.length <= 1 << 16 &&
    value.every(
      (one) => isRecord(one) && integer(0, cpus - 1).fits(one.cpu) && (one.vector === null || vector.fits(one.vector)),
    )
  )
}

function checkCpu(saved: CpuState, own: CpuState, where: string): void {
  const { soft: _, msrs: __, ...rest } = own
  checkLike(saved as unknown as StateValue, rest as unknown as StateValue, where, false)
  for (const name of ['gpr', 'segments', 'dr'] as const)
    if (saved[name].length !== own[name].length)
      throw damaged(`${where}.${name}`, `there should be ${own[name].length}`)
  for (const name of ['fxsave', 'ymmHigh'] as const)
    if (saved[name].length !== own[name].length)
      throw damaged(`${where}.${name}`, `it should have ${own[name].length} bytes`)
  if (!isRecord(saved.msrs as unknown as StateValue)) throw damaged(`${where}.msrs`, 'it is no record')
  for (const value of Object.values(saved.msrs))
    if (typeof value !== 'bigint') throw damaged(`${where}.msrs`, 'each should be a bigint')
}

function checkClock({ clock }: MachineState, own: State): void {
  checkLike(clock, own, 'clock', false)
  checkFields({ orders: COUNT }, clock, 'clock')
}
