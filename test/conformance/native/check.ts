/** Runs random cases of an instruction on the native CPU and the soft engine. */

import { Random } from '../../random.js'
import type { CompareOptions, Comparison } from './compare.js'
import { describeFpu } from './compare.js'
import type { Instruction } from './instructions.js'
import { newSnapshot } from './native-cpu.js'
import { fillFpu, fillVectors, randomBytes, randomExtended, randomFloat, type StateOptions } from './random-state.js'

export interface CheckOptions extends StateOptions, CompareOptions {
  cases: number
  seed: number
}

/** Runs `cases` random cases; returns descriptions of the failures (the first few in full). */
export function check(comparison: Comparison, instruction: Instruction, options: CheckOptions): string[] {
  // Each instruction has its own sequence, whatever ran before it.
  let seed = options.seed
  for (const c of instruction.name) seed = Math.imul(seed ^ c.charCodeAt(0), 0x01000193)
  const r = new Random(seed)
  const s = newSnapshot()
  const data = new DataView(s.data.buffer)
  const failures: string[] = []
  for (let n = 0; n < options.cases; n++) {
    fillFpu(r, s, options)
    for (let i = 0; i < 16; i++) s.gpr[i] = r.u64()
    s.gpr[4] = 0n
    s.gpr[7] = BigInt(r.below(16))
    s.rflags = r.u32() & 0x8d5
    switch (instruction.operand) {
      case undefined:
        break
      case 'extended': {
        const [sig, se] = randomExtended(r)
        data.setBigUint64(0, sig, true)
        data.setUint16(8, se, true)
        break
      }
      case 'bcd': {
        for (let i = 0; i < 10; i++) data.setUint8(i, r.below(10) | (r.below(10) << 4))
        data.setUint8(9, r.below(2) << 7)
        break
      }
      case 'word':
      case 'dword':
      case 'qword':
        data.setBigUint64(0, r.chance(4) ? BigInt(r.below(4)) : randomBytes(r), true)
        break
      default:
        fillVectors(r, s, instruction.operand)
    }
    if (instruction.name.startsWith('cvtsi2') && r.chance(2)) s.gpr[0] = randomFloat(r, 11, 52)
    const found = comparison.run(instruction.code, s, { statusMask: instruction.statusMask, ...options })
    if (found.length) {
      const mxcsr = new DataView(s.fxsave.buffer).getUint32(24, true).toString(16)
      const operand = Buffer.from(s.data.subarray(0, 32)).toString('hex')
      const xmm = [1, 2, 3].map((i) => Buffer.from(s.fxsave.subarray(160 + i * 16, 176 + i * 16)).toString('hex'))
      failures.push(
        `${instruction.name} case ${n}: ${found.join('; ')}\n    ${describeFpu(s, 4)} mxcsr=${mxcsr} xmm1=${xmm[0]} xmm2=${xmm[1]} xmm3=${xmm[2]} [rsi]=${operand}`,
      )
    }
  }
  return failures
}
