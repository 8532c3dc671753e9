import { expect, test } from 'vitest'
import type { CpuState } from '../../../machine/cpu/engine.js'
import { evaluate } from '../../../machine/debug/monitor-expression.js'

const state = {
  gpr: [0x1234_5678_9abcn, 5n, 0n, 0n, 0x7c00n],
  rip: 0x100n,
  cr3: 0x8000n,
  segments: [{}, { base: 0xf0000n }],
} as never as CpuState
const names = { state, addressOf: (symbol: string) => (symbol === 'kmain' ? 0x100000n : undefined) }

test.each([
  ['0x10+4*2', 0x18n],
  ['(0x10+4)*2', 0x28n],
  ['1<<4|3&1', 17n],
  ['-1', 0xffffffffffffffffn],
  ['~0 >> 60', 15n],
  ['$eax', 0x56789abcn],
  ['$rax & 0xffff', 0x9abcn],
  ['$sp - 2', 0x7bfen],
  ['$pc+$cr3', 0xf8100n],
  ['kmain + 8', 0x100008n],
  ['7 % 4 ^ 1', 2n],
])('%s', (text, value) => {
  expect(evaluate(text, names)).toBe(value)
})

test.each([
  ['kmian', "there is no symbol 'kmian'"],
  ['$xyz', "there is no register '$xyz'"],
  ['1 +', 'the expression ends too early'],
  ['(1', "a ')' is missing"],
  ['1 2', "'2' is one too many"],
  ['1/0', 'division by zero'],
  ['"', 'is no expression'],
  ['('.repeat(1000), 'too deep'],
])('%s is refused', (text, sentence) => {
  expect(() => evaluate(text, names)).toThrow(sentence)
})
