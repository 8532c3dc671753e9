/** A bare CPU under KVM for tests: flat RAM, no firmware, every access of the bus noted. */
import type { CpuBoard, CpuState, Exit } from '../../../../machine/cpu/engine.js'
import { kvmAccess } from '../../../../machine/cpu/kvm/access.js'
import { KvmEngine } from '../../../../machine/cpu/kvm/kvm-engine.js'
import { ARENA_GUEST } from '../../../../machine/cpu/soft/layout.js'

/** Why there is no KVM here. */
export const unusable = kvmAccess()?.why
/** For the names of tests. */
export const skipped = unusable ? ` (skipped: ${unusable})` : ''

export const RAM = 4 << 20
/** An interrupt's handler in real mode. */
export const HANDLER = 0x600
export const PROGRAM = 0x7c00

const machines: KvmCpu[] = []

/** For afterEach. */
export function closeAll(): void {
  for (const machine of machines.splice(0)) machine.engine.close()
}

export class KvmCpu {
  readonly memory: WebAssembly.Memory
  readonly ram: Uint8Array
  readonly view: DataView
  readonly engine: KvmEngine
  /** What reached the bus, e.g. `out 80 1 12`: port or address, size, value, in hex. */
  readonly log: string[] = []
  portReads: (port: number, size: number) => number = () => 0xffffffff
  mmioReads: (address: number, size: number) => number = () => 0xffffffff
  onWrite: (port: number, value: number) => void = () => {}
  vector = 0x20

  constructor(board: Partial<CpuBoard> = {}) {
    this.memory = new WebAssembly.Memory({ initial: (ARENA_GUEST + RAM) / 65536, maximum: 65536 })
    this.ram = new Uint8Array(this.memory.buffer, ARENA_GUEST, RAM)
    this.view = new DataView(this.memory.buffer, ARENA_GUEST, RAM)
    const note = (...words: (string | number)[]): void => {
      this.log.push(words.map((word) => word.toString(16)).join(' '))
    }
    this.engine = new KvmEngine(this.memory, {
      portRead: (port, size) => {
        note('in', port, size)
        return this.portReads(port, size)
      },
      portWrite: (port, value, size) => {
        note('out', port, size, value)
        this.onWrite(port, value)
      },
      mmioRead: (address, size) => {
        note('read', address, size)
        return this.mmioReads(address, size)
      },
      mmioWrite: (address, value, size) => note('write', address, size, value),
      acknowledgeInterrupt: () => {
        note('inta')
        this.engine.setInterrupt(false)
        return this.vector
      },
      readMsr: () => 0xfee00900n,
      writeMsr: () => true,
      readTpr: () => 0,
      writeTpr: () => {},
      ferr: () => {},
      smmChanged: (inSmm) => note('smm', inSmm ? 1 : 0),
      warnMsr: (index) => note('msr', index),
      ...board,
    })
    this.engine.setMemory([
      { address: 0, size: 0xa0000, offset: ARENA_GUEST, kind: 'ram' },
      { address: 0x100000, size: RAM - 0x100000, offset: ARENA_GUEST + 0x100000, kind: 'ram' },
    ])
    // Every real-mode vector: a handler that returns.
    for (let vector = 0; vector < 256; vector++) this.view.setUint32(vector * 4, HANDLER, true)
    this.ram[HANDLER] = 0xcf
    machines.push(this)
  }

  /** Puts a program at PROGRAM and points CS:IP there, in real mode with flat zero segments and SP = 0x7c00. */
  boot(...program: (number | number[])[]): void {
    this.ram.set(program.flat(), PROGRAM)
    const state = this.engine.getState()
    const data = { selector: 0, base: 0n, limit: 0xffff, access: 0x93 }
    state.segments = state.segments.map((_, i) => (i === 1 ? { ...data, access: 0x9b } : data))
    state.rip = BigInt(PROGRAM)
    state.gpr = state.gpr.map((_, i) => (i === 4 ? BigInt(PROGRAM) : 0n))
    state.rflags = 2n
    state.halted = false
    this.engine.setState(state)
  }

  /** Runs for at most `ms` of guest time. */
  run(ms = 2000): Exit {
    const deadline = this.engine.now() + ms * 1e6
    let exit: Exit
    do exit = this.engine.run(deadline)
    while (exit.reason === 'budget' && this.engine.now() < deadline)
    return exit
  }

  get state(): CpuState {
    return this.engine.getState()
  }

  /** Low word of a register: 0 AX, 1 CX, 2 DX, 3 BX. */
  word(register: number): number {
    return Number(this.state.gpr[register] & 0xffffn)
  }
}

/** A state in flat 32-bit protected mode without paging, ring 0; the GDT is put at 0x800. */
export function protectedMode(machine: KvmCpu, eip: number): CpuState {
  const { view } = machine
  view.setBigUint64(0x808, 0x00cf9b000000ffffn, true)
  view.setBigUint64(0x810, 0x00cf93000000ffffn, true)
  const state = machine.engine.getState()
  const data = { selector: 0x10, base: 0n, limit: 0xffffffff, access: 0xc093 }
  state.segments = state.segments.map((_, i) => (i === 1 ? { ...data, selector: 8, access: 0xc09b } : data))
  state.gdtr = { base: 0x800n, limit: 0x17 }
  state.cr0 = 0x11n
  state.rip = BigInt(eip)
  state.rflags = 2n
  state.gpr[4] = 0x7c00n
  return state
}

/** Flat 64-bit mode, ring 0; the page tables from 0x3000 on map the first 2 MiB as they are. */
export function longMode(machine: KvmCpu, rip: number): CpuState {
  const { view } = machine
  const present = 3
  view.setBigUint64(0x3000, BigInt(0x4000 | present), true)
  view.setBigUint64(0x4000, BigInt(0x5000 | present), true)
  view.setBigUint64(0x5000, BigInt(0x80 | present), true)
  const state = protectedMode(machine, rip)
  view.setBigUint64(0x808, 0x00af9b000000ffffn, true)
  state.segments[1] = { ...state.segments[1], access: 0xa09b }
  state.cr0 = 0x80000011n
  state.cr3 = 0x3000n
  state.cr4 = 0x20n
  state.efer = 0x500n
  return state
}
