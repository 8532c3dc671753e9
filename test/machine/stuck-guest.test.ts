import { expect, test } from 'vitest'
import type { Engine, Fault } from '../../machine/cpu/engine.js'
import { StuckGuest } from '../../machine/stuck-guest.js'

/** A CPU that takes one page fault over and over, and has these registers whenever it is looked at. */
function faulting() {
  const state = { gpr: [0n], rip: 0x1000n, rflags: 2n }
  let instructions = 0
  const engine = {
    kind: 'soft',
    cpus: 1,
    instructions: () => instructions,
    lastFaults: (): Fault[] =>
      Array.from({ length: 8 }, (_, i) => {
        const at = instructions - i
        return { vector: 14, errorCode: 2, cs: 8, ip: '0x1000', cr2: '0x5000', instructions: at }
      }),
    getState: () => state,
    interruptsEnabled: () => true,
  } as unknown as Engine
  const stuck = new StuckGuest(engine, () => undefined)
  const look = (accesses = 0) => {
    stuck.suspect(accesses)
    instructions += 1000
    return stuck.why(accesses)
  }
  return { stuck, look, state }
}

test('a fault over and over is a hang where the CPU comes back to the registers that it had', () => {
  const { look } = faulting()
  expect(look()).toBeUndefined()
  expect(look()).toMatch(/the same exception over and over: exception 14, CR2 0x5000, at 8:0x1000/)
})

test('a handler that counts is at work', () => {
  const { look, state } = faulting()
  for (let i = 0; i < 20; i++) {
    state.gpr[0]++
    expect(look()).toBeUndefined()
  }
})

test('what was seen before a device was asked, or before a state was loaded, does not count', () => {
  const { stuck, look } = faulting()
  expect(look()).toBeUndefined()
  expect(look(1)).toBeUndefined()
  expect(look(1)).toBeUndefined()
  stuck.forget()
  expect(look(1)).toBeUndefined()
  expect(look(1)).toBeDefined()
})
