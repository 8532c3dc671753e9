import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { DebuggedMachine } from '../../../../harness/runtime/debug/debugged-machine.js'
import type { History } from '../../../../harness/runtime/debug/history.js'
import { createMachine } from '../../../../machine/create-machine.js'
import type { MachineDebugger } from '../../../../machine/debug/machine-debugger.js'
import { readSymbols } from '../../../../machine/debug/symbols/read-symbols.js'
import { findFirmware } from '../../../../machine/firmware/find-firmware.js'
import { MemoryMedium } from '../../../../machine/media/memory.js'
import { Overlay } from '../../../../machine/media/overlay.js'
import { compiledKernel, haveCompiler } from '../../../compiled-kernel.js'
import { noFirmware } from '../../../firmware-here.js'
import { assemble, haveNasm } from '../../../machine/cpu/driver.js'
import { COUNT_CPUS } from '../../../machine/smp-program.js'
import { Random } from '../../../random.js'

const never = () => false
let machine: DebuggedMachine
let said = ''
afterEach(() => machine?.close())

function boot(options: { kernel?: string; floppy?: Uint8Array; cpus?: number }): {
  history: History
  target: MachineDebugger
} {
  const { bios, vgaBios } = findFirmware()
  said = ''
  machine = new DebuggedMachine(createMachine, {
    engine: 'soft',
    cpus: options.cpus,
    memory: 16 << 20,
    floppies: options.floppy ? [new Overlay(new MemoryMedium(options.floppy))] : [],
    disks: [],
    firmware: { bios: readFileSync(bios.path), vgaBios: readFileSync(vgaBios.path) },
    onSerial: (_port, byte) => {
      said += String.fromCharCode(byte)
    },
    ...(options.kernel && { kernel: { image: readFileSync(options.kernel), name: 'kernel' } }),
  })
  return { history: machine.history as History, target: machine.debugTarget as MachineDebugger }
}

/** What a debugger can see of the machine: all but translations. */
function seen(target: MachineDebugger): string {
  const hash = createHash('sha256')
  for (let cpu = 0; cpu < target.cpus; cpu++) {
    const { fxsave: _, ymmHigh: __, ...state } = target.state(cpu)
    hash.update(JSON.stringify(state, (_key, value) => (typeof value === 'bigint' ? `${value}n` : value)))
  }
  for (const { address, size } of target.ram())
    for (let at = 0; at < size; at += 1 << 20)
      hash.update(target.physical.bytes(address + at, Math.min(size - at, 1 << 20)))
  return hash.digest('hex')
}

/** One instruction, and what it waits for before. */
function step(): void {
  const before = machine.instructions()
  while (machine.instructions() === before) machine.run(Math.max(machine.now() + 1, machine.idleUntil()))
}

interface Seen {
  instructions: number
  ns: number
  hash: string
}

/** Runs in pieces of odd lengths, with input in between, and looks after each. */
function wander(target: MachineDebugger, random: Random, end: number, look: number, input = true): Seen[] {
  const list: Seen[] = []
  while (machine.now() < end) {
    const exit = machine.run(machine.now() + random.below(3e6), performance.now() + random.below(3))
    if (exit) break
    if (input && random.below(4) === 0)
      machine.input({ kind: 'serial', port: 0, bytes: Uint8Array.of(random.below(256)) })
    if (random.below(look) === 0)
      list.push({ instructions: machine.instructions(), ns: machine.now(), hash: seen(target) })
  }
  return list
}

const SOURCE = join(import.meta.dirname, 'kernel.c')
const kernel = (last: number) => compiledKernel(`stray-${last}`, SOURCE, `-DLAST=${last}`, '-O1')

describe.skipIf(!haveCompiler || noFirmware)('a machine that was gone back', () => {
  test('is at any moment what it was then, and in its present again what it is', () => {
    const { history, target } = boot({ kernel: kernel(1000) })
    while (!said.includes('k')) machine.run(machine.now() + 10e6)
    history.begin()
    const random = new Random(3)
    const list = wander(target, random, machine.now() + 300e6, 12)
    const present = { ns: machine.now(), hash: seen(target), said }
    expect(list.length).toBeGreaterThan(5)
    for (let i = 0; i < 6; i++) {
      const moment = random.pick(list)
      expect(history.backTo(moment.instructions, never)).toEqual({ why: 'there' })
      expect(machine.instructions()).toBe(moment.instructions)
      // It may have waited in between, with nothing retired.
      while (machine.now() < moment.ns) machine.run(moment.ns)
      expect(seen(target)).toBe(moment.hash)
    }
    while (history.inPast) machine.run(machine.now() + 40e6)
    expect({ ns: machine.now(), hash: seen(target), said }).toEqual(present)
    machine.run(machine.now() + 10e6)
    expect(machine.now()).toBeGreaterThanOrEqual(present.ns + 10e6)
  })

  test('is in front of the instruction that wrote, and of each of its last ones', () => {
    const path = kernel(30)
    const { history, target } = boot({ kernel: path })
    while (!said.includes('k')) machine.run(machine.now() + 10e6)
    history.begin()
    let exit = machine.run(machine.now() + 1e6)
    while (!exit) exit = machine.run(machine.now() + 10e6)
    expect(exit.reason).toBe('triple-fault')
    const bytes = readFileSync(path)
    const file = {
      name: 'kernel',
      size: bytes.length,
      read: (at: number, length: number) => bytes.subarray(at, at + length),
    }
    const { symbols } = readSymbols(file)
    const address = (name: string) => symbols.find((one) => one.name === name)?.address as bigint
    const limit = address('table') + 32n
    const value = () => new DataView(target.read(0, limit, 4).slice().buffer).getUint32(0, true)
    expect(value()).toBe(3)
    target.setBreakpoints([{ kind: 'write', address: limit, length: 4 }])
    const found = history.backToStop(never)
    expect(found).toMatchObject({ why: 'breakpoint', stop: { hit: { kind: 'write' } } })
    const { rip } = target.state(0)
    expect(rip).toBeGreaterThanOrEqual(address('remember'))
    expect(rip).toBeLessThan(address('remember') + 24n)
    expect(value()).toBe(1000)
    // Forward again: behind it.
    while (!target.stopped && history.inPast) machine.run(machine.now() + 10e6)
    expect(target.takeStop()).toMatchObject({ hit: { kind: 'write' } })
    expect(value()).toBe(3)
    target.setBreakpoints([])
    expect(history.backOne(0, never)).toEqual({ why: 'there' })
    expect(target.state(0).rip).toBe(rip)
    const way: bigint[] = []
    for (let i = 0; i < 20; i++) {
      way.push(target.state(0).rip)
      history.backOne(0, never)
    }
    for (const expected of way.reverse()) {
      step()
      expect(target.state(0).rip).toBe(expected)
    }
    target.setBreakpoints([{ kind: 'write', address: limit, length: 4 }])
    expect(history.backToStop(never)).toEqual({ why: 'begin' })
  })

  test('goes on from what a debugger changed there', () => {
    const { history, target } = boot({ kernel: kernel(30) })
    while (!said.includes('k')) machine.run(machine.now() + 10e6)
    history.begin()
    const from = machine.instructions()
    machine.run(machine.now() + 200e6)
    const present = machine.instructions()
    history.backTo(from + 3_000_000, never)
    target.write(0, 0x7000n, Uint8Array.of(1, 2, 3))
    expect(history.inPast).toBe(false)
    expect(machine.instructions()).toBeLessThan(present)
    machine.run(machine.now() + 1e6)
    history.backTo(from + 3_000_000, never)
    machine.run(machine.now() + 100)
    expect([...target.read(0, 0x7000n, 3)]).toEqual([1, 2, 3])
  })
})

const LOOP = `.again: mov dword [esi+300h], 0c4040h
        mov cx, 300
.count: lock inc dword [608h]
        loop .count
        jmp .again
`

/** Both CPUs count for ever, and the first interrupts the second. */
const BUSY = COUNT_CPUS.replace('CPUS', '2')
  .replace(/mov dword \[esi\+300h\], 0c4040h[\s\S]*?hlt\n/, () => LOOP)
  .replace('.rest:  hlt', '.rest:  lock inc dword [60ch]')

test.skipIf(!haveNasm || noFirmware)('several CPUs go back together, and one of them by its own instructions', () => {
  const floppy = new Uint8Array(737280)
  floppy.set(assemble(BUSY))
  const { history, target } = boot({ floppy, cpus: 2 })
  const counted = (at: bigint) => new DataView(target.read(0, at, 4).slice().buffer).getUint32(0, true)
  while (counted(0x60cn) === 0) machine.run(machine.now() + 10e6)
  history.begin()
  const random = new Random(5)
  const list = wander(target, random, machine.now() + 100e6, 8, false)
  expect(counted(0x602n)).toBeGreaterThan(100)
  for (let i = 0; i < 6; i++) {
    const moment = random.pick(list)
    history.backTo(moment.instructions, never)
    expect(seen(target)).toBe(moment.hash)
  }
  const turns: { count: number; rips: bigint[] }[] = []
  const rips = () => [target.state(0).rip, target.state(1).rip]
  const look = () => turns.push({ count: machine.instructions(), rips: rips() })
  for (let i = 0; i < 3000; i++) {
    look()
    step()
  }
  look()
  for (const cpu of [0, 1, 0]) {
    const here = machine.instructions()
    const moved = ({ count, rips: [...before] }: (typeof turns)[number], i: number) =>
      count < here && turns[i + 1] !== undefined && turns[i + 1].rips[cpu] !== before[cpu]
    const last = turns.findLastIndex(moved)
    expect(history.backOne(cpu, never)).toEqual({ why: 'there' })
    expect(machine.instructions()).toBe(turns[last].count)
    expect(rips()).toEqual(turns[last].rips)
  }
})
