import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { main } from '../../../../harness/cli/main.js'
import { shardOf } from '../../../../harness/cli/matrix/matrix-gates.js'
import * as guests from '../../../../harness/guest/guest.js'
import { parseMatrix } from '../../../../reports/matrix/matrix-result.js'
import { byDate, measurementsOf } from '../../../../reports/matrix/measurement.js'
import { addMeasurement, readResults } from '../../../../reports/matrix/results-folder.js'
import { writeMatrix } from '../../../../reports/matrix/write-matrix.js'
import { sampleMatrix } from '../../../reports/sample.js'
import { programFloppy } from '../../boot-programs.js'
import { bootwright } from '../command.js'

let folder: string
let said: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'matrix-command-'))
  said = ''
  const take = (text: string | Uint8Array) => {
    said += text
    return true
  }
  vi.spyOn(process.stderr, 'write').mockImplementation(take)
  vi.spyOn(console, 'log').mockImplementation((line) => take(`${line}\n`))
  vi.stubEnv('BOOTWRIGHT_IMAGES', '')
})

afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
  process.exitCode = undefined
})

const matrix = (...args: string[]) => main(['matrix', ...args])

describe('bootwright matrix', () => {
  test.each<[string, string[], RegExp]>([
    ['an unknown guest', ['fredos'], /no guest 'fredos'; did you mean 'freedos'\?/],
    ['a path without a guest', ['./nowhere/guest.js'], /\.\/nowhere\/guest\.js does not exist/],
    ['an unknown engine', ['--engine', 'sof'], /--engine 'sof' is unknown; did you mean 'soft'\?/],
    ['an empty folder name', ['freedos', '--out', ''], /--out has an empty path/],
    ['a folder that is a file', ['freedos', '--out', '/dev/null'], /--out '\/dev\/null' cannot be a folder/],
    ['a folder that cannot be made', ['freedos', '--out', '/proc/matrix'], /--out '\/proc\/matrix' cannot be a folder/],
    ['an unknown option', ['--device', 'e1000'], /unknown option '--device'/],
  ])('refuses %s with one sentence and exit code 2', async (_, args, message) => {
    expect(await matrix(...args)).toBe(2)
    expect(said).toMatch(message)
    expect(said.trim().split('\n')).toHaveLength(1)
  })

  test('a guest that is named and not booted is a failure, unless that is allowed', async () => {
    expect(await matrix('freedos', '--out', folder)).toBe(1)
    expect(await matrix('freedos', '--allow-missing', '--out', folder)).toBe(4)
  })

  test('has nothing to boot without media: it says what is missing, writes the matrix, and exits with 4', async () => {
    expect(await matrix('freedos', 'elks', '--allow-missing', '--out', join(folder, 'a/b'))).toBe(4)
    expect(said).toContain('- FreeDOS: freedos722.img is needed: set BOOTWRIGHT_IMAGES to a folder that has it.')
    expect(said).toContain('No guest was booted, 2 skipped')
    const result = parseMatrix(JSON.parse(readFileSync(join(folder, 'a/b/matrix.json'), 'utf8')))
    expect(result.cells.map(({ guest, status }) => [guest, status])).toEqual([
      ['freedos', 'skipped'],
      ['elks', 'skipped'],
    ])
    expect(existsSync(join(folder, 'a/b/matrix.html'))).toBe(true)
  })

  test('leaves out a guest that takes long unless it is asked for, and says how', async () => {
    vi.stubEnv('XDG_CACHE_HOME', folder)
    const spy = vi.spyOn(guests, 'guestNames').mockReturnValue(['freedos', 'debian-12-amd64-kernel'])
    expect(await matrix('--out', folder)).toBe(4)
    expect(spy).toHaveBeenCalled()
    expect(said).toMatch(
      /^- 1 take long and are booted by name, as in 'bootwright matrix debian-12-amd64-kernel': debian-12-amd64-kernel$/m,
    )
    expect(said).toMatch(/^- 1 lack media, 'bootwright images ls' says which: freedos$/m)
    expect(said).toContain('No guest was booted, 2 skipped')
    expect(await matrix('freedos', '--all')).toBe(2)
    expect(said).toContain('--all and names of guests contradict each other')
  })

  describe('without booting', () => {
    const before = '2026-11-20T00:00:00.000Z'
    const put = (place: string, date: string, broken = false) => {
      const matrix = sampleMatrix()
      const [freedos] = matrix.cells
      if (broken) {
        freedos.status = 'failed'
        freedos.levels[2] = { ...freedos.levels[2], status: 'failed', reason: 'waited 60 s' }
      }
      for (const one of measurementsOf({ ...matrix, run: { ...matrix.run, date } })) addMeasurement(one, place)
    }

    test('folders are merged, a regression against the baseline is named with both pictures and ends with 1', async () => {
      const [a, b, all] = ['a', 'b', 'all'].map((name) => join(folder, name))
      put(a, before)
      put(b, '2026-11-25T00:00:00.000Z', true)
      expect(await matrix('--merge', a, b, '--out', all, '--baseline', a, '--site', join(all, 'site'))).toBe(1)
      expect(said).toContain('4 measurements of 2 folders')
      expect(said).toContain('regressed: FreeDOS on soft: userland worked and is broken: waited 60 s')
      expect(said).toMatch(
        / {2}before: .*a\/screenshots\/[\da-f]{32}\.png; after: .*all\/screenshots\/[\da-f]{32}\.png/,
      )
      expect(existsSync(join(all, 'site/index.html'))).toBe(true)
      said = ''
      expect(await matrix('--no-boot', '--out', a, '--baseline', join(b))).toBe(0)
      expect(said).toContain('1 improved against the baseline')
      said = ''
      expect(await matrix('--since', '2026-11-21', '--out', all)).toBe(0)
      expect(said).toMatch(/1 regressed since 2026-11-21\nregressed: FreeDOS/)
      // A matrix.json is a baseline as well.
      writeMatrix(sampleMatrix(), join(folder, 'old'))
      expect(await matrix('--no-boot', '--out', b, '--baseline', join(folder, 'old/matrix.json'))).toBe(1)
      expect(await matrix('--no-boot', '--strict', '--out', a, '--baseline', a)).toBe(0)
    })

    test('folders that are merged keep the rows of guests that nobody has measured, and what each wants', async () => {
      const [a, b, all] = ['a', 'b', 'all'].map((name) => join(folder, name))
      expect(await matrix('freedos', 'elks', '--allow-missing', '--out', a)).toBe(4)
      expect(await matrix('kolibri', '--allow-missing', '--out', b)).toBe(4)
      put(b, before)
      expect(await matrix('--merge', a, b, '--out', all)).toBe(0)
      const { guests, cells } = parseMatrix(JSON.parse(readFileSync(join(all, 'matrix.json'), 'utf8')))
      expect(guests.map(({ name }) => name).sort()).toEqual(['broken', 'elks', 'freedos', 'kolibri'])
      const standing = cells.map(({ guest, status, reason }) => [guest, status, status === 'skipped' && reason])
      expect(standing.sort()).toEqual([
        ['broken', 'failed', false],
        ['elks', 'skipped', expect.stringMatching(/elks-fd1440\.img is needed/)],
        ['freedos', 'passed', false],
        ['kolibri', 'skipped', expect.stringMatching(/kolibri\.img is needed/)],
      ])
    })

    test.each<[string[], RegExp]>([
      [['--baseline', '/nowhere'], /--baseline '\/nowhere' is not there/],
      [['--baseline', '/proc/version'], /--baseline '\/proc\/version' is no JSON/],
      [['--merge', '/nowhere'], /no folder '\/nowhere' to merge/],
      [['--since', 'no-such-tag'], /--since 'no-such-tag' is no commit or tag/],
      [['freedos', '--shard', '3/2'], /--shard '3\/2' is no part; write 2\/5/],
      [['freedos', '--flaky', '0'], /--flaky '0' is no number of times/],
      [['freedos', '--no-boot'], /names of guests are for booting/],
    ])('%j is refused in one sentence', async (args, message) => {
      put(folder, before)
      expect(await matrix(...args, '--out', folder)).toBe(2)
      expect(said).toMatch(message)
    })
  })

  test('what works no longer is booted again; what stays so is named with both pictures, and ends with 1', async () => {
    const [floppy, path] = [join(folder, 'turn.img'), join(folder, 'turn.mjs')]
    const until = { kind: 'exit', reasons: ['debug-exit'] }
    const guest = { name: 'turn', title: 'Turn', family: 'test', licence: 'MIT' }
    const machine = { memory: 16, floppies: [{ kind: 'file', path: floppy }] }
    const levels = [{ name: 'end', title: 'x', until, timeout: '2s' }]
    writeFileSync(path, `export default ${JSON.stringify({ ...guest, machine, levels })}`)
    const [good, bad, flaky] = ['good', 'bad', 'flaky'].map((name) => join(folder, name))
    writeFileSync(floppy, programFloppy('exit0'))
    expect(await matrix(path, '--out', good), said).toBe(0)
    writeFileSync(floppy, programFloppy('idle'))
    expect(await matrix(path, '--out', bad, '--baseline', good, '--flaky', '1')).toBe(1)
    expect(said).toContain('Once more, since it works no longer: Turn\n')
    expect(said).toMatch(
      /1 regressed against the baseline\nregressed: Turn on soft: end worked and is broken: .*waited 2 s/,
    )
    const [, before, after] = /before: (\S+\.png); after: (\S+\.png)/.exec(said) ?? []
    expect(readFileSync(before).equals(readFileSync(after))).toBe(false)
    expect(readResults(bad).measurements).toHaveLength(2)
    // It is whole again before it is booted once more.
    said = ''
    vi.mocked(console.log).mockImplementation((line) => {
      said += `${line}\n`
      if (`${line}`.startsWith('✗ Turn')) writeFileSync(floppy, programFloppy('exit0'))
    })
    expect(await matrix(path, '--out', flaky, '--baseline', good, '--flaky', '3')).toBe(0)
    expect(said.match(/Once more/g)).toHaveLength(1)
    expect(byDate(readResults(flaky).measurements).map(({ cell }) => cell.status)).toEqual(['failed', 'passed'])
    rmSync(floppy)
    expect(await matrix(path, '--out', flaky, '--baseline', good, '--strict')).toBe(1)
    expect(said).toContain('not booted: Turn on soft: was booted before and not now')
  }, 120_000)

  test('parts of the guests are all of them together, and none twice', () => {
    const all = ['e', 'b', 'd', 'a', 'c'].map((name) => ({ name }))
    const parts = ['1/3', '2/3', '3/3'].map((part) => shardOf(all, part).map(({ name }) => name))
    expect(parts).toEqual([['a', 'd'], ['b', 'e'], ['c']])
  })

  test('refuses two guests of one name', async () => {
    const guest = { name: 'freedos', title: 'Other', family: 'DOS', licence: 'MIT', machine: {} }
    const levels = [{ name: 'kernel', title: 'x', until: { kind: 'exit' } }]
    const path = join(folder, 'mine.mjs')
    writeFileSync(path, `export default ${JSON.stringify({ ...guest, levels })}`)
    expect(await matrix('freedos', path, '--out', folder)).toBe(2)
    expect(said).toMatch(/two of the guests are called 'freedos'/)
  })

  test('two runs at once into one folder keep what each has measured', async () => {
    const floppy = join(folder, 'exit0.img')
    writeFileSync(floppy, programFloppy('exit0'))
    const until = { kind: 'exit', reasons: ['debug-exit'] }
    const paths = ['one', 'two', 'three'].map((name) => {
      const machine = { memory: 16, floppies: [{ kind: 'file', path: floppy }] }
      const levels = [{ name: 'end', title: 'x', until, note: 'at once' }]
      const path = join(folder, `${name}.mjs`)
      const guest = { name, title: name, family: 'test', licence: 'MIT', machine, levels }
      writeFileSync(path, `export default ${JSON.stringify(guest)}`)
      return path
    })
    const out = join(folder, 'out')
    const runs = [paths.slice(0, 2), paths.slice(1)].map((some) => bootwright(['matrix', ...some, '--out', out]))
    for (const { code, stderr } of await Promise.all(runs)) expect(code, stderr).toBe(0)
    const { measurements, matrix: all, unfiled } = readResults(out)
    expect(unfiled).toEqual([])
    expect(measurements.map(({ cell }) => cell.guest).sort()).toEqual(['one', 'three', 'two', 'two'])
    expect(new Set(measurements.map(({ run }) => run.id)).size).toBe(2)
    expect(all?.cells.map(({ guest }) => guest).sort()).toEqual(['one', 'three', 'two'])
    expect(all?.cells[0].levels[0]).toMatchObject({ status: 'passed', note: 'at once' })
    // One more, of one of them.
    await bootwright(['matrix', paths[0], '--out', out])
    expect(readResults(out).measurements).toHaveLength(5)
    expect(readResults(out).matrix?.cells).toHaveLength(3)
  }, 120_000)

  describe('what was measured before', () => {
    const json = () => readFileSync(join(folder, 'matrix.json'), 'utf8')

    test('stays where nothing is measured now', async () => {
      writeMatrix(sampleMatrix(), folder)
      const [data, page] = [json(), readFileSync(join(folder, 'matrix.html'), 'utf8')]
      expect(await matrix('freedos', '--out', folder)).toBe(1)
      expect([json(), readFileSync(join(folder, 'matrix.html'), 'utf8')]).toEqual([data, page])
      expect(said).toMatch(/Nothing was measured: .*matrix\.html is as it was/)
    })

    test('is not read as something else: a file that is damaged is refused before anything is booted', async () => {
      writeFileSync(join(folder, 'matrix.json'), '{"format":"bootwright-matrix","version":1}')
      expect(await matrix('freedos', '--out', folder)).toBe(2)
      expect(said).toBe('bootwright: This matrix.json is damaged: run is missing; it must be an object.\n')
    })

    test('is added to, and kept as soon as a guest has finished', async () => {
      writeMatrix(sampleMatrix(), folder)
      const before = parseMatrix(JSON.parse(json()))
      const floppy = join(folder, 'exit0.img')
      writeFileSync(floppy, programFloppy('exit0'))
      const quick = (name: string, until: object) => {
        const machine = { memory: 16, floppies: [{ kind: 'file', path: floppy }] }
        const guest = { name, title: name, family: 'test', licence: 'MIT', machine, hostTimeout: '30s' }
        const path = join(folder, `${name}.mjs`)
        writeFileSync(
          path,
          `export default ${JSON.stringify({ ...guest, levels: [{ name: 'end', title: 'x', until }] })}`,
        )
        return path
      }
      const done = quick('quick', { kind: 'exit', reasons: ['debug-exit'] })
      const endless = quick('endless', { kind: 'text', pattern: { source: 'never', flags: '' } })
      writeFileSync(floppy, programFloppy('idle'))
      const other = join(folder, 'done.img')
      writeFileSync(other, programFloppy('exit0'))
      writeFileSync(done, readFileSync(done, 'utf8').replace('exit0.img', 'done.img'))
      // The signal comes when one has finished and the other never will.
      const interrupted = (name: 'SIGINT' | 'SIGTERM' | 'SIGHUP', out: string) => {
        let sent = false
        return bootwright(['matrix', done, endless, '--out', out], {
          onOutput: (text, signal) => {
            // A second one would not wait for the pages.
            if (text.includes('✓ quick') && !sent) signal(name)
            sent ||= text.includes('✓ quick')
          },
        })
      }
      for (const { code, stdout } of await Promise.all([
        interrupted('SIGINT', folder),
        interrupted('SIGTERM', join(folder, 'term')),
        interrupted('SIGHUP', join(folder, 'hup')),
      ]))
        expect([code, stdout]).toEqual([130, expect.stringMatching(/1 of 1 reached .*then it was interrupted/)])
      for (const out of ['term', 'hup']) expect(existsSync(join(folder, out, 'matrix.json'))).toBe(true)
      const now = parseMatrix(JSON.parse(json()))
      expect(now.guests.map(({ name }) => name)).toEqual([...before.guests.map(({ name }) => name), 'quick'])
      expect(now.cells.map(({ guest }) => guest).sort()).toEqual(['absent', 'broken', 'freedos', 'quick'])
      expect(json()).not.toContain(folder)
      const old = now.cells.find(({ guest }) => guest === 'freedos')
      expect(old?.measured).toBe(before.run.date)
      const quickly = now.cells.find(({ guest }) => guest === 'quick')
      expect(quickly?.command).toBe('bootwright matrix quick.mjs --engine soft')
      expect(quickly?.media?.[0]).toMatchObject({ what: 'floppy A', name: 'done.img', bytes: 737280 })
      const pictures = before.cells.flatMap(({ levels }) =>
        levels.flatMap(({ evidence }) => evidence?.screenshot?.path ?? []),
      )
      expect(pictures.length).toBeGreaterThan(0)
      for (const path of pictures) expect(existsSync(join(folder, path))).toBe(true)
      expect(readFileSync(join(folder, 'matrix.html'), 'utf8')).toContain('data:image/png;base64,')
    }, 120_000)
  })
})
