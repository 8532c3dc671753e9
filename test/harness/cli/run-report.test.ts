import { expect, test } from 'vitest'
import { runJson, summary } from '../../../harness/cli/run-report.js'
import type { RunResult } from '../../../harness/protocol/script.js'

const engine = { engine: 'soft', engineReason: 'there is no /dev/kvm' } as const
const REGISTERS = (n: number) => `EAX=0000000${n}\nLDT=0000 base=00000000 limit=0000ffff access=00082`

function result(outcome: RunResult['outcome'], reason: RunResult['exit']['reason']): RunResult {
  return {
    ...{ outcome, exit: { reason }, guestTimeNs: 1e9, hostMs: 2000, instructions: 3e6, resets: 0 },
    ...{ mode: { kind: 'off', width: 0, height: 0, columns: 0, rows: 0, depth: 0 }, serial: [], unhandled: [] },
    ...{ warnings: [], mediaFailures: [], lastIo: [], faults: [], backtraces: [] },
    registers: `CPU 0:\n${REGISTERS(1)}\nCPU 1:\n${REGISTERS(2)}`,
  } as unknown as RunResult
}

test('why an engine was taken is said where it may be why a run was slow or failed, and nowhere else', () => {
  const told = '(there is no /dev/kvm)'
  expect(summary(result('timeout', 'timeout'), engine, true)).toContain(`engine soft ${told}`)
  expect(summary(result('failed', 'failure'), engine, true)).toContain(told)
  expect(summary(result('timeout', 'timeout'), engine, false)).not.toContain(told)
  expect(summary(result('ok', 'poweroff'), engine, true)).toMatch(/^ok, poweroff: guest 1\.00 s, .*, engine soft$/)
  expect(summary(result('failed', 'triple-fault'), engine, true)).not.toContain(told)
})

test('the object of a run has the registers of each CPU, by their parts', () => {
  const { registers, cpus } = runJson(result('ok', 'poweroff'), engine, undefined)
  const ldt = { selector: '0x0000', base: '0x00000000', limit: '0x0000ffff', access: '0x00082' }
  expect(registers).toEqual({ eax: '0x00000001', ldt })
  expect(cpus).toEqual([registers, { eax: '0x00000002', ldt }])
})
