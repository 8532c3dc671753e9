/** Files that the user may not read or write: each door says so in one sentence. Root may do all of it, so another user tries. */
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { programFloppy } from '../boot-programs.js'

const LAUNCHER = fileURLToPath(new URL('../../../bin/bootwright.js', import.meta.url))
const isRoot = process.getuid?.() === 0
const canBeAnother = isRoot && spawnSync('runuser', ['-u', 'nobody', '--', 'true']).status === 0
const skip = isRoot && !canBeAnother

const folder = mkdtempSync(join(tmpdir(), 'bootwright-permissions-'))
const at = (name: string) => join(folder, name)
for (const name of ['read-only', 'closed', 'guest']) mkdirSync(at(name))
for (const name of ['floppy.img', 'closed.img', 'guest/guest.js', 'bios.bin', 'run.json', 'closed/run.json'])
  writeFileSync(at(name), programFloppy('halt'))
writeFileSync(at('bios.bin'), new Uint8Array(65536))
for (const name of ['closed.img', 'guest/guest.js', 'bios.bin', 'run.json', 'closed']) chmodSync(at(name), 0)
chmodSync(at('read-only'), 0o555)
chmodSync(folder, 0o755)
// The folder of this run of tests, which is ours alone otherwise.
if (canBeAnother && dirname(folder).includes('bootwright-tests-')) chmodSync(dirname(folder), 0o711)
afterAll(() => void execFileSync('rm', ['-rf', folder]))

/** As whom the files are not for. */
function bootwright(args: readonly string[]) {
  const command = [process.execPath, LAUNCHER, ...args]
  const [program, ...rest] = canBeAnother ? ['runuser', '-u', 'nobody', '--', ...command] : command
  const env = { ...process.env, BOOTWRIGHT_NO_BUILD: '1', BOOTWRIGHT_CACHE: at('closed'), HOME: folder }
  const { status, stderr } = spawnSync(program, rest, { encoding: 'utf8', env })
  return { status, stderr }
}

const RUN = ['run', at('floppy.img'), '--engine', 'soft', '--until-time', '1ms']

describe.skipIf(skip)(`what may not be opened${skip ? ' (skipped: no other user here)' : ''}`, () => {
  test.each([
    ['an image', ['run', at('closed.img')], /may not be read by this user; make it readable/],
    ['an image in a closed folder', ['run', '--cdrom', at('closed/x.iso')], /may not be read by this user/],
    ['a kernel', ['run', '--kernel', at('closed.img')], /may not be read by this user/],
    ['a snapshot', ['run', '--snapshot', at('closed.img')], /may not be read by this user/],
    ['a recording', ['replay', at('closed.img')], /may not be read by this user/],
    ['a BIOS', [...RUN, '--bios', at('bios.bin')], /bios\.bin: permission is denied; let this user have it/],
    ['a guest', ['run', at('guest')], /guest\.js may not be read by this user/],
    ['a trace', ['show-trace', at('closed.img')], /may not be read by this user/],
    ["a run's results", ['merge-reports', at('run.json')], /run\.json.*permission is denied; let this user have it/],
    ['a closed report', ['show-report', at('closed')], /permission is denied; let this user have it/],
    ['stages', ['stages', 'ls'], /permission is denied; let this user have it/],
    ['a picture', [...RUN, '--screenshot', at('read-only/a.png')], /cannot be written: permission is denied; name/],
    ['a recording to be written', [...RUN, '--record', at('read-only/a')], /cannot be written: permission is denied/],
    ['a snapshot to be written', [...RUN, '--save-snapshot', at('read-only/a')], /cannot be written: permission is/],
    ['an image to be written', [...RUN, '--write'], /may not be written by this user; make it writable/],
  ])('%s is told in one sentence', (_, args, sentence) => {
    const { status, stderr } = bootwright(args)
    expect(stderr).toMatch(sentence)
    expect(stderr).not.toMatch(/EACCES|internal error/)
    expect(stderr.trim().split('\n')).toHaveLength(1)
    expect([2, 3]).toContain(status)
  })
})
