/** The last exceptions say which access a segment refused. */
import { describe, expect, test } from 'vitest'
import { evidence } from '../../../../harness/words/evidence.js'
import { haveNasm } from '../driver.js'
import { runLong } from './long.js'
import { runProtected } from './protected.js'

const words = (faults: ReturnType<ReturnType<typeof runProtected>['cpu']['engine']['lastFaults']>): string[] => {
  const mode = { kind: 'off' } as unknown as Parameters<typeof evidence>[0]['mode']
  const text = evidence({
    mode,
    text: undefined,
    serial: [],
    faults,
    lastIo: [],
    unhandled: [],
    warnings: [],
    backtraces: [],
    mediaFailures: [],
  } as never)
  return [
    ...text.matchAll(/^ {2}#\S+ at [0-9a-f]+:[0-9a-f]+(?:, error code 0x[0-9a-f]+)?, (.*), after \d+ instr/gm),
  ].map(([, s]) => s)
}

describe.skipIf(!haveNasm)('the last exceptions', () => {
  test('name segment, offset and limit of an access that was refused', () => {
    const { cpu } = runProtected(
      `
      mov ax, FREE
      mov es, ax
      expect_fault one
      mov eax, [es:0x804a0f8]
    one:
      mov ax, FREE + 8
      mov fs, ax
      expect_fault two
      mov [fs:0x10], ax
    two:
      expect_fault three
      user
      mov ax, FREE + 16 + 3
      mov ss, ax
      push eax
    three:
      expect_fault four
      mov [cs:0x500], eax
    four:
      xor eax, eax
      mov gs, ax
      expect_fault five
      inc dword [gs:0x123]
    five:
      expect_fault six
      mov ax, 0x1000
      mov ds, ax
    six:
      expect_fault seven
      jmp FREE + 24:0x2000
    seven:`,
      'desc 0, 0x7ff, 0x93, 0xc\ndesc 0, 0xfff, 0x97, 4\ndesc 0, 0xfff, 0xf3, 4\ndesc 0, 0xfff, 0x9b, 4\n',
    )
    const faults = cpu.engine.lastFaults()
    expect(faults[0].refused).toEqual({
      access: 'read',
      segment: 'ES',
      offset: '0x804a0f8',
      limit: '0x7fffff',
      why: 'past its limit',
    })
    expect(faults[5].refused).toBeUndefined()
    expect(words(faults.filter((_, i) => i !== 5))).toEqual([
      'read ES:0804A0F8 past its limit 7FFFFFh',
      'write FS:0010 below its limit FFFh',
      'write SS:5FFC past its limit FFFh',
      'write CS:0500, which its type does not allow',
      'write GS:0123 through a null selector',
      'execute CS:2000 past its limit FFFh',
    ])
  })

  test('name an address that is not canonical', () => {
    const { cpu } = runLong(`
      long_gate 13, 0, done64
      mov rbx, 0x8000000000000000
      mov [rbx + 8], eax`)
    expect(words(cpu.engine.lastFaults())).toEqual(['write 8000000000000008h, which is not canonical'])
  })
})
