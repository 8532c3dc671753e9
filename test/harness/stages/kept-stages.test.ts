/** The stages that are kept, and `bootwright stages` as a person uses it. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { bootwright } from '../cli/command.js'

const cache = mkdtempSync(join(tmpdir(), 'kept-stages-'))
const folder = join(cache, 'stages')
afterAll(() => rmSync(cache, { recursive: true }))

const stages = (...args: string[]) => bootwright(['stages', ...args], { env: { BOOTWRIGHT_CACHE: cache } })
const key = (digit: string) => digit.repeat(20)
const kept = (name: string, digit: string) => join(folder, `${name}-${key(digit)}.snapshot`)

function put(name: string, digit: string, days: number): void {
  const when = new Date(Date.now() - days * 86_400_000)
  writeFileSync(kept(name, digit), new Uint8Array(1 << 20))
  utimesSync(kept(name, digit), when, when)
}

beforeEach(() => {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder)
  put('installed', 'a', 9)
  put('installed', 'b', 1)
  put('logged-in', 'c', 40)
  put('prompt', 'd', 2)
  put('prompt', 'e', 2.5)
  writeFileSync(join(folder, 'notes.txt'), 'not ours')
})

describe('bootwright stages', () => {
  test('ls lists them, the last used first, and as JSON', async () => {
    const { stdout } = await stages('ls')
    expect(stdout.split('\n')).toHaveLength(6)
    expect(stdout).toMatch(/^installed \(bbbbbbbb\), 1\.0 MiB, used \d{4}-\d\d-\d\d \d\d:\d\d\nprompt \(dddddddd\)/)
    const json = JSON.parse((await stages('ls', '--json')).stdout) as { name: string }[]
    expect(json.map(({ name }) => name)).toEqual(['installed', 'prompt', 'prompt', 'installed', 'logged-in'])
  })

  test('rm removes by name or key; a wrong name is an error with a hint', async () => {
    expect((await stages('rm', 'logged-in', 'aaaa')).code).toBe(0)
    expect([kept('logged-in', 'c'), kept('installed', 'a'), kept('installed', 'b')].map(existsSync)).toEqual([
      ...[false, false, true],
    ])
    const { code, stderr } = await stages('rm', 'instaled')
    expect(code).toBe(2)
    expect(stderr).toContain("did you mean 'installed'?")
  })

  test('gc removes what was built anew and what is not used, and leaves the rest', async () => {
    expect((await stages('gc', '--dry-run')).stdout).toContain('would remove logged-in')
    expect(readdirSync(folder)).toHaveLength(6)
    writeFileSync(`${kept('gone', 'f')}.lock`, '999999999')
    expect((await stages('gc')).stdout).toContain('2.0 MiB in all')
    expect(readdirSync(folder)).toEqual(
      [kept('installed', 'b'), join(folder, 'notes.txt'), kept('prompt', 'd'), kept('prompt', 'e')].map((path) =>
        path.slice(folder.length + 1),
      ),
    )
    await stages('gc', '--unused', '12h')
    expect(readdirSync(folder)).toEqual(['notes.txt'])
  })

  test('one that a process builds is left, with exit code 1', async () => {
    writeFileSync(`${kept('installed', 'b')}.lock`, String(process.pid))
    const { code, stderr } = await stages('rm', 'installed')
    expect(code).toBe(1)
    expect(stderr).toContain("'installed' is being built or read")
    expect([kept('installed', 'a'), kept('installed', 'b')].map(existsSync)).toEqual([false, true])
  })

  test.each([[[]], [['x']], [['rm']], [['gc', '--unused', 'soon']]])('%j is refused in one sentence', async (args) => {
    const { code, stderr } = await stages(...args)
    expect(code).toBe(2)
    expect(stderr).toMatch(/^bootwright: [^\n]+\n$/)
    expect(stderr).not.toContain('outputHelp')
  })
})
