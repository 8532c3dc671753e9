import { execFileSync, spawnSync } from 'node:child_process'
import { describe, expect, test, vi } from 'vitest'
import { helpWidth, paragraphs } from '../../../harness/cli/help.js'
import { bootwright } from './command.js'
import { inProcess } from './in-process.js'

/** What is one word cannot be folded: an option with its value, a pattern. */
const tooLong = (help: string, columns: number) =>
  help.split('\n').filter((line) => line.length > columns && !/^ +-|^Usage|^ {2}\w/.test(line))

describe('help', () => {
  test('is as wide as the terminal, or as COLUMNS says', () => {
    expect(helpWidth({ columns: 44 }, {})).toBe(44)
    expect(helpWidth({ columns: 300 }, {})).toBe(120)
    expect(helpWidth({}, { COLUMNS: '60' })).toBe(60)
    expect(helpWidth({}, {})).toBe(80)
  })

  test('paragraphs flow, examples stay', () => {
    expect(paragraphs('\none two\nthree four\n\n  a   b\n  c\nd', 10)).toBe('\none two\nthree four\n\n  a   b\n  c\nd')
  })

  test.each(['run', 'codegen', 'matrix', 'test', 'setup'])('%s --help fits narrow terminals', async (verb) => {
    for (const columns of [40, 60, 80]) {
      vi.stubEnv('COLUMNS', String(columns))
      const { stdout, code } = await inProcess([verb, '--help'])
      expect([code, stdout.length > 100]).toEqual([0, true])
      expect(tooLong(stdout, columns)).toEqual([])
    }
    vi.unstubAllEnvs()
  })

  test('the same from a process of its own', async () => {
    const { stdout, code } = await bootwright(['devices', '--help'], { env: { COLUMNS: '40' } })
    expect([code, stdout.length > 100, tooLong(stdout, 40)]).toEqual([0, true, []])
  })
})

const has = (shell: string) => spawnSync(shell, ['--version']).status === 0

describe('completion', () => {
  test('bash completes commands, options, values and guests', async () => {
    const { stdout } = await bootwright(['completion', 'bash'])
    const complete = (...words: string[]) =>
      execFileSync('bash', {
        input: `${stdout}
COMP_WORDS=(bootwright ${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length}; _bootwright
printf '%s\\n' "\${COMPREPLY[@]}"`,
        encoding: 'utf8',
      })
        .trim()
        .split('\n')
    expect(complete('co')).toEqual(['compare', 'codegen', 'coverage', 'completion'])
    expect(complete('run', '--until-t')).toEqual(['--until-text', '--until-time'])
    expect(complete('run', '--engine', '')).toEqual(['auto', 'kvm', 'soft'])
    expect(complete('run', 'freed')).toEqual(['freedos', 'freedos-cd', 'freedos-installer'])
    expect(complete('completion', 'z')).toEqual(['zsh'])
    expect(complete('run', '--floppy', 'free')).toEqual([''])
  })

  test.skipIf(!has('zsh'))('zsh takes its script (skipped without zsh)', async () => {
    const { stdout } = await inProcess(['completion', 'zsh'])
    const checked = spawnSync(
      'zsh',
      ['-f', '-c', 'autoload -Uz compinit; compinit -D; eval "$(cat)"; whence -w _bootwright'],
      {
        input: stdout,
        encoding: 'utf8',
      },
    )
    expect([checked.stdout.trim(), checked.stderr]).toEqual(['_bootwright: function', ''])
  })

  test.skipIf(!has('fish'))('fish completes commands, options and values (skipped without fish)', async () => {
    const { stdout } = await inProcess(['completion', 'fish'])
    const complete = (line: string) =>
      execFileSync('fish', ['--no-config', '-c', `${stdout}\ncomplete -C '${line}'`], { encoding: 'utf8' })
        .split('\n')
        .map((found) => found.split('\t')[0])
    expect(complete('bootwright cod')).toContain('codegen')
    expect(complete('bootwright run --until-ti')).toContain('--until-time')
    expect(complete('bootwright run --engine s')).toContain('soft')
    expect(complete('bootwright run freedos-')).toContain('freedos-installer')
  })

  test('another shell is told which there are', async () => {
    const ended = await inProcess(['completion', 'tcsh'])
    expect(ended.stderr).toMatch(/^bootwright: [^\n]*'tcsh' is invalid[^\n]*bash, zsh, fish[^\n]*\n$/)
    expect(ended.code).toBe(2)
  })
})
