/** Runs random integer instructions on the native CPU and on the soft engine and says how they differ. */

import { Random } from '../../random.js'
import { GROUPS, GROUPS_32, SEQUENCE_GROUPS } from './integer-cases.js'
import { CaseMaker, type IntegerCase, randomValue } from './integer-maker.js'
import { BLOB, type CpuSnapshot, type CpuTarget, DATA, newSnapshot } from './native-cpu.js'
import { SoftCpu } from './soft-cpu.js'
import { asHostVendor } from './vendors.js'

/** States that each instruction runs in. */
const STATES = 6
const DE = 0
const DF = 0x400

const REGISTERS = [
  'rax',
  'rcx',
  'rdx',
  'rbx',
  'rsp',
  'rbp',
  'rsi',
  'rdi',
  'r8',
  'r9',
  'r10',
  'r11',
  'r12',
  'r13',
  'r14',
  'r15',
]

function differences(c: IntegerCase, input: CpuSnapshot, expected: CpuSnapshot, actual: CpuSnapshot): string[] {
  const mask = c.flags(input) | DF
  const found: string[] = []
  const differ = (what: string, x: number | bigint, y: number | bigint): void => {
    if (x !== y) found.push(`${what}: native ${x.toString(16)}, soft ${y.toString(16)}`)
  }
  if (actual.exception !== undefined) return [`exception ${actual.exception}`]
  differ('flags', expected.rflags & mask, actual.rflags & mask)
  for (let i = 0; i < 16; i++) differ(REGISTERS[i], expected.gpr[i], actual.gpr[i])
  const at = expected.data.findIndex((value, i) => value !== actual.data[i])
  if (at >= 0) differ(`data[${at}]`, expected.data[at], actual.data[at])
  return found
}

/** Compatibility mode leaves the upper halves and R8 to R15 undefined: zero in, and so far zero out. */
function cutToLow(gpr: BigUint64Array): void {
  for (let i = 0; i < 8; i++) gpr[i] &= 0xffffffffn
  gpr.fill(0n, 8)
}

/** 32-bit code in a wrapper of 64-bit code at `code` that enters and leaves compatibility mode with Linux's selectors. */
function compatibility(body: Uint8Array, code: number): Uint8Array {
  const dword = (n: number): number[] => [n & 0xff, (n >> 8) & 0xff, (n >> 16) & 0xff, (n >>> 24) & 0xff]
  // mov ds, [data]; mov es, [data]; jmp far [pointer]; data: 0x2b; pointer: 0x23:body.
  const start = [0x8e, 0x1d, ...dword(12), 0x8e, 0x05, ...dword(6), 0xff, 0x2d, ...dword(2), 0x2b, 0]
  const head = [...start, ...dword(code + COMPATIBILITY_START), 0x23, 0]
  return Uint8Array.from([...head, ...body, 0xea, ...dword(code + COMPATIBILITY_START + body.length + 7), 0x33, 0])
}

const COMPATIBILITY_START = 26

export interface IntegerCheck {
  cases: number
  seed: number
  /** 64-bit code, 32-bit code, or sequences of 64-bit instructions. */
  kind: 'long' | 'compatibility' | 'sequences'
}

/** Runs `cases` random instructions in a few states each; gives descriptions of what failed by instruction. */
export function checkIntegers(native: CpuTarget, { cases, seed, kind }: IntegerCheck): Map<string, string[]> {
  const map = native.dataAddress - BigInt(DATA)
  const soft = new SoftCpu({}, map)
  const r = new Random(seed)
  const long = kind !== 'compatibility'
  const code = map + BigInt(BLOB)
  const maker = new CaseMaker(
    r,
    { code: long ? code : code + BigInt(COMPATIBILITY_START), data: native.dataAddress },
    long,
  )
  const input = newSnapshot()
  const fx = new DataView(input.fxsave.buffer)
  fx.setUint16(0, 0x37f, true)
  fx.setUint32(24, 0x1f80, true)
  const expected = newSnapshot()
  const actual = newSnapshot()
  const failures = new Map<string, string[]>()
  const words = new BigUint64Array(input.data.buffer)
  for (let n = 0; n < cases; n++) {
    const c = kind === 'sequences' ? maker.sequence(SEQUENCE_GROUPS, 12) : maker.make(long ? GROUPS : GROUPS_32)
    const bytes = long ? c.code : compatibility(c.code, Number(code))
    for (let k = 0; k < STATES; k++) {
      for (let i = 0; i < 16; i++) input.gpr[i] = randomValue(r)
      for (let i = 0; i < words.length; i++) words[i] = randomValue(r)
      input.rflags = (r.u32() & 0x8d5) | (r.chance(4) ? DF : 0) | 2
      c.prepare(r, input)
      if (!long) cutToLow(input.gpr)
      // Zero would mean "the target's own stack".
      input.gpr[4] ||= 1n
      soft.run(bytes, input, actual)
      let found: string[]
      if (c.divideError?.(input)) {
        found = actual.exception === DE ? [] : ['no #DE']
      } else {
        native.run(bytes, input, expected)
        if (kind === 'long') asHostVendor(bytes, 64, input, actual, expected)
        found = differences(c, input, expected, actual)
      }
      if (found.length === 0) continue
      const list = failures.get(c.name) ?? []
      const registers = Array.from(input.gpr, (value, i) => `${REGISTERS[i]}=${value.toString(16)}`).join(' ')
      list.push(
        `${c.name} [${Buffer.from(c.code).toString('hex')}]: ${found.join('; ')}\n    ${registers} flags=${input.rflags.toString(16)}`,
      )
      failures.set(c.name, list)
    }
  }
  return failures
}
