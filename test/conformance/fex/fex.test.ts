import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { haveNasm } from '../../machine/cpu/driver.js'
import { parseProgram } from './program.js'
import { runSuite } from './run.js'
import { UserMachine } from './user-machine.js'

const head = (config: object): string => `%ifdef CONFIG\n${JSON.stringify(config)}\n%endif\n`

const PROGRAMS: { [name: string]: string } = {
  'ASM/vector.asm': `${head({ RegData: { XMM1: ['0x5', '0x0', '0x5', '0'], RBX: '0xe0000000' }, HostFeatures: ['AVX'] })}
    mov rbx, 0xe0000000
    mov qword [rbx], 5
    vmovq xmm0, [rbx]
    vinsertf128 ymm1, ymm0, xmm0, 1
    hlt`,
  'ASM/x87.asm': `${head({ RegData: { MM7: ['0x8000000000000000', '0x3fff'] } })}fld1\nhlt`,
  'ASM/data.asm': `${head({
    RegData: { RAX: '0x44332211', RSP: '0x7ffff000' },
    MemoryRegions: { '0x500000000': '0x100000000' },
    MemoryData: { '0x5ffff0000': '11 22 33 44' },
  })}mov rsp, 0x7ffff000\nmov rcx, 0x5ffff0000\nmov eax, [rcx]\nmov [rcx - 0x1000], eax\nhlt`,
  'ASM/wrong.asm': `${head({ RegData: { RAX: '0x1' } })}mov eax, 2\nhlt`,
  'ASM/fault.asm': `${head({})}mov rax, [0x1234]\nhlt`,
  'ASM/foreign.asm': `${head({ HostFeatures: ['3DNOW'] })}hlt`,
  'ASM/unknown.asm': `${head({})}frobnicate eax, 1`,
  '32Bit_ASM/near.asm': `${head({ Mode: '32BIT', RegData: { RAX: '0x17', RCX: '0x0' } })}mov ecx, 0\nhlt`,
}

describe.skipIf(!haveNasm)(`FEX's programs${haveNasm ? '' : ' (skipped: no nasm)'}`, () => {
  let root: string
  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), 'bootwright-fex-test-'))
    for (const [name, source] of Object.entries(PROGRAMS)) {
      mkdirSync(join(root, name, '..'), { recursive: true })
      writeFileSync(join(root, name), source)
    }
  })
  afterAll(() => rmSync(root, { recursive: true, force: true }))

  test('pass, fail with what differs, or are skipped with the reason', () => {
    const machine = new UserMachine('x86-64-v3')
    const tally = runSuite(machine, root, 'ASM', /./)
    expect(tally.passed).toBe(3)
    expect(tally.failed).toEqual(['ASM/fault.asm: exception 14 at 1234, RIP 10000', 'ASM/wrong.asm: RAX[0] 2 for 1'])
    expect([...tally.skipped]).toEqual([
      ['needs 3DNOW', ['ASM/foreign.asm']],
      [expect.stringMatching(/^nasm: /), ['ASM/unknown.asm']],
    ])
    expect(runSuite(machine, root, '32Bit_ASM', /./)).toMatchObject({ passed: 1, failed: [] })
  })
  test('numbers are read as the build of FEX reads them', () => {
    const program = parseProgram(head({ RegData: { RAX: '0xffff_0001' }, MemoryData: { '0x10': '0x1234 5' } }))
    expect(program?.registers).toEqual([['RAX', [0xffff0001n]]])
    expect(program?.data).toEqual([[0x10n, Uint8Array.from([0x34, 0x12])]])
  })
})
