/** A kernel's coverage: the lines are gcov's, merged over machines and forks, as lcov, table and function. */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { launch } from '../../../harness/vm/launch.js'
import { compiledKernel, haveCompiler } from '../../compiled-kernel.js'
import { noFirmware } from '../../firmware-here.js'
import { inProcess } from '../cli/in-process.js'

const SOURCE = join(import.meta.dirname, 'kernel.c')
const haveGcov = spawnSync('gcov', ['--version']).status === 0
const folder = mkdtempSync(join(tmpdir(), 'bootwright-coverage-'))
const records = join(folder, 'records')
const lcov = join(folder, 'lcov.info')
beforeAll(() => {
  vi.stubEnv('BOOTWRIGHT_COVERAGE', records)
})
afterAll(() => {
  vi.unstubAllEnvs()
  rmSync(folder, { recursive: true })
})

/** Behind it the two programs differ. */
const lastCommon = (source: readonly string[]) => source.lastIndexOf('#ifdef HOSTED')

/** Executed or not, by line. */
function gcovLines(): Map<number, boolean> {
  const run = (program: string, ...args: string[]) => execFileSync(program, args, { cwd: folder, encoding: 'utf8' })
  run('gcc', '-O0', '--coverage', '-DHOSTED', '-o', 'hosted', SOURCE)
  run('./hosted')
  const { files } = JSON.parse(run('gcov', '--json-format', '--stdout', 'hosted-kernel.gcda')) as {
    files: { lines: { line_number: number; count: number }[] }[]
  }
  const lines = new Map<number, boolean>()
  for (const { line_number: line, count } of files[0].lines) lines.set(line, lines.get(line) === true || count > 0)
  return lines
}

function lcovLines(): Map<number, boolean> {
  const [, own] = readFileSync(lcov, 'utf8').split(`SF:${SOURCE}\n`)
  const lines = own.slice(0, own.indexOf('end_of_record')).matchAll(/^DA:(\d+),(\d+)$/gm)
  return new Map([...lines].map(([, line, count]) => [Number(line), Number(count) > 0]))
}

describe.skipIf(!haveCompiler || !haveGcov || noFirmware)('coverage', () => {
  const kernel = haveCompiler ? compiledKernel('covered', SOURCE, '-O0') : ''

  test("a kernel's lines are those that gcov counts", async () => {
    const vm = await launch({ kernel, coverage: kernel })
    expect(vm.engine).toBe('soft')
    await vm.waitForExit()
    await vm.close()
    const { code, stdout, stderr } = await inProcess(['coverage', '-o', lcov])
    expect(code, stderr).toBe(0)
    expect(stdout).toMatch(/^file +lines +functions +not executed\n/)
    expect(stdout).toMatch(/kernel\.c +\d\d\.\d % +\d+\/\d+ +5\/6 +/)
    const source = readFileSync(SOURCE, 'utf8').split('\n')
    const [ours, gcovs] = [lcovLines(), gcovLines()]
    const both = [...gcovs.keys()].filter((line) => ours.has(line)).sort((a, b) => a - b)
    const words = (lines: Map<number, boolean>, which: number[]) =>
      which.map((line) => `${line} ${lines.get(line) ? '+' : '-'} ${source[line - 1]}`)
    expect(both.length).toBeGreaterThan(30)
    expect(words(ours, both)).toEqual(words(gcovs, both))
    // A label has no instructions of its own; and of the ends of functions gcov tells those alone that return nothing.
    const inBoth = (line: number) => line > source.indexOf('static volatile u32 total;') && line < lastCommon(source)
    const textsOf = (lines: Map<number, boolean>, others: Map<number, boolean>) =>
      [...lines.keys()].filter((line) => inBoth(line) && !others.has(line)).map((line) => source[line - 1].trim())
    expect([...new Set(textsOf(gcovs, ours))].sort()).toEqual(['case 0:', 'case 1:', 'case 2:', 'default:'])
    expect([...new Set(textsOf(ours, gcovs))]).toEqual(['}'])
    expect(readFileSync(lcov, 'utf8')).toMatch(/^FN:\d+,never\n/m)
    expect(readFileSync(lcov, 'utf8')).toMatch(/^FNDA:0,never\nFNDA:1,either$/m)
  })

  test('a function by its name, and a share that is asked for', async () => {
    const { stdout } = await inProcess(['coverage', '--function', 'kind'])
    expect(stdout).toMatch(/^kind in .*kernel\.c: \d+ of \d+ lines\n/)
    expect(stdout).toMatch(/^\+ +\d+ {8}return "five";$/m)
    expect(stdout).toMatch(/^- +\d+ {10}return "large";$/m)
    const { code, stderr } = await inProcess(['coverage', '--at-least', '95%'])
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^bootwright: \d\d\.\d\d % of the lines were executed/)])
    expect((await inProcess(['coverage', '--at-least', '50%'])).code).toBe(0)
  })

  test('forks and machines are put together, and nothing changes for the guest', async () => {
    const plain = await launch({ kernel, engine: 'soft' })
    await plain.waitForExit()
    const { instructions } = await plain.look()
    await plain.close()
    expect((await inProcess(['coverage', '--clean'])).code).toBe(0)
    const vm = await launch({ kernel, coverage: [kernel] })
    await vm.breakAt('kind')
    const fork = await vm.fork()
    await vm.close()
    await fork.waitForExit()
    expect((await fork.look()).instructions).toBe(instructions)
    await fork.close()
    const { stdout } = await inProcess(['coverage', '--json'])
    const { files } = JSON.parse(stdout)
    const functions = files[0].functions as { name: string; count: number }[]
    const counts = Object.fromEntries(functions.map(({ name, count }) => [name, count]))
    // The second machine begins where the first one ended.
    expect(counts).toMatchObject({ collatz: 2, kind: 1, either: 1, never: 0 })
  })

  test('what cannot be covered is a sentence', async () => {
    const stripped = join(folder, 'stripped')
    execFileSync('strip', ['-g', '-o', stripped, kernel])
    const { code, stderr } = await inProcess(['run', '--kernel', kernel, '--coverage', stripped])
    expect([code, stderr]).toEqual([2, expect.stringContaining('has no line tables; compile it with -g')])
    const kvm = await inProcess(['run', '--kernel', kernel, '--coverage', kernel, '--engine', 'kvm'])
    expect([kvm.code, kvm.stderr]).toEqual([3, expect.stringContaining('only the soft engine keeps which code is')])
    writeFileSync(join(folder, 'other.json'), '{}')
    const other = await inProcess(['coverage', join(folder, 'other.json')])
    expect(other.stderr).toContain("other.json' is no record of coverage")
    const none = await inProcess(['coverage', '--function', 'knid'])
    expect(none.stderr).toContain("there is no function 'knid' with lines; did you mean 'kind'?")
    const before = readFileSync(kernel)
    writeFileSync(kernel, Buffer.concat([before, Buffer.alloc(8)]))
    const anew = await inProcess(['coverage'])
    writeFileSync(kernel, before)
    expect(anew.stderr).toContain('was built anew since some of the records were written')
    await inProcess(['coverage', '--clean'])
    expect(existsSync(records)).toBe(true)
    expect((await inProcess(['coverage'])).stderr).toContain('there are no records; run a guest with --coverage ELF')
  })
})
