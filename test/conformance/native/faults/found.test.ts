/** What the host's CPU taught: each was wrong on the soft engine once. Needs no host, so it runs everywhere. */
import { expect, test } from 'vitest'
import type { Mode } from '../encoding.js'
import { CODE, DATA, type FaultCase, PAGE } from './host-faults.js'
import { SoftFaults } from './soft-faults.js'

const TF = 0x100
const [RAX, RCX, RSP, RDI] = [0, 1, 4, 7]
const soft = new SoftFaults()

function run(mode: Mode, code: number[], rflags: number, registers: { [index: number]: number | bigint } = {}) {
  const gpr = new BigUint64Array(16)
  gpr[RSP] = BigInt(DATA + 0x800)
  for (const [index, value] of Object.entries(registers)) gpr[Number(index)] = BigInt(value)
  const fxsave = new Uint8Array(512)
  fxsave.set([0x7f, 3])
  // FIP and FDP, then MXCSR.
  fxsave.set([0x78, 0x56, 0x34, 0x12], 8)
  fxsave.set([0x21, 0x43], 16)
  fxsave.set([0x80, 0x1f], 24)
  const c: FaultCase = {
    mode,
    code: Uint8Array.from(code),
    gpr,
    rflags: 0x202 | rflags,
    fxsave,
    ymmHigh: new Uint8Array(256),
    data: new Uint8Array(PAGE).fill(0xff),
  }
  return soft.run(c)
}

test.each([
  ['two', [0x44, 0x41, 0x90]],
  ['three', [0x44, 0x40, 0x41, 0x90]],
  ['five', [0x44, 0x40, 0x41, 0x4f, 0x40, 0x90]],
])('of %s REX prefixes the last one counts', (_name, code) => {
  expect(run(64, code, TF)).toMatchObject({ trap: 1, rip: code.length })
})

test('a REX prefix in front of another prefix does not count', () => {
  // 48 67 89 07: MOV [EDI], EAX.
  const { trap, data } = run(64, [0x48, 0x67, 0x89, 0x07], TF, { [RAX]: 0x12345678, [RDI]: DATA })
  expect({ trap, data: [...data.subarray(0, 6)] }).toEqual({ trap: 1, data: [0x78, 0x56, 0x34, 0x12, 0xff, 0xff] })
})

test.each([
  ['JMP', [0xe9, 0xfb, 0xff, 0xff, 0x0f], 64],
  ['JMP', [0xe9, 0xfb, 0xff, 0xff, 0x0f], 32],
  ['CALL', [0xe8, 0xfb, 0xff, 0xff, 0x0f], 64],
  ['JZ', [0x0f, 0x84, 0xfa, 0xff, 0xff, 0x0f], 64],
  ['JMP RAX', [0xff, 0xe0], 64],
] as const)('a single step of %s to an absent page traps before the page faults: %s, %i bits', (_name, code, mode) => {
  expect(run(mode, [...code], TF | 0x40, { [RAX]: 0x48000000 })).toMatchObject({ trap: 1, rip: 0x10000000 })
})

test('PUSH FS writes 64 bits in 64-bit code and 16 in 32-bit code', () => {
  const at = 0x800
  expect([...run(64, [0x0f, 0xa0], TF).data.subarray(at - 9, at)]).toEqual([0xff, 0, 0, 0, 0, 0, 0, 0, 0])
  expect([...run(32, [0x0f, 0xa0], TF).data.subarray(at - 5, at)]).toEqual([0xff, 0, 0, 0xff, 0xff])
})

test.each([
  ['REPNE SCASB', [0xf2, 0xae], 64],
  ['REPNE SCASD', [0xf2, 0xaf], 32],
  ['REPE CMPSB', [0xf3, 0xa6], 64],
] as const)('%s that faults leaves the flags as they were: %s, %i bits', (_name, code, mode) => {
  const end = DATA + PAGE
  const outcome = run(mode, [...code], 0x8d5, { [RAX]: 0x55, [RCX]: 0x1000, 6: DATA, [RDI]: end - 0x40 })
  expect(outcome).toMatchObject({ trap: 14, rip: 0, cr2: BigInt(end) })
  expect(outcome.rflags & 0x8d5).toBe(0x8d5)
  expect(outcome.gpr[RDI]).toBe(BigInt(end))
})

test.each([
  ['REP OUTSB', [0xf3, 0x6e], 64],
  ['REP INSW', [0xf3, 0x6d], 16],
  ['REPNE OUTSB with CX', [0xf2, 0x67, 0x6e], 32],
] as const)('%s without permission is #GP even where it is to transfer nothing', (_name, code, mode) => {
  expect(run(mode, [...code], 0, { [RCX]: mode === 32 ? 0x70000 : 0 })).toMatchObject({ trap: 13, rip: 0, error: 0 })
})

test('FXRSTOR from an absent page: CR2 is its last byte’s address', () => {
  const at = DATA + PAGE + 0x120
  expect(run(64, [0x0f, 0xae, 0x0f], 0, { [RDI]: at })).toMatchObject({ trap: 14, cr2: BigInt(at + 0x1ff) })
})

test('CALL writes the return address before it looks at the target', () => {
  const away = 0x8000000000000000n
  expect(run(64, [0xff, 0xd0], 0, { [RAX]: away, [RSP]: away })).toMatchObject({ trap: 12, rip: 0 })
  const { trap, gpr, data } = run(64, [0xff, 0xd0], 0, { [RAX]: away })
  expect({ trap, sp: gpr[RSP] }).toEqual({ trap: 13, sp: BigInt(DATA + 0x800) })
  expect([...data.subarray(0x7f8, 0x800)]).toEqual([2, 0, 0, 0x38, 0, 0, 0, 0])
})

test('MASKMOVDQU over the end of the canonical addresses is #GP whatever its mask', () => {
  expect(run(64, [0x66, 0x0f, 0xf7, 0xc1], 0, { [RDI]: 0x7ffffffffff8n })).toMatchObject({ trap: 13, rip: 0 })
})

test('a displacement beside RIP that reaches past 2 GiB does not wrap', () => {
  // MOV EAX, [RIP + 7FFFFFFFh], behind a NOP in the same block.
  const cr2 = BigInt(CODE + 7 + 0x7fffffff)
  expect(run(64, [0x90, 0x8b, 0x05, 0xff, 0xff, 0xff, 0x7f], 0)).toMatchObject({ trap: 14, rip: 1, cr2 })
})

test.each([
  ['FST m64', [0xdd, 0x17]],
  ['FSTP m80', [0xdb, 0x3f]],
  ['FBSTP', [0xdf, 0x37]],
  ['FISTP m16', [0xdf, 0x1f]],
] as const)('%s that faults leaves the pointers of the x87 instruction before', (_name, code) => {
  const { trap, fxsave } = run(32, [...code], 0, { [RDI]: DATA + PAGE + 8 })
  const view = new DataView(fxsave.buffer, fxsave.byteOffset)
  expect({ trap, ip: view.getUint32(8, true), dp: view.getUint32(16, true) }).toEqual({
    trap: 14,
    ip: 0x12345678,
    dp: 0x4321,
  })
})

test.each([
  ['MASKMOVQ', [0x0f, 0xf7, 0xc1], 0x7ffffffffffdn],
  ['MASKMOVDQU', [0x66, 0x0f, 0xf7, 0xc1], 0x7ffffffffff5n],
])('all of the operand of %s is to be canonical, before a page of it is looked at', (_name, code, rdi) => {
  expect(run(64, code, TF, { [RDI]: rdi })).toMatchObject({ trap: 13, rip: 0 })
})
