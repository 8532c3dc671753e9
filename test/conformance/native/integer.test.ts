import { describe, expect, test } from 'vitest'
import { whyNoMode } from './faults/host-faults.js'
import { checkIntegers, type IntegerCheck } from './integer-check.js'
import { type CpuTarget, nativeCpu } from './native-cpu.js'
import { cases, LONGEST, note, seed, skip } from './targets.js'

describe.skipIf(skip)(
  `integer instructions on the soft engine and on the host's CPU${note}`,
  { timeout: LONGEST },
  () => {
    const native = skip ? undefined : nativeCpu()
    const check = async (kind: IntegerCheck['kind'], usual: number): Promise<string[]> => {
      const failures = checkIntegers((await native) as CpuTarget, { cases: cases(usual), seed, kind })
      // One of each instruction is enough to read.
      return [...failures.values()].map((list) => list[0])
    }

    test('64-bit code: all operand sizes, high bytes, SIB and RIP-relative operands', async () => {
      expect(await check('long', 1500)).toEqual([])
    })

    const no32 = whyNoMode(32)
    const note32 = no32 ? ` (skipped: ${no32})` : ''
    test.skipIf(no32)(`32-bit code, with the instructions that 64-bit code has lost${note32}`, async () => {
      expect(await check('compatibility', 1000)).toEqual([])
    })

    test('sequences: each instruction finds the flags that the one before left', async () => {
      expect(await check('sequences', 500)).toEqual([])
    })
  },
)
