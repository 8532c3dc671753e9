/** `bootwright measure`: two kernels and two commits, to the instruction. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { instructionsOf, ROUNDS, START, writeCountedKernel } from '../../../counted-kernel.js'
import { noFirmware } from '../../../firmware-here.js'
import { inProcess } from '../in-process.js'

const folder = mkdtempSync(join(tmpdir(), 'bootwright-measure-'))
afterAll(() => rmSync(folder, { recursive: true }))
const [one, two] = [1, 2].map((nops) => writeCountedKernel(join(folder, `${nops}.elf`), nops))

describe.skipIf(noFirmware)('bootwright measure', () => {
  test('two commits that differ by one instruction in a loop differ by it exactly, twice', async () => {
    const tree = join(folder, 'repository')
    const git = (...args: string[]) =>
      execFileSync('git', ['-c', 'user.name=A Tester', '-c', 'user.email=tester@example.org', ...args], { cwd: tree })
    execFileSync('git', ['init', '-q', tree])
    for (const source of [one, two]) {
      writeFileSync(join(tree, 'source'), source)
      git('add', '.')
      git('commit', '-q', '-m', source)
    }
    const before = process.cwd()
    process.chdir(tree)
    try {
      const args = [
        'measure',
        '--build',
        'cp "$(cat source)" built.bin',
        '--kernel',
        'built.bin',
        'HEAD~1',
        'HEAD',
        '--json',
      ]
      const runs = [await inProcess(args), await inProcess(args)]
      for (const { code, stdout, stderr } of runs) {
        expect(code, stderr).toBe(0)
        expect(JSON.parse(stdout)).toMatchObject({
          runs: [{ name: 'HEAD~1', instructions: instructionsOf(1) }, { instructions: instructionsOf(2) }],
          difference: ROUNDS,
        })
      }
      expect(git('worktree', 'list').toString().trim().split('\n')).toHaveLength(1)
    } finally {
      process.chdir(before)
    }
  })

  test('one that is named begins where --from says, and a limit fails', async () => {
    const { stdout } = await inProcess(['measure', '--from', String(START + 5), '--json', one])
    expect(JSON.parse(stdout).runs[0].instructions).toBe(instructionsOf(1) - 1)
    const over = await inProcess(['measure', '--at-most', '10%', one, two])
    expect(over.code).toBe(1)
    expect(over.stdout).toMatch(/^difference +\+1,000 instructions \(49\.\d+ %\)$/m)
    expect(over.stderr).toContain('that is more than --at-most 10% allows')
  })

  test.each([
    [['measure', 'HEAD', '--at-most', '1%'], '--at-most compares two'],
    [['measure', 'freedos', '--engine', 'kvm'], '--engine kvm counts no instructions'],
    [['measure', 'a', 'b', '--at-most', 'much'], "--at-most 'much' is neither a share as in 0.5% nor a number"],
    [['measure', 'freedos', '--level', 'moon'], "'freedos' has no level 'moon'; it has "],
    [['measure', 'no-such-commit', '--build', 'make', '--kernel', one], "'no-such-commit' cannot be checked out here"],
  ])('%j is a sentence', async (args, sentence) => {
    const { code, stderr } = await inProcess(args)
    expect(code, stderr).toBe(2)
    expect(stderr).toContain(sentence)
  })
})
