/**
 * A bare CPU for tests: flat RAM, no firmware, no devices. Programs come as bytes, or as nasm source where nasm is
 * installed.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { CpuBoard, CpuState, Exit } from '../../../machine/cpu/engine.js'
import { ARENA_GUEST } from '../../../machine/cpu/soft/layout.js'
import { NS_PER_INSTRUCTION, SoftEngine } from '../../../machine/cpu/soft/soft-engine.js'

export const haveNasm = spawnSync('nasm', ['-v']).status === 0

/** What has been assembled is kept: a process as large as that of the tests takes long to start another one. */
const KEPT = fileURLToPath(new URL('../../../node_modules/.cache/bootwright-nasm/', import.meta.url))

/** Assembles nasm source to a flat binary. */
export function assemble(source: string): Uint8Array {
  const kept = join(KEPT, createHash('sha256').update(source).digest('hex'))
  try {
    return new Uint8Array(readFileSync(kept))
  } catch {
    mkdirSync(KEPT, { recursive: true })
  }
  const folder = mkdtempSync(join(KEPT, 'new-'))
  try {
    writeFileSync(join(folder, 'a.asm'), source)
    execFileSync('nasm', ['-f', 'bin', '-o', join(folder, 'a.bin'), join(folder, 'a.asm')], { stdio: 'pipe' })
    renameSync(join(folder, 'a.bin'), kept)
    return new Uint8Array(readFileSync(kept))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

export class BareCpu {
  readonly memory: WebAssembly.Memory
  readonly ram: Uint8Array
  readonly engine: SoftEngine
  /** Values written to ports, in order: [port, value, size]. */
  readonly portWrites: [number, number, number][] = []
  portReads: (port: number, size: number) => number = () => 0xffffffff
  vector = 0x20

  constructor(
    readonly ramBytes = 4 << 20,
    board: Partial<CpuBoard> = {},
    cpu?: string,
    /** After how many entries a block is compiled; 0 is never. */
    jit?: number,
  ) {
    const pages = (ARENA_GUEST + ramBytes) / 65536
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: 65536 })
    this.ram = new Uint8Array(this.memory.buffer, ARENA_GUEST, ramBytes)
    this.engine = new SoftEngine(
      this.memory,
      {
        portRead: (port, size) => this.portReads(port, size),
        portWrite: (port, value, size) => {
          this.portWrites.push([port, value, size])
        },
        mmioRead: () => 0xffffffff,
        mmioWrite: () => {},
        acknowledgeInterrupt: () => {
          this.engine.setInterrupt(false)
          return this.vector
        },
        readMsr: () => 0n,
        writeMsr: () => true,
        readTpr: () => 0,
        writeTpr: () => {},
        ferr: () => {},
        smmChanged: () => {},
        warnMsr: () => {},
        ...board,
      },
      cpu,
      1,
      jit,
    )
    this.engine.setMemory([{ address: 0, size: ramBytes, offset: ARENA_GUEST, kind: 'ram' }])
  }

  /** Puts a program at `address` and points CS:IP there, in real mode with flat zero segments and SP = 0x7c00. */
  boot(program: Uint8Array, address = 0x7c00): void {
    this.ram.set(program, address)
    this.engine.memoryChanged(ARENA_GUEST + address, program.length)
    const state = this.engine.getState()
    state.segments = state.segments.map((_, i) => ({
      selector: 0,
      base: 0n,
      limit: 0xffff,
      access: i === 1 ? 0x9b : 0x93,
    }))
    state.rip = BigInt(address)
    state.gpr[4] = 0x7c00n
    this.engine.setState(state)
  }

  /** Runs at most `instructions`. */
  run(instructions: number): Exit {
    return this.engine.run(this.engine.now() + instructions * NS_PER_INSTRUCTION)
  }

  get state(): CpuState {
    return this.engine.getState()
  }
}
