/** Instructions in words: in three modes, at the end of memory, and of bytes that are none. */
import { expect, test } from 'vitest'
import { disassemble } from '../../../machine/debug/disassembly.js'
import { type Monitored, monitor } from '../../../machine/debug/monitor.js'
import { Random } from '../../random.js'

const words = (bytes: readonly number[], bits: 16 | 32 | 64, count = 10) =>
  disassemble(Uint8Array.from(bytes), 0x7c00n, bits, count).map(
    ({ address, text }) => `${address.toString(16)} ${text}`,
  )

test('the same bytes are other instructions in 16, 32 and 64 bits', () => {
  const bytes = [0xb8, 0x34, 0x12, 0x00, 0x00, 0x48, 0x89, 0xe5, 0xcd, 0x10]
  expect(words(bytes, 16)[0]).toBe('7c00 movw   $0x1234,%ax')
  expect(words(bytes, 32)).toEqual([
    '7c00 movl   $0x1234,%eax',
    '7c05 decl   %eax',
    '7c06 movl   %esp,%ebp',
    '7c08 int    $0x10',
  ])
  expect(words(bytes, 64)).toEqual(['7c00 movl   $0x1234,%eax', '7c05 movq   %rsp,%rbp', '7c08 int    $0x10'])
})

test('what is no instruction is stepped over, and one that is cut off is left out', () => {
  expect(words([0x0f, 0xff, 0x0f, 0x04, 0x90, ...Array(16).fill(0x90)], 64, 2)[0]).toMatch(/^7c00/)
  expect(words([0x90, 0xe8, 0x00], 32)).toEqual(['7c00 nop'])
  const source = new Random(7)
  for (let i = 0; i < 300; i++) {
    const bytes = Array.from({ length: 40 }, () => source.u32() & 255)
    for (const bits of [16, 32, 64] as const) {
      const found = disassemble(Uint8Array.from(bytes), 0xffff_fff0n, bits, 40)
      expect(found.reduce((sum, one) => sum + one.bytes.length, 0)).toBeLessThanOrEqual(40)
      expect(Buffer.concat(found.map((one) => one.bytes))).toEqual(
        Buffer.from(bytes).subarray(
          0,
          found.reduce((sum, one) => sum + one.bytes.length, 0),
        ),
      )
    }
  }
})

test('the monitor has them by x/i, with names and lines', () => {
  const code = [0x89, 0xe5, 0xe8, 0x03, 0x00, 0x00, 0x00, 0xf4]
  const at = (address: number, length: number) =>
    Uint8Array.from(code.slice(address - 0x1000, address - 0x1000 + length))
  const names: { [address: string]: string } = {
    '1000': ' <kmain> (k.c:3)',
    '1002': ' <kmain+0x2> (k.c:3)',
    '1007': ' <kmain+0x7> (k.c:4)',
    '100a': ' <panic>',
  }
  const segment = { selector: 8, base: 0n, limit: 0xffffffff, access: 0xc09b }
  const machine = {
    target: {
      cpus: 1,
      state: () => ({
        cr0: 1n,
        cr3: 0n,
        cr4: 0n,
        efer: 0n,
        rflags: 2n,
        rip: 0x1000n,
        gpr: [],
        segments: [segment, segment],
      }),
      physical: {
        bytes: (address: number, length: number) =>
          address >= 0x1000 && address < 0x1008 ? at(address, length) : new Uint8Array(),
      },
      symbols: { addressOf: () => undefined },
      nameOf: (address: bigint) => names[address.toString(16)] ?? '',
    },
  } as unknown as Monitored
  expect(monitor(machine, 'x/3i $eip', 0)).toBe(
    [
      '<kmain> (k.c:3)',
      '0x00001000:  89 e5                    movl   %esp,%ebp',
      '0x00001002:  e8 03 00 00 00           calll  0x100a <panic>',
      '<kmain> (k.c:4)',
      '0x00001007:  f4                       hlt',
      '',
    ].join('\n'),
  )
  expect(monitor(machine, 'xp/9i 0x1007', 0)).toMatch(/hlt\n1008: no memory is there\n$/)
  expect(monitor(machine, 'x/3iw $eip', 0)).toBe('x/i takes a count and an address, as in x/10i $eip\n')
})
