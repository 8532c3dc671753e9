/**
 * Runs SingleStepTests of real-mode CPUs (MOO files, such as github.com/SingleStepTests/80286) against the soft engine.
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
import { type MooTest, REGISTERS, type Registers, readMoo } from './moo.js'

/** Register number of each general register, segment record of each segment register. */
const GENERAL = { ax: 0, cx: 1, dx: 2, bx: 3, sp: 4, bp: 5, si: 6, di: 7 } as const
const SEGMENT = { es: 0, cs: 1, ss: 2, ds: 3 } as const
/** CF PF AF ZF SF TF IF DF OF: the flags of real mode that all CPUs have. */
const FLAGS = 0xfd5
const ARITHMETIC = 0x8d5
const STRING_OPCODES = /^(6[C-F]|A[4-7A-F])$/
/** The 80286 has no longer instructions. */
const LONGEST_286 = 10
const SEGMENT_MOVES = /^8[CE]$/
/** These push the flags, whose upper bits later CPUs have. */
const PUSHES_FLAGS = /^(9C|CC|CD|CE)$/

/** Where the 80386 and its successors do otherwise than the 80286. */
function differsByDesign(test: MooTest, opcode: string): boolean {
  if (test.bytes.length - 1 > LONGEST_286 || locked(test.bytes)) return true
  const vector = test.exception?.vector
  // FS and GS did not exist; accesses to SS beyond the limit gave 13 instead of 12; string instructions that faulted
  // had already moved their registers.
  return (
    (vector === 6 && SEGMENT_MOVES.test(opcode)) || (vector === 13 && (STRING_OPCODES.test(opcode) || stackFault(test)))
  )
}

/** The exception is for an operand in SS: one of the stack, or one with BP as its base. */
function stackFault(test: MooTest): boolean {
  const { sp, bp } = test.initial.registers as Required<Registers>
  return sp === 0xffff || sp < 8 || /[ ,]\[bp/.test(test.name) || (bp === 0xffff && /leave/.test(test.name))
}

/** The 80286 locks the bus for any instruction; later CPUs raise #UD where LOCK makes no sense. */
function locked(bytes: Uint8Array): boolean {
  for (const byte of bytes) {
    if (byte === 0xf0) return true
    if (![0x26, 0x2e, 0x36, 0x3e, 0xf2, 0xf3].includes(byte)) return false
  }
  return false
}

interface Metadata {
  [opcode: string]: { 'flags-mask'?: number; reg?: { [reg: string]: { 'flags-mask'?: number } } }
}

class SingleStepper {
  private readonly cpu = new BareCpu(2 << 20)
  private readonly view = new DataView(this.cpu.memory.buffer)

  constructor() {
    // Real mode, writable segments all; the tests then change bases and selectors only.
    this.cpu.boot(new Uint8Array(1))
    const state = this.cpu.state
    state.segments = state.segments.map((segment) => ({ ...segment, access: 0x93 }))
    this.cpu.engine.setState(state)
  }

  /** What is wrong after the test, or undefined. */
  run(test: MooTest, opcode: string, flagsMask: number): string | undefined {
    const { cpu, view } = this
    const before = test.initial.registers as Required<Registers>
    for (const [address, byte] of test.initial.memory) {
      cpu.ram[address] = byte
      cpu.engine.memoryChanged(at.ARENA_GUEST + address, 1)
    }
    for (const [name, n] of Object.entries(GENERAL))
      view.setBigUint64(at.GPR + n * 8, BigInt(before[name as keyof typeof GENERAL]), true)
    for (const [name, n] of Object.entries(SEGMENT)) {
      const record = at.SEGMENTS + n * at.SEG_SIZE
      view.setUint16(record, before[name as keyof typeof SEGMENT], true)
      view.setBigUint64(record + at.SEG_BASE, BigInt(before[name as keyof typeof SEGMENT] << 4), true)
    }
    view.setBigUint64(at.RIP, BigInt(before.ip), true)
    cpu.engine['core'].setFlags((before.flags & FLAGS) | 2)
    view.setUint32(at.HALTED, 0, true)
    view.setUint32(at.SHADOW, 0, true)
    this.step()
    // A repeated string instruction goes on until it leaves its place.
    const repeats = STRING_OPCODES.test(opcode)
    for (let i = 0; repeats && i < 0x100 && this.ip() === before.ip && !this.excepted(test); i++) this.step()
    return this.compare(test, opcode, flagsMask)
  }

  private step(): void {
    this.cpu.engine.run(this.cpu.engine.now() + NS_PER_INSTRUCTION)
  }

  private ip(): number {
    return this.view.getUint32(at.RIP, true)
  }

  private excepted(test: MooTest): boolean {
    return this.view.getUint16(at.SEGMENTS + at.SEG_SIZE, true) !== test.initial.registers.cs
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
        differ(
          name,
          wanted[name],
          view.getUint16(at.SEGMENTS + SEGMENT[name as keyof typeof SEGMENT] * at.SEG_SIZE, true),
        )
    }
    // The recorded IP is behind a HLT that the recorder put after the instruction.
    differ('ip', wanted.ip, (this.ip() + (halts ? 0 : 1)) & 0xffff)
    differ('flags', wanted.flags & FLAGS & flagsMask, cpu.engine['core'].getFlags() & FLAGS & flagsMask)
    // Flags on the stack: PUSHF's, or an interrupt's. (The address that the tests give is off for odd SP.)
    const flagsAt =
      test.exception || pushesFlags
        ? wanted.ss * 16 + ((wanted.sp + (pushesFlags && !test.exception && opcode === '9C' ? 0 : 4)) & 0xffff)
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
  const stepper = new SingleStepper()
  let passed = 0
  let failed = 0
  for (const file of readdirSync(folder).sort()) {
    const match = /^([0-9A-F]+)(?:\.([0-7]))?\.MOO(\.gz)?$/.exec(file)
    if (!match || (only && !only.includes(file.replace(/\.MOO.*$/, '')))) continue
    const [, opcode, reg] = match
    const entry = metadata[opcode]
    const usualMask = (reg === undefined ? entry : entry?.reg?.[reg])?.['flags-mask'] ?? 0xffff
    const failures: string[] = []
    let count = 0
    for (const test of readMoo(join(folder, file)).tests.slice(0, limit)) {
      if (differsByDesign(test, opcode)) continue
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
  console.log(`${passed} tests agree, ${failed} differ`)
  return failed
}
