/** `bootwright compare`: the first instruction at which two recordings part, as somebody would ask for it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Step } from '../../../../harness/protocol/script.js'
import { VmThread } from '../../../../harness/thread/machine-thread.js'
import { compiledKernel, haveCompiler } from '../../../compiled-kernel.js'
import { START, writeCountedKernel } from '../../../counted-kernel.js'
import { noFirmware } from '../../../firmware-here.js'
import { programFloppy } from '../../boot-programs.js'
import { inProcess } from '../in-process.js'

const folder = mkdtempSync(join(tmpdir(), 'bootwright-compare-'))
afterAll(() => rmSync(folder, { recursive: true }))
const at = (name: string) => join(folder, name)
const MIB = 2 ** 20

async function record(name: string, kernel: string, memory = 16): Promise<string> {
  const vm = await VmThread.start({ memory: memory * MIB, kernel: { path: kernel }, record: at(name) })
  const { outcome, error } = await vm.run({ steps: [{ kind: 'until', condition: { kind: 'exit' } }] })
  await vm.close()
  expect(outcome, error).toBe('ok')
  return at(name)
}

describe.skipIf(noFirmware)('bootwright compare', () => {
  const kernels = [1, 2].map((nops) => writeCountedKernel(at(`${nops}.bin`), nops))
  let one = ''

  beforeAll(async () => {
    one = await record('one.jsonl', kernels[0])
  })

  test('says that a run is the same again', async () => {
    const again = await record('again.jsonl', kernels[0])
    const { code, stdout, stderr } = await inProcess(['compare', one, again])
    expect(code, stderr).toBe(0)
    expect(stdout).toMatch(/^the runs are the same: [\d,]+ instructions, 0\.\d{6} s of guest time\n$/)
  })

  test('of two kernels names the instruction at which they part', async () => {
    const other = await record('other.jsonl', kernels[1])
    const { code, stdout, stderr } = await inProcess(['compare', one, other, '--json'])
    expect(code, stderr).toBe(1)
    // mov, nop: then one goes round, and the other has a nop more.
    const address = `0x${(START + 6).toString(16)}`
    expect(JSON.parse(stdout)).toMatchObject({
      outcome: 'parted',
      instructions: 2,
      since: 'the kernel',
      sides: [
        {
          at: { address },
          code: 'e2fd',
          instruction: `loopl  0x${(START + 5).toString(16)}`,
          next: { address: `0x${(START + 5).toString(16)}` },
        },
        { at: { address }, code: '90', instruction: 'nop', next: { address: `0x${(START + 7).toString(16)}` } },
      ],
      registers: expect.arrayContaining([{ name: 'ecx', values: ['3e7', '3e8'] }]),
    })
    const text = (await inProcess(['compare', one, other])).stdout
    expect(text).toContain(`the kernel differs: "${kernels[0]}" and "${kernels[1]}"`)
    expect(text).toContain("they part at the instruction after 2 since the kernel's first one")
    expect(text).toMatch(/^ {2}ecx +3e7 +3e8$/m)
  })

  test('of two machines says what differs', async () => {
    const larger = await record('larger.jsonl', kernels[0], 32)
    const { code, stdout } = await inProcess(['compare', one, larger])
    expect(code).toBe(1)
    expect(stdout).toBe('they are of different machines: memory is 16 MiB in the first and 32 MiB in the second\n')
  })

  test('is in trouble, and says why, where there is no recording', async () => {
    const { code, stderr } = await inProcess(['compare', one, at('none.jsonl')])
    expect(code).toBe(2)
    expect(stderr).toMatch(/^bootwright: the recording ".*none\.jsonl" does not exist/)
    const wrong = await inProcess(['compare', kernels[0], one, '--json'])
    expect(wrong.code).toBe(2)
    expect(JSON.parse(wrong.stdout).error).toContain('is no recording of bootwright')
  })

  test.skipIf(!haveCompiler)('has lines and names of both', async () => {
    const source = join(import.meta.dirname, '../compare-kernel.c')
    const [low, high] = await Promise.all(
      [700, 900].map((limit) => record(`${limit}.jsonl`, compiledKernel(`limit${limit}`, source, `-DLIMIT=${limit}`))),
    )
    const { code, stdout, stderr } = await inProcess(['compare', low, high])
    expect(code, stderr).toBe(1)
    // The comparison is the same line; its number is in the instruction, and its flags are the first that differ.
    expect(stdout).toMatch(
      /A: 0x\w+ advance\+0x\w+ \(.*compare-kernel\.c:14\): 81 7d fc bb 02 00 00 {2}cmpl +\$0x2bb,-4\(%ebp\); then /,
    )
    expect(stdout).toMatch(
      /B: 0x\w+ advance\+0x\w+ \(.*compare-kernel\.c:14\): 81 7d fc 83 03 00 00 {2}cmpl +\$0x383,-4\(%ebp\); then /,
    )
  })

  test('of two runs with other keys finds where the second key makes a difference', async () => {
    const floppy = at('echo.img')
    writeFileSync(floppy, programFloppy('echo'))
    const typed = async (name: string, codes: readonly string[]) => {
      const vm = await VmThread.start({ memory: 16 * MIB, floppies: [{ path: floppy }], record: at(name) })
      const until = (source: string): Step => ({
        kind: 'until',
        condition: { kind: 'serial', port: 0, pattern: { source, flags: '' } },
      })
      const keys = codes.map((code): Step => ({ kind: 'tap', codes: [code] }))
      const { outcome, error } = await vm.run({ steps: [until('>'), ...keys, { kind: 'wait', ns: 50e6 }] })
      await vm.close()
      expect(outcome, error).toBe('ok')
      return at(name)
    }
    const [ab, ac] = await Promise.all([typed('ab.jsonl', ['KeyA', 'KeyB']), typed('ac.jsonl', ['KeyA', 'KeyC'])])
    const { code, stdout, stderr } = await inProcess(['compare', ab, ac, '--json'])
    expect(code, stderr).toBe(1)
    const found = JSON.parse(stdout)
    expect(found).toMatchObject({ outcome: 'parted', since: 'power-on', files: [] })
    expect(found.inputs[0].event).toMatchObject({ kind: 'key', code: 'KeyB' })
    expect(found.inputs[1].event).toMatchObject({ kind: 'key', code: 'KeyC' })
    // The handler reads the scan code, and that is all that differs: 30h and 2Eh.
    expect(found.instructions).toBeGreaterThan(found.inputs[0].instructions)
    expect(found.registers).toEqual([
      { name: 'eax', values: [expect.stringMatching(/30$/), expect.stringMatching(/2e$/)] },
    ])
  })
})
