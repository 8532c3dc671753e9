/** A register of a device is broken in a copy of what was built: the gate says what works no longer, with both pictures. */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { readResults } from '../../../reports/matrix/results-folder.js'
import { noFirmware } from '../../firmware-here.js'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const copy = mkdtempSync(join(tmpdir(), 'broken-'))

describe.skipIf(noFirmware)('a machine whose 8042 no longer says that a byte is the mouse’s', () => {
  afterAll(() => rmSync(copy, { recursive: true, force: true }))

  const matrix = (root: string, ...args: string[]) => {
    const command = [join(root, 'bin/bootwright.js'), 'matrix', ...args]
    const env = { ...process.env, BOOTWRIGHT_NO_BUILD: '1', BOOTWRIGHT_DEBUG: undefined }
    return spawnSync(process.execPath, command, { env, encoding: 'utf8' })
  }

  const breakRegister = () => {
    for (const name of ['bin', 'dist', 'package.json'])
      cpSync(join(ROOT, name), join(copy, name), { recursive: true, filter: (path) => !/dist\/test$/.test(path) })
    symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
    // The machine's thread then runs its many files.
    rmSync(join(copy, 'dist/harness/runtime/worker.bundle.cjs'))
    const file = join(copy, 'dist/machine/devices/input/i8042.js')
    const whole = readFileSync(file, 'utf8')
    const broken = whole.replace('this.status |= STAT_AUX_OBF', 'this.status |= 0')
    expect(broken).not.toBe(whole)
    writeFileSync(file, broken)
  }

  test('is named by level, with both pictures, on the page too, and ends with 1', () => {
    const [good, bad, site] = ['good', 'bad', 'site'].map((name) => join(copy, name))
    const before = matrix(ROOT, 'test-floppy', '--out', good)
    expect(before.status, before.stdout + before.stderr).toBe(0)
    breakRegister()
    const after = matrix(copy, 'test-floppy', '--out', bad, '--baseline', good, '--flaky', '1')
    console.log(after.stdout)
    expect(after.status, after.stderr).toBe(1)
    expect(after.stdout).toContain('1 regressed against the baseline')
    expect(after.stdout).toMatch(
      /regressed: Bootwright’s test system, a boot sector on soft: mouse worked and is broken/,
    )
    const [, old, now] = /before: (\S+\.png); after: (\S+\.png)/.exec(after.stdout) ?? []
    expect(readFileSync(old).equals(readFileSync(now))).toBe(false)
    // Once more was no better, and both are kept; what came before the mouse works.
    const { measurements } = readResults(bad)
    expect(measurements).toHaveLength(2)
    for (const { cell } of measurements) expect([cell.status, cell.level]).toEqual(['failed', 'keyboard'])
    // Both runs together: the page that compares them.
    expect(matrix(ROOT, '--merge', good, bad, '--out', join(copy, 'all'), '--site', site).status).toBe(0)
    const page = readFileSync(join(site, 'compare.html'), 'utf8')
    expect(page).toContain('1 regressed')
    expect(page).toContain('mouse worked and is broken')
    const pictures = [...page.matchAll(/<figure>.*?<img[^>]* src="([^"]+)"/gs)].map(([, src]) => join(site, src))
    expect(pictures).toHaveLength(2)
    for (const [i, path] of [old, now].entries())
      expect(readFileSync(pictures[i]).equals(readFileSync(path))).toBe(true)
  })
})
