/**
 * v86's nasm tests: programs for flat 32-bit mode that end in HLT, and for each a fixture of the registers and the
 * memory with which it ended as a process on a real CPU, drawn by gdb. `npm run conformance -- v86-nasm FOLDER` takes
 * tests/nasm/build of a checkout where create_tests.js and gen_fixtures.js have run.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { CpuState } from '../../../machine/cpu/engine.js'
import { ARENA_GUEST } from '../../../machine/cpu/soft/layout.js'
import { BareCpu } from '../../machine/cpu/driver.js'
import { type Fixture, readFixture } from './fixture.js'

/** Where the programs have their data, and how much: it is compared. */
const DATA = 0x100000
const DATA_BYTES = 0x2000
/** Interrupt descriptors, and a HLT for each vector. */
const IDT = 0x180000
const HANDLERS = 0x181000
const VECTORS = 32
const STACK = 0x1f0000
const INSTRUCTIONS = 10e6
const WITH_ERROR_CODE = new Set([8, 10, 11, 12, 13, 14, 17])
/** CF PF ZF SF OF AF as v86 compares them: without AF. */
const FLAGS = 0x8d5 & ~0x10
/** Of the x87 status word, what is not an exception that a debugger's own loads may have raised. */
const STATUS = 0xffff & ~0x2a

const EXCEPTIONS: { readonly [vector: number]: Fixture['exception'] } = { 0: 'DE', 6: 'UD', 13: 'GP', 14: 'PF' }

export function v86Nasm(args: string[]): number {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { only: { type: 'string' }, show: { type: 'string' } },
  })
  const folder = positionals[0]
  if (folder === undefined || !existsSync(folder))
    throw new Error("v86-nasm needs the folder tests/nasm/build of v86's checkout, with *.img and *.fixture")
  const only = values.only ? new RegExp(values.only) : undefined
  const show = Number(values.show ?? 20)
  const names = readdirSync(folder)
    .filter((name) => name.endsWith('.fixture'))
    .map((name) => name.slice(0, -'.fixture'.length))
    .filter((name) => only?.test(name) ?? true)
  const runner = new Programs()
  let failed = 0
  for (const name of names) {
    const fixture = readFixture(readFileSync(join(folder, `${name}.fixture`), 'latin1'))
    const differences = runner.differences(readFileSync(join(folder, `${name}.img`)), fixture)
    if (differences.length === 0) continue
    failed++
    if (failed <= show) console.log(`${name}: ${differences.slice(0, 4).join('; ')}`)
  }
  console.log(`${names.length} programs: ${names.length - failed} passed, ${failed} failed`)
  return failed
}

class Programs {
  private readonly cpu = new BareCpu(2 << 20)

  /** What differs from the fixture, in words. */
  differences(image: Uint8Array, fixture: Fixture): string[] {
    const { cpu } = this
    cpu.ram.fill(0)
    const entry = this.load(image)
    this.setHandlers()
    cpu.engine.memoryChanged(ARENA_GUEST, cpu.ram.length)
    cpu.engine.reset()
    cpu.engine.setState(flatState(cpu.engine.getState(), entry))
    const { reason } = cpu.run(INSTRUCTIONS)
    if (reason !== 'halt') return [`it ended by ${reason}`]
    const state = cpu.engine.getState()
    const vector = Number(state.rip) - HANDLERS
    if (vector > 0 && vector <= VECTORS) return this.exceptionDifferences(vector - 1, state, fixture)
    if (fixture.exception) return [`no exception, where #${fixture.exception} is expected`]
    return this.stateDifferences(state, fixture)
  }

  private load(image: Uint8Array): number {
    const view = new DataView(image.buffer, image.byteOffset, image.byteLength)
    const field = (at: number) => view.getUint32(at, true)
    const table = field(28)
    for (let i = 0; i < view.getUint16(44, true); i++) {
      const at = table + i * view.getUint16(42, true)
      const [type, offset, , physical, bytes] = [0, 4, 8, 12, 16].map((n) => field(at + n))
      if (type === 1) this.cpu.ram.set(image.subarray(offset, offset + bytes), physical)
    }
    return field(24)
  }

  private setHandlers(): void {
    const view = new DataView(this.cpu.ram.buffer, this.cpu.ram.byteOffset)
    for (let vector = 0; vector < VECTORS; vector++) {
      const handler = HANDLERS + vector
      view.setUint32(IDT + vector * 8, (8 << 16) | (handler & 0xffff), true)
      view.setUint32(IDT + vector * 8 + 4, (handler & 0xffff0000) | 0x8e00, true)
      view.setUint8(handler, 0xf4)
    }
    // The code segment of the gates: a flat one.
    view.setUint32(IDT + 0x808, 0x0000ffff, true)
    view.setUint32(IDT + 0x80c, 0x00cf9b00, true)
  }

  private exceptionDifferences(vector: number, state: CpuState, fixture: Fixture): string[] {
    const name = EXCEPTIONS[vector] ?? `vector ${vector}`
    if (name !== fixture.exception) return [`#${name}, where ${fixture.exception ?? 'no exception'} is expected`]
    const stack = Number(state.gpr[4]) + (WITH_ERROR_CODE.has(vector) ? 4 : 0)
    const eip = new DataView(this.cpu.ram.buffer, this.cpu.ram.byteOffset).getUint32(stack, true)
    return eip === fixture.eip ? [] : [`#${name} at ${eip.toString(16)}, not at ${fixture.eip.toString(16)}`]
  }

  private stateDifferences(state: CpuState, fixture: Fixture): string[] {
    const found: string[] = []
    const compare = (name: string, actual: number, expected: number) => {
      if (actual !== expected) found.push(`${name} is ${actual.toString(16)}, not ${expected.toString(16)}`)
    }
    fixture.registers.forEach((value, i) => {
      compare(['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi'][i], Number(state.gpr[i]), value)
    })
    compare('eflags', Number(state.rflags) & FLAGS, fixture.eflags & FLAGS)
    const fx = new DataView(state.fxsave.buffer, state.fxsave.byteOffset)
    fixture.xmm.forEach((value, i) => {
      compare(`xmm${i >> 2}[${i & 3}]`, fx.getUint32(160 + i * 4, true), value)
    })
    if (fixture.usesMmx) {
      fixture.mmx.forEach((value, i) => {
        compare(`mm${i >> 1}[${i & 1}]`, fx.getUint32(32 + (i >> 1) * 16 + (i & 1) * 4, true), value)
      })
    } else {
      fixture.x87.forEach((value, i) => {
        const actual = float80(fx, 32 + i * 16)
        if (value !== undefined && !near(actual, value)) found.push(`st${i} is ${actual}, not ${value}`)
      })
      compare('x87 status', fx.getUint16(2, true) & STATUS, fixture.status & STATUS)
    }
    const memory = new DataView(this.cpu.ram.buffer, this.cpu.ram.byteOffset + DATA, DATA_BYTES)
    fixture.memory.forEach((value, i) => {
      compare(`[${(DATA + i * 4).toString(16)}]`, memory.getUint32(i * 4, true), value)
    })
    return found
  }
}

/** As a process begins: flat segments, everything switched on that it may use. */
function flatState(state: CpuState, entry: number): CpuState {
  const data = { selector: 16, base: 0n, limit: 0xffffffff, access: 0xc093 }
  const code = { selector: 8, base: 0n, limit: 0xffffffff, access: 0xc09b }
  const fxsave = state.fxsave.slice()
  const fx = new DataView(fxsave.buffer)
  fx.setUint16(0, 0x37f, true)
  fxsave[4] = 0
  return {
    ...state,
    fxsave,
    segments: state.segments.map((_, i) => (i === 1 ? code : data)),
    gdtr: { base: BigInt(IDT + 0x800), limit: 0x17 },
    idtr: { base: BigInt(IDT), limit: VECTORS * 8 - 1 },
    // PE, MP, ET, NE; OSFXSR, OSXMMEXCPT.
    cr0: 0x33n,
    cr4: 0x600n,
    rip: BigInt(entry),
    gpr: state.gpr.map((_, i) => (i === 4 ? BigInt(STACK) : 0n)),
    rflags: 2n,
  }
}

function float80(view: DataView, at: number): number {
  const significand = view.getBigUint64(at, true)
  const head = view.getUint16(at + 8, true)
  const exponent = head & 0x7fff
  const sign = head & 0x8000 ? -1 : 1
  if (exponent === 0x7fff)
    return significand << 1n === 0n || significand === 1n << 63n ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return sign * Number(significand) * 2 ** (exponent - 16383 - 63)
}

/** As near as v86's own comparison wants it: seven digits behind the point. */
function near(a: number, b: number): boolean {
  return (
    Object.is(a, b) ||
    (Number.isNaN(a) && Number.isNaN(b)) ||
    a === b ||
    Math.abs(a - b) < 1e-7 ||
    Math.abs(a - b) < Math.abs(b) * 1e-12
  )
}
