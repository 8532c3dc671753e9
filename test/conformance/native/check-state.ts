/** Checks instructions that load and store whole x87 and SSE states. */

import { Random } from '../../random.js'
import type { Comparison } from './compare.js'
import type { StateSequence } from './instructions.js'
import { newSnapshot } from './native-cpu.js'
import { fillFpu } from './random-state.js'

/** Random images through `sequence` on both targets; returns descriptions of the differences. */
export function checkState(comparison: Comparison, sequence: StateSequence, cases: number, seed: number): string[] {
  const r = new Random(seed)
  const s = newSnapshot()
  const data = new DataView(s.data.buffer)
  const failures: string[] = []
  for (let n = 0; n < cases; n++) {
    fillFpu(r, s, { empty: 3 })
    s.gpr.fill(0n)
    for (let i = 0; i < s.data.length; i += 4) data.setUint32(i, r.u32(), true)
    if (sequence.name.startsWith('fxrstor')) data.setUint32(24, r.u32() & 0xffff, true)
    // MXCSR may unmask what is pending already: only the next arithmetic would fault.
    if (sequence.name.startsWith('ldmxcsr')) data.setUint32(0, r.u32() & 0xffff, true)
    const found = comparison.run(sequence.code, s, {
      ignoreData: sequence.ignore.map(([a, b]) => [a + sequence.store[0], b + sequence.store[0]]),
    })
    if (found.length) failures.push(`${sequence.name} case ${n}: ${found.join('; ')}`)
  }
  return failures
}
