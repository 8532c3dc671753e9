/** What people get wrong with the tools for kernels: a sentence each, and a machine that is there goes on. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test, vi } from 'vitest'
import { launch } from '../../../harness/vm/launch.js'
import { compiledKernel, haveCompiler } from '../../compiled-kernel.js'
import { noFirmware } from '../../firmware-here.js'
import { inProcess } from './in-process.js'

const folder = mkdtempSync(join(tmpdir(), 'bootwright-mistakes-'))
afterAll(() => {
  vi.unstubAllEnvs()
  rmSync(folder, { recursive: true })
})
const at = (name: string) => join(folder, name)
vi.stubEnv('BOOTWRIGHT_COVERAGE', at('records'))
const SOURCE = join(import.meta.dirname, 'compare-kernel.c')

describe.skipIf(!haveCompiler || noFirmware)('a mistake', () => {
  const kernel = haveCompiler ? compiledKernel('mistaken', SOURCE, '-DLIMIT=900') : ''
  if (haveCompiler) {
    execFileSync('strip', ['-o', at('stripped.elf'), kernel])
    const image = readFileSync(kernel)
    writeFileSync(at('cut.elf'), image.subarray(0, 3000))
    image[18] = 40
    writeFileSync(at('arm.elf'), image)
  }
  const run = ['run', '--kernel', kernel, '--memory', '16M']

  test.each<[string, readonly string[], RegExp]>([
    ['a stripped file', [...run, '--symbols', at('stripped.elf')], /stripped\.elf" has no symbols: it was stripped/],
    ['one of another processor', [...run, '--symbols', at('arm.elf')], /arm\.elf" is for ARM; give the file that/],
    ['one that is cut short', [...run, '--symbols', at('cut.elf')], /cut\.elf" is cut short/],
    ['one that has none', [...run, '--symbols', SOURCE], /compare-kernel\.c" is no file with symbols/],
    ['an address that is none', [...run, '--symbols', `${kernel}@here`], /'here' is no address; behind the @ stands/],
    ['an address that is half one', [...run, '--symbols', `${kernel}@0xzz`], /'0xzz' is no address; behind the @/],
    ['a log that is none', [...run, '--log', 'intr'], /there is no log of 'intr'; did you mean 'int'/],
    ['a range that is none', [...run, '--log', 'int', '--log-range', 'all'], /the log's range 'all' is none; give/],
    [
      'a log that cannot be',
      [...run, '--log', 'int', '--log-file', at('no/log')],
      /cannot be written: there is no folder/,
    ],
    ['a port that is none', [...run, '--gdb', ':99999'], /--gdb ':99999' is no port; give :1234/],
    ['nobody who lets it begin', [...run, '--paused'], /--paused waits for a debugger .* add --gdb :1234/],
    [
      'coverage without lines',
      [...run, '--coverage', at('stripped.elf')],
      /stripped\.elf" has no symbols: it was stripped/,
    ],
    [
      'a firmware that it has not',
      [...run, '--firmware', 'uefi-secur'],
      /did you mean 'uefi-secure'\? it is bios, uefi or/,
    ],
    [
      'a kernel of another processor',
      ['run', '--kernel', at('arm.elf')],
      /ELF file for another processor than the i386/,
    ],
    ['a kernel that is cut short', ['run', '--kernel', at('cut.elf')], /no header of Multiboot 1 or 2 .* cut short/],
    ['seeds that are none', ['explore', 'x.test.ts', '--seeds', '5..1'], /seeds '5\.\.1' are no range of numbers/],
    ['a seed that is not there', ['bisect-time', 'x.test.ts', '--seed', at('none.json')], /there is no seed's file/],
    ['a recording that is not there', ['compare', SOURCE, at('none.jsonl')], /compare-kernel\.c" is no recording/],
    ['an empty cover', ['coverage'], /there is no '.*records'; machines with --coverage write records/],
  ])('with %s is told in one sentence', async (_, args, sentence) => {
    const { code, stderr } = await inProcess(args)
    expect(code, stderr).toBe(2)
    expect(stderr).toMatch(sentence)
    expect(stderr.trim().split('\n')).toHaveLength(1)
  })

  test('on a machine that runs leaves it as it was', async () => {
    const other = compiledKernel('not-run', SOURCE, '-DLIMIT=5', '-Wl,-Ttext=0x400000')
    const vm = await launch({ kernel, memory: '16M', coverage: other, engine: 'soft' })
    const { instructions } = await vm.look()
    await expect(vm.breakAt('advnace')).rejects.toThrow("there is no symbol 'advnace'; did you mean 'advance'?")
    await expect(vm.memory.read(0x7000_0000n, 4)).rejects.toThrow(/no memory is mapped at/)
    await expect(vm.dumpCore('/dev/full')).rejects.toThrow(
      'the core file "/dev/full" was not written: the disk is full; make room and try again',
    )
    await expect(vm.dumpCore(at('no/core'))).rejects.toThrow(/there is no folder/)
    expect(await vm.monitor('info regsters')).toMatch(/^there is no monitor command .*did you mean 'info registers'\?/)
    expect(await vm.monitor('x/i')).toMatch(/\n$/)
    expect(await vm.monitor('p 1/0')).toBe('division by zero\n')
    expect((await vm.look()).instructions).toBe(instructions)
    await vm.waitForExit({ reason: 'debug-exit' })
    await vm.close()
    // Nothing of it was executed, which is no error.
    const { code, stdout, stderr } = await inProcess(['coverage'])
    expect(code, stderr).toBe(0)
    expect(stdout).toMatch(/compare-kernel\.c +0\.0 % +0\/\d+/)
  })
})
