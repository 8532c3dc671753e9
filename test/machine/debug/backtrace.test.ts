import { expect, test } from 'vitest'
import { backtrace } from '../../../machine/debug/backtrace.js'
import { readSymbols } from '../../../machine/debug/symbols/read-symbols.js'
import { Symbols } from '../../../machine/debug/symbols/symbols.js'
import { BareCpu } from '../cpu/driver.js'
import { asBytes, bytesOf, madeElf } from './symbols/made-elf.js'

const FRAME = [0x55, 0x89, 0xe5]
const STACK = 0x8000

test.each([
  ['CALL FAR 4B:0, a call gate', [0x9a, 0, 0, 0, 0, 0x4b, 0]],
  ['CALL FAR [9000h]', [0xff, 0x1d, ...bytesOf(4, 0x9000)]],
  ['CALL FAR [EDX+4]', [0xff, 0x5a, 4]],
  ['CALL EAX', [0xff, 0xd0]],
])('a function that was called by %s has its caller behind it', (_, call) => {
  const cpu = new BareCpu(1 << 20)
  cpu.ram.set([...FRAME, 0x0f, 0x0b], 0x1000)
  cpu.ram.set([...FRAME, ...call, 0x90], 0x2000)
  const back = 0x2000 + FRAME.length + call.length
  // EBP of the caller, the return address, and what a far call has pushed above.
  cpu.ram.set(bytesOf(4, 0, back, 0x43, 0, 0x3b), STACK)
  const symbols = madeElf(
    [
      { name: 'gated', address: 0x1000, size: 5 },
      { name: 'user', address: 0x2000, size: 32 },
    ],
    [],
    { virtual: 0x1000 },
  )
  const state = structuredClone(cpu.state)
  state.cr0 |= 1n
  state.segments = state.segments.map((segment, i) => ({ ...segment, base: 0n, access: i === 1 ? 0xc09b : 0xc093 }))
  state.rip = 0x1003n
  state.gpr[4] = BigInt(STACK)
  state.gpr[5] = BigInt(STACK)
  const read = (linear: bigint, length: number) => cpu.ram.slice(Number(linear), Number(linear) + length)
  const frames = backtrace(state, read, new Symbols([{ file: readSymbols(asBytes(symbols)) }]))
  expect(frames.map(({ symbol, by }) => [symbol, by])).toEqual([
    ['gated', 'registers'],
    ['user', 'frame pointer'],
  ])
})
