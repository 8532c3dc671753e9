import { describe, expect, test } from 'vitest'
import { newSnapshot } from './native-cpu.js'
import { asHostVendor, VENDOR_ROWS, type Vendor } from './vendors.js'

function as(vendor: Vendor, code: number[], prepare: (s: ReturnType<typeof newSnapshot>) => void) {
  const [before, soft] = [newSnapshot(), newSnapshot()]
  prepare(before)
  prepare(soft)
  asHostVendor(Uint8Array.from(code), 64, before, soft, newSnapshot(), vendor)
  return soft
}

describe('what belongs to one vendor is not accepted on the other’s CPUs', () => {
  test('REP STOSQ with ECX = 0: RCX and RDI, and with a count nothing', () => {
    const high = 0x1234567800000000n
    const set = (count: bigint) => (s: { gpr: BigUint64Array }) => s.gpr.fill(high).fill(high | count, 1, 2)
    const rep = [0xf3, 0x67, 0x48, 0xab]
    expect([...as('Intel', rep, set(0n)).gpr.subarray(0, 8)].map((x) => x === 0n)).toEqual(
      [0, 1, 0, 0, 0, 0, 0, 1].map(Boolean),
    )
    expect(as('AMD', rep, set(0n)).gpr).toEqual(new BigUint64Array(16).fill(high))
    expect(as('Intel', rep, set(1n)).gpr[7]).toBe(high)
    expect(as('Intel', [0xf3, 0x48, 0xab], set(0n)).gpr[7]).toBe(high)
  })

  test('FSIN of the smallest normal number: underflow only on AMD', () => {
    const set = (s: { fxsave: Uint8Array }): void => {
      const fx = new DataView(s.fxsave.buffer)
      fx.setUint16(0, 0x37f, true)
      fx.setUint16(2, 0x30, true)
      fx.setBigUint64(32, 0x8000000000000000n, true)
    }
    const status = (vendor: Vendor, modrm: number) => as(vendor, [0xd9, modrm], set).fxsave[2]
    expect([status('Intel', 0xfe), status('AMD', 0xfe), status('Intel', 0xff)]).toEqual([0x20, 0x30, 0x30])
  })

  test('each row says what both do, and why ours is right', () => {
    for (const { instruction, intel, amd, why } of VENDOR_ROWS) {
      expect(
        [intel, amd, why].every((text) => text.length > 10),
        instruction,
      ).toBe(true)
    }
  })
})
