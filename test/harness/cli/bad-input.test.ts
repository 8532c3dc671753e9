import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { noFirmware } from '../../firmware-here.js'
import { programFloppy } from '../boot-programs.js'
import { bootwright } from './command.js'
import { inProcess } from './in-process.js'

const folder = mkdtempSync(join(tmpdir(), 'bootwright-bad-'))
const at = (name: string) => join(folder, name)
const floppy = at('floppy.img')
const disk = at('disk.img')
const kernel = at('kernel')
writeFileSync(floppy, programFloppy('idle'))
writeFileSync(disk, new Uint8Array(1 << 20))
writeFileSync(kernel, new Uint8Array(4096).fill(1))
writeFileSync(at('empty'), '')
writeFileSync(at('one'), 'x')
writeFileSync(at('odd.img'), new Uint8Array(70000))
writeFileSync(at('short.iso'), truncatedIso())
writeFileSync(at('elf.img'), new Uint8Array([0x7f, 0x45, 0x4c, 0x46, ...new Uint8Array(1020)]))
mkdirSync(at('folder'))
symlinkSync('/dev/full', at('full.png'))
symlinkSync(at('circle'), at('circle'))
execFileSync('mkfifo', [at('pipe')])

/** Its volume descriptor says 1000 sectors, and there are 20. */
function truncatedIso(): Uint8Array {
  const iso = new Uint8Array(20 * 2048)
  iso.set([1, 0x43, 0x44, 0x30, 0x30, 0x31, 1], 16 * 2048)
  new DataView(iso.buffer).setUint32(16 * 2048 + 80, 1000, true)
  new DataView(iso.buffer).setUint16(16 * 2048 + 128, 2048, true)
  return iso
}

const MEDIA = [floppy, disk, kernel, at('short.iso'), at('odd.img')]
const hashes = () => MEDIA.map((path) => createHash('sha256').update(readFileSync(path)).digest('hex'))
const untouched = hashes()

const boot = ['--floppy', floppy]

/** What is typed after `bootwright run`, the exit code, and a piece of the sentence. */
const BAD: [what: string, args: string[], code: number, says: string | RegExp][] = [
  ['an unknown option', [...boot, '--flopy', 'x'], 2, "unknown option '--flopy'; did you mean --floppy?"],
  ['an option without its value', ['--floppy'], 2, "option '--floppy <file>' needs a value"],
  ['an option for a value', ['--floppy', '--cdrom', 'x'], 2, "--floppy needs a value, and '--cdrom' is an option"],
  ['two guests', [floppy, disk], 2, 'too many arguments'],
  ['nothing to boot', [], 2, 'there is nothing to boot'],
  ['an unknown guest', ['no-such-guest'], 2, "there is no guest 'no-such-guest'"],
  ['an empty guest', [''], 2, 'GUEST is empty'],
  ['a folder that is no guest', [at('folder')], 2, 'has no guest'],
  ['a missing floppy', ['--floppy', at('none.img')], 2, 'none.img" does not exist'],
  ['a missing image', [at('none.img')], 2, 'none.img" does not exist'],
  ['an empty image', ['--disk', at('empty')], 2, 'empty" is empty'],
  ['a folder for an image', ['--disk', at('folder')], 2, 'is a directory'],
  ['a disk for a CD', ['--cdrom', disk], 2, 'is neither ISO 9660 nor UDF'],
  ['a device for a disk', ['--disk', '/dev/null'], 2, 'special file'],
  ['three floppies', [...boot, ...boot, ...boot], 2, '--floppy was given 3 times'],
  ['five disks', Array(5).fill(['--disk', disk]).flat(), 2, 'IDE has four places'],
  ['an initrd without a kernel', [...boot, '--initrd', kernel], 2, '--initrd goes with a kernel'],
  ['a command line without a kernel', [...boot, '--append', 'quiet'], 2, '--append goes with a kernel'],
  ['a missing kernel', ['--kernel', at('none')], 2, 'kernel'],
  ['a folder for a kernel', ['--kernel', at('folder')], 2, 'is a directory'],
  ['an empty initrd', ['--kernel', kernel, '--initrd', at('empty')], 2, 'is empty'],
  ['a kernel and a boot order', ['--kernel', kernel, '--boot', 'c'], 2, 'contradict each other'],
  ['an unknown engine', [...boot, '--engine', 'kwm'], 2, "did you mean 'kvm'?"],
  ['unknown boot letters', [...boot, '--boot', 'ax'], 2, "--boot 'ax' is no boot order"],
  ['a boot letter twice', [...boot, '--boot', 'aa'], 2, "--boot 'aa' is no boot order"],
  ['an empty boot order', [...boot, '--boot', ''], 2, "--boot '' is no boot order"],
  ['an unknown part of --boot', [...boot, '--boot', 'order=a,splash=x.bmp'], 2, "there is no 'splash'"],
  ['a part of --boot twice', [...boot, '--boot', 'order=a,order=c'], 2, 'has order twice'],
  ['letters and a misspelt order', [...boot, '--boot', 'ordr=a'], 2, "there is no 'ordr'"],
  ['a boot menu that is neither on nor off', [...boot, '--boot', 'menu=yes'], 2, "menu is on or off, not 'yes'"],
  ['a time without the boot menu', [...boot, '--boot', 'splash-time=500'], 2, 'add menu=on'],
  ['a negative time for the boot menu', [...boot, '--boot', 'menu=on,splash-time=-1'], 2, 'in milliseconds'],
  ['too long a time for the boot menu', [...boot, '--boot', 'menu=on,splash-time=65536'], 2, '0 to 65535'],
  ['a boot order without a medium', [...boot, '--boot', 'order=d'], 2, 'add --cdrom'],
  ['a network boot', [...boot, '--boot', 'n'], 2, 'a network without a card; add --nic'],
  [
    'an unknown card',
    [...boot, '--nic', 'ne2k_iso'],
    2,
    "there is no network card 'ne2k_iso'; did you mean 'ne2k_isa'?",
  ],
  [
    'a capture in no folder',
    [...boot, '--nic', 'ne2k_isa,pcap=no/such/f.pcap'],
    2,
    "--nic pcap 'no/such/f.pcap' cannot be written",
  ],
  ['no memory', [...boot, '-m', '0'], 2, '-m 0 is too small'],
  ['hardly any memory', [...boot, '-m', '1K'], 2, '-m 1K is too small'],
  ['too much memory', [...boot, '-m', '100G'], 2, '-m 100G is too large'],
  ['memory in broken MiB', [...boot, '-m', '1.3M'], 2, 'not a whole number of MiB'],
  ['memory in words', [...boot, '-m', 'much'], 2, "-m 'much' is not a size"],
  ['a time-out of 0', [...boot, '--timeout', '0'], 2, '--timeout 0 leaves no time'],
  ['a negative time-out', [...boot, '--timeout', '-5s'], 2, 'is negative'],
  ['a time-out in words', [...boot, '--timeout', 'soon'], 2, "--timeout 'soon' is not a duration"],
  ['a broken pattern', [...boot, '--until-text', '('], 2, "--until-text '(' is not a regular expression"],
  ['an empty pattern', [...boot, '--until-serial', ''], 2, 'would match anything'],
  ['a pattern with a wrong flag', [...boot, '--until-text', '/a/g'], 2, "has the flags 'g'"],
  ['an unknown key', [...boot, '--keys', '<entre>'], 2, "did you mean '<enter>'?"],
  ['an unclosed key', [...boot, '--keys', 'dir<enter'], 2, "it is not closed with '>'"],
  ['a broken pattern in keys', [...boot, '--keys', "<wait '('>"], 2, 'it is not a regular expression'],
  ['a kernel as an image', ['elf.img'].map(at), 2, /is an ELF file, and no drive's image; start it by --kernel /],
  ['a picture that is no PNG', [...boot, '--screenshot', at('a.jpg')], 2, 'does not end in .png'],
  ['a picture nowhere', [...boot, '--screenshot', at('no/where/a.png')], 2, 'there is no folder'],
  ['a folder for serial output', [...boot, '--serial', at('folder')], 2, 'is a directory'],
  ['a pipe for serial output', [...boot, '--serial', at('pipe')], 2, 'is a pipe'],
  ['a pipe for a recording', [...boot, '--record', at('pipe')], 2, 'is a pipe'],
  ['a pipe for a snapshot', [...boot, '--save-snapshot', at('pipe')], 2, 'is a pipe'],
  ['a folder for a snapshot', [...boot, '--save-snapshot', at('folder')], 2, 'is a directory'],
  ['serial output over the medium', [...boot, '--serial', floppy], 2, 'which would be overwritten'],
  ['one file for two outputs', [...boot, '--serial', at('x'), '--debugcon', at('x')], 2, 'both write to'],
  ['an empty path', [...boot, '--serial', ''], 2, '--serial has an empty path'],
  ['a pipe to boot', [at('pipe')], 2, 'is a pipe'],
  ['a pipe for a CD', ['--cdrom', at('pipe')], 2, 'is a pipe'],
  ['a pipe for a kernel', ['--kernel', at('pipe')], 2, 'is not a regular file'],
  ['a pipe for an initrd', ['--kernel', kernel, '--initrd', at('pipe')], 2, 'is not a regular file'],
  ['a pipe for a BIOS', [...boot, '--bios', at('pipe')], 2, 'is not a regular file'],
  ['a pipe to go on from', ['--snapshot', at('pipe')], 2, 'is a pipe'],
  ['a device to go on from', ['--snapshot', '/dev/zero'], 2, /\/dev\/zero.* is a (device|special file)/],
  ['a path through a file', [join(floppy, 'x.img')], 2, 'a part of its path is not a directory'],
  ['a link that leads to itself, to boot', [at('circle')], 2, /circle/],
  ['a link that leads to itself', ['--floppy', at('circle')], 2, /circle/],
]

describe('one sentence and the right exit code for', () => {
  test.each(BAD)('%s', { timeout: 60_000 }, async (_, args, code, says) => {
    const ended = await inProcess(['run', ...args])
    expect(ended.stderr).toMatch(/^bootwright: [^\n]+\n$/)
    if (typeof says === 'string') expect(ended.stderr).toContain(says)
    else expect(ended.stderr).toMatch(says)
    expect(ended.stderr).not.toMatch(/internal error|\bat .*\.js:/)
    expect([ended.code, ended.stdout]).toEqual([code, ''])
  })

  test.each([
    ['replay', at('pipe')],
    ['replay', '/dev/zero'],
    ['show-trace', at('pipe')],
    ['show-trace', '/dev/zero'],
    ['show-report', at('pipe')],
    ['merge-reports', at('pipe')],
    ['accept', at('pipe')],
  ])('bootwright %s %s', async (...args) => {
    const ended = await inProcess(args)
    expect(ended.stderr).toMatch(/^bootwright: [^\n]+\n$/)
    expect(ended.stderr).not.toContain('internal error')
    expect([ended.code, ended.stdout]).toEqual([2, ''])
  })

  test('the same from a process of its own', async () => {
    const ended = await bootwright(['run', ...boot, '--flopy', 'x'])
    expect(ended).toEqual({
      code: 2,
      stdout: '',
      stderr: "bootwright: unknown option '--flopy'; did you mean --floppy?\n",
    })
  })

  test.skipIf(noFirmware)('what is no kernel', async () => {
    const ended = await bootwright(['run', '--kernel', kernel])
    expect(ended.stderr).toMatch(/^bootwright: [^\n]*kernel[^\n]*\n$/i)
    expect([ended.code, ended.stdout]).toEqual([2, ''])
  })

  test('firmware that is not there', async () => {
    const ended = await bootwright(['run', ...boot], { env: { BOOTWRIGHT_FIRMWARE: at('folder') } })
    expect(ended.stderr).toMatch(/^bootwright: .*BOOTWRIGHT_FIRMWARE.*\n$/)
    expect(ended.code).toBe(3)
  })

  test.skipIf(noFirmware)('a disk that is full, under each output', { timeout: 180_000 }, async () => {
    const serial = await bootwright([
      'run',
      ...boot,
      '--serial',
      '/dev/full',
      '--until-text',
      'never',
      '--timeout',
      '30s',
    ])
    expect(serial.stderr).toContain('bootwright: /dev/full: the disk is full')
    expect(serial.code).toBe(3)
    for (const option of ['--screenshot', '--save-snapshot', '--record']) {
      const ended = await bootwright(['run', ...boot, option, at('full.png'), '--until-text', 'idle here'])
      expect(ended.stderr).toContain('full.png: the disk is full')
      expect(ended.code).toBe(3)
      expect(lstatSync(at('full.png')).isSymbolicLink()).toBe(true)
    }
  })

  test.each([
    [[], 'no command was given'],
    [['rum'], "there is no command 'rum'; did you mean 'run'?"],
    [['rnu', 'freedos'], "there is no command 'rnu'; did you mean 'run'?"],
    [['frobnicate', '-x'], "there is no command 'frobnicate'; commands are run,"],
    [['a/disk.img', '-m', '64'], "did you mean 'bootwright run a/disk.img'?"],
    [['doctor', 'now'], 'too many arguments'],
    [['--verbose'], "unknown option '--verbose'"],
    [['image'], "'bootwright image' needs a command: create, info, convert, check, resize"],
    [['images'], "'bootwright images' needs a command: ls, get, verify, gc"],
    [['stages', 'x'], "unknown command 'x'"],
  ])('bootwright %j', async (args, says) => {
    const ended = await inProcess(args)
    expect(ended.stderr).toMatch(/^bootwright: [^\n]+\n$/)
    expect(ended.stderr).toContain(says)
    expect([ended.code, ended.stdout]).toEqual([2, ''])
  })

  test('--json has the sentence in its one object', async () => {
    for (const args of [
      ['--timeout', '0', '--json'],
      ['--json', '--nonsense'],
      ['--json', 'no-such-guest'],
    ]) {
      const ended = await inProcess(['run', ...args])
      const { outcome, exitCode, error } = JSON.parse(ended.stdout)
      expect([outcome, exitCode, ended.code]).toEqual(['error', 2, 2])
      expect(ended.stderr).toBe(`bootwright: ${error}\n`)
    }
  })
})

test('no medium has changed by one byte, and nothing was written', () => {
  expect(hashes()).toEqual(untouched)
  expect(['a.jpg', 'x', 'no'].filter((name) => existsSync(at(name)))).toEqual([])
})
