/** Checks of string comparisons and of bit manipulation, which want operands of their own. */

import { Random } from '../../random.js'
import type { Comparison } from './compare.js'
import type { Instruction } from './instructions.js'
import { randomValue } from './integer-maker.js'
import { type BitInstruction, stringOperands } from './later-instructions.js'
import { newSnapshot } from './native-cpu.js'
import { fillFpu } from './random-state.js'

function seeded(name: string, seed: number): Random {
  let s = seed
  for (const c of name) s = Math.imul(s ^ c.charCodeAt(0), 0x01000193)
  return new Random(s)
}

export function checkStrings(comparison: Comparison, instruction: Instruction, cases: number, seed: number): string[] {
  const r = seeded(instruction.name, seed)
  const s = newSnapshot()
  const failures: string[] = []
  for (let n = 0; n < cases; n++) {
    fillFpu(r, s)
    stringOperands(r, new DataView(s.fxsave.buffer), new DataView(s.data.buffer))
    s.gpr.fill(0n)
    const length = (): bigint => BigInt.asUintN(64, BigInt(r.below(40) - 20) + (r.chance(6) ? r.u64() : 0n))
    s.gpr[0] = length()
    s.gpr[2] = length()
    s.rflags = r.u32() & 0x8d5
    const found = comparison.run(instruction.code, s)
    if (found.length) {
      const bytes = (from: number, b: Uint8Array): string => Buffer.from(b.subarray(from, from + 16)).toString('hex')
      failures.push(
        `${instruction.name} case ${n}: ${found.join('; ')}\n    xmm1=${bytes(176, s.fxsave)} xmm2=${bytes(192, s.fxsave)} [rsi]=${bytes(0, s.data)} rax=${s.gpr[0].toString(16)} rdx=${s.gpr[2].toString(16)}`,
      )
    }
  }
  return failures
}

export function checkBits(comparison: Comparison, instruction: BitInstruction, cases: number, seed: number): string[] {
  const r = seeded(instruction.name, seed)
  const s = newSnapshot()
  const data = new DataView(s.data.buffer)
  const failures: string[] = []
  fillFpu(r, s)
  for (let n = 0; n < cases; n++) {
    for (let i = 0; i < 16; i++) s.gpr[i] = randomValue(r)
    s.gpr[4] = 0n
    s.gpr[7] = 0n
    if (r.chance(2)) s.gpr[3] = BigInt(r.below(80) | (r.below(80) << 8))
    data.setBigUint64(0, r.chance(8) ? 0n : randomValue(r), true)
    s.rflags = r.u32() & 0x8d5
    const found = comparison.run(instruction.code, s, { flagMask: instruction.flags })
    if (found.length) {
      const registers = [1, 2, 3].map((i) => s.gpr[i].toString(16)).join(' ')
      failures.push(
        `${instruction.name} case ${n}: ${found.join('; ')}\n    rcx rdx rbx = ${registers} [rsi]=${data.getBigUint64(0, true).toString(16)} flags=${s.rflags.toString(16)}`,
      )
    }
  }
  return failures
}
