/**
 * Runs SingleStepTests of real-mode CPUs (MOO files: github.com/SingleStepTests/8086 and 80286) against the soft engine.
 *
 *   npm run conformance -- singlestep FOLDER [--only 27,F6.6] [--limit 500] [--show 3]
 *
 * The test data is not part of this repository. Flags that metadata.json calls undefined do not count.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import * as at from '../../../machine/cpu/soft/layout.js'
import { NS_PER_INSTRUCTION } from '../../../machine/cpu/soft/soft-engine.js'
import { BareCpu } from '../../machine/cpu/driver.js'
import { differs286, differs8086, regOf, STRING_OPCODES } from './by-design.js'
import { type MooTest, REGISTERS, type Registers, readMoo } from './moo.js'

/** Register number of each general register, segment record of each segment register. */
const GENERAL = { ax: 0, cx: 1, dx: 2, bx: 3, sp: 4, bp: 5, si: 6, di: 7 } as const
const SEGMENT = { es: 0, cs: 1, ss: 2, ds: 3 } as const
/** CF PF AF ZF SF TF IF DF OF: the flags of real mode that all CPUs have. */
const FLAGS = 0xfd5
const ARITHMETIC = 0x8d5
/** These push the flags, whose upper bits later CPUs have. */
const PUSHES_FLAGS = /^(9C|CC|CD|CE)$/

interface Metadata {
  [opcode: string]: MetadataEntry & { reg?: { [reg: string]: MetadataEntry } }
}

interface MetadataEntry {
  status?: string
  'flags-mask'?: number
}

class SingleStepper {
  private readonly cpu = new BareCpu(2 << 20)
  private readonly view = new DataView(this.cpu.memory.buffer)

  /** @param is8086 Its addresses wrap at 1 MiB, and no HLT was recorded behind the instruction. */
  constructor(private readonly is8086: boolean) {
    // Real mode, writable segments all; the tests then change bases and selectors only.
    this.cpu.boot(new Uint8Array(1))
    const state = this.cpu.state
    state.segments = state.segments.map((segment) => ({ ...segment, access: 0x93 }))
    this.cpu.engine.setState(state)
    if (is8086) this.cpu.engine.setA20(false)
  }

  /** What is wrong after the test, or undefined. */
  run(test: MooTest, opcode: string, flagsMask: number): string | undefined {
    const { cpu, view } = this
    const before = test.initial.registers as Required<Registers>
    for (const [address, byte] of test.initial.memory) {
      cpu.ram[address] = byte
      cpu.engine.memoryChanged(at.ARENA_GUEST + address, 1)
    }
    if (this.is8086) this.layTarget(test)
    for (const [name, n] of Object.entries(GENERAL))
      view.setBigUint64(at.GPR + n * 8, BigInt(before[name as keyof typeof GENERAL]), true)
    for (const [name, n] of Object.entries(SEGMENT)) {
      const record = at.ES + n * at.SEG_SIZE
      view.setUint16(record, before[name as keyof typeof SEGMENT], true)
      view.setBigUint64(record + at.SEG_BASE, BigInt(before[name as keyof typeof SEGMENT] << 4), true)
    }
    view.setBigUint64(at.RIP, BigInt(before.ip), true)
    cpu.engine['core'].setFlags((before.flags & FLAGS) | 2)
    view.setUint32(at.HALTED, 0, true)
    view.setUint32(at.SHADOW, 0, true)
    // Of a test before that faulted.
    view.setUint32(at.PENDING_VECTOR, at.NO_VECTOR, true)
    this.step()
    // A repeated string instruction goes on until it leaves its place.
    const repeats = STRING_OPCODES.test(opcode)
    for (let i = 0; repeats && i < 0x100 && this.ip() === before.ip && !this.excepted(test); i++) this.step()
    return this.compare(test, opcode, flagsMask)
  }

  private step(): void {
    this.cpu.engine.run(this.cpu.engine.now() + NS_PER_INSTRUCTION)
  }

  /** Where it goes on there are NOPs, as for the recorder: what earlier tests left there may fault when it is decoded. */
  private layTarget({ initial, final }: MooTest): void {
    const { cs, ip } = { ...initial.registers, ...final.registers } as Required<Registers>
    const target = this.linear(cs, ip)
    if (initial.memory.some(([address]) => address === target)) return
    this.cpu.ram[target] = 0x90
    this.cpu.engine.memoryChanged(at.ARENA_GUEST + target, 1)
  }

  private linear(segment: number, offset: number): number {
    const linear = segment * 16 + (offset & 0xffff)
    return this.is8086 ? linear & 0xfffff : linear
  }

  private ip(): number {
    return this.view.getUint32(at.RIP, true)
  }

  private excepted(test: MooTest): boolean {
    return this.view.getUint16(at.ES + at.SEG_SIZE, true) !== test.initial.registers.cs
  }

  private compare(test: MooTest, opcode: string, flagsMask: number): string | undefined {
    const pushesFlags = PUSHES_FLAGS.test(opcode)
    const halts = opcode === 'F4'
    const { cpu, view } = this
    const wanted = { ...test.initial.registers, ...test.final.registers } as Required<Registers>
    const found: string[] = []
    const differ = (what: string, expected: number, actual: number): void => {
      if (expected !== actual) found.push(`${what} ${actual.toString(16)} for ${expected.toString(16)}`)
    }
    for (const name of REGISTERS) {
      if (name in GENERAL)
        differ(name, wanted[name], view.getUint16(at.GPR + GENERAL[name as keyof typeof GENERAL] * 8, true))
      else if (name in SEGMENT)
        differ(name, wanted[name], view.getUint16(at.ES + SEGMENT[name as keyof typeof SEGMENT] * at.SEG_SIZE, true))
    }
    // The 80286's recorded IP is behind a HLT that the recorder put after the instruction.
    differ('ip', wanted.ip, (this.ip() + (halts || this.is8086 ? 0 : 1)) & 0xffff)
    differ('flags', wanted.flags & FLAGS & flagsMask, cpu.engine['core'].getFlags() & FLAGS & flagsMask)
    // Flags on the stack: PUSHF's, or an interrupt's. (The address that the tests give is off for odd SP.)
    const flagsAt =
      test.exception || pushesFlags
        ? this.linear(wanted.ss, wanted.sp + (pushesFlags && !test.exception && opcode === '9C' ? 0 : 4))
        : -2
    for (const [address, byte] of test.final.memory) {
      const mask =
        address === flagsAt
          ? flagsMask & 0xff & FLAGS
          : address === flagsAt + 1
            ? ((flagsMask & FLAGS) >> 8) & 0xff
            : 0xff
      differ(`[${address.toString(16)}]`, byte & mask, cpu.ram[address] & mask)
    }
    if (found.length === 0) return undefined
    const registers = Object.entries(test.initial.registers).map(([name, value]) => `${name}=${value.toString(16)}`)
    const exception = test.exception ? ` (exception ${test.exception.vector})` : ''
    return `#${test.index} ${test.name} [${Buffer.from(test.bytes).toString('hex')}]${exception}: ${found.join(', ')}\n      ${registers.join(' ')}`
  }
}

/** Runs what `args` name; returns the number of failed tests. */
export function singlestep(args: string[]): number {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { only: { type: 'string' }, limit: { type: 'string' }, show: { type: 'string', default: '1' } },
  })
  const folder = positionals[0]
  if (!folder) throw new Error('singlestep needs the folder with the MOO files')
  const metadataFile = join(folder, 'metadata.json')
  const metadata: Metadata = existsSync(metadataFile) ? JSON.parse(readFileSync(metadataFile, 'utf8')).opcodes : {}
  const only = values.only?.toUpperCase().split(',')
  const limit = Number(values.limit ?? Number.POSITIVE_INFINITY)
  let stepper: SingleStepper | undefined
  let passed = 0
  let failed = 0
  const skipped = new Map<string, number>()
  for (const file of readdirSync(folder).sort()) {
    const match = /^([0-9A-F]+)(?:\.([0-7]))?\.MOO(\.gz)?$/.exec(file)
    if (!match || (only && !only.includes(file.replace(/\.MOO.*$/, '')))) continue
    const [, opcode, reg] = match
    const failures: string[] = []
    let count = 0
    const { cpu, tests } = readMoo(join(folder, file))
    const is8086 = /^80?8[68]/.test(cpu)
    stepper ??= new SingleStepper(is8086)
    for (const test of tests.slice(0, limit)) {
      const entry = metadata[opcode]?.reg?.[reg ?? regOf(test.bytes)] ?? metadata[opcode]
      const usualMask = entry?.['flags-mask'] ?? 0xffff
      const reason = is8086 ? differs8086(test, opcode, reg, entry?.status ?? 'normal') : differs286(test, opcode)
      if (reason !== undefined) {
        skipped.set(reason, (skipped.get(reason) ?? 0) + 1)
        continue
      }
      count++
      // A division that faults leaves all of the arithmetic flags undefined.
      const failure = stepper.run(test, opcode, test.exception?.vector === 0 ? usualMask & ~ARITHMETIC : usualMask)
      if (failure) failures.push(failure)
    }
    passed += count - failures.length
    failed += failures.length
    if (failures.length === 0) continue
    console.log(`${file}: ${failures.length} of ${count} differ`)
    for (const failure of failures.slice(0, Number(values.show))) console.log(`    ${failure}`)
  }
  for (const [reason, count] of skipped) console.log(`${count} left out: ${reason}`)
  console.log(`${passed} tests agree, ${failed} differ`)
  return failed
}
