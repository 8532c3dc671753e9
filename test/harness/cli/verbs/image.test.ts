/** `bootwright image` beside `qemu-img`: what one writes the other reads, and both say the same of it. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { imageCommand } from '../../../../harness/cli/verbs/image.js'
import { HostFile } from '../../../../machine/media/host-file.js'

const folder = mkdtempSync(join(tmpdir(), 'bootwright-image-'))
const at = (name: string) => join(folder, name)
const haveQemuImg = spawnSync('qemu-img', ['--version']).status === 0
const qemuImg = (...args: string[]) => execFileSync('qemu-img', args, { encoding: 'utf8' })

afterEach(() => {
  process.exitCode = undefined
  vi.restoreAllMocks()
})

async function image(...args: string[]): Promise<string> {
  let printed = ''
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += text
    return true
  })
  await imageCommand().parseAsync(args, { from: 'user' })
  vi.restoreAllMocks()
  return printed
}

describe.skipIf(!haveQemuImg)('images', () => {
  test.each([
    ['', '3G'],
    ['cluster_size=512,refcount_bits=1', '40M'],
    ['cluster_size=2M,refcount_bits=64', '1T'],
    ['compat=0.10,cluster_size=4096', '512'],
    ['lazy_refcounts=on,refcount_bits=2', '100M'],
  ])('made with %s are sound, and described as qemu-img does', async (options, size) => {
    const path = at('made.qcow2')
    await image('create', '-f', 'qcow2', ...(options ? ['-o', options] : []), path, size)
    expect(spawnSync('qemu-img', ['check', path]).status).toBe(0)
    expect(JSON.parse(qemuImg('info', '--output=json', path))).toMatchObject(
      JSON.parse(await image('info', '--json', path)),
    )
    spawnSync('qemu-io', ['-c', 'write -P 5 0 512', path])
    const checked = JSON.parse(await image('check', '--json', path))
    expect(checked).toMatchObject(JSON.parse(qemuImg('check', '--output=json', path)))
    expect([checked.corruptions, checked.leaks, process.exitCode]).toEqual([0, 0, undefined])
  })

  test('are converted, grown, and shrunk only when that is said', async () => {
    const bytes = Buffer.alloc(5 << 20)
    bytes.fill(7, 1 << 20, 2 << 20)
    writeFileSync(at('a.raw'), bytes)
    await image('convert', '-O', 'qcow2', at('a.raw'), at('a.qcow2'))
    expect(qemuImg('compare', at('a.raw'), at('a.qcow2'))).toContain('Images are identical')
    expect(statSync(at('a.qcow2')).size).toBeLessThan(2 << 20)
    await image('resize', at('a.qcow2'), '+3M')
    await expect(image('resize', at('a.qcow2'), '1M')).rejects.toThrow('say --shrink for that')
    await image('resize', '--shrink', at('a.qcow2'), '1536K')
    await image('resize', at('a.qcow2'), '+512K')
    await expect(image('resize', at('a.qcow2'), '-512K')).rejects.toThrow('say --shrink for that')
    await image('resize', '--shrink', at('a.qcow2'), '-512K')
    await expect(image('resize', at('a.qcow2'), '--shrank')).rejects.toThrow("'--shrank'; did you mean --shrink?")
    await expect(image('resize', at('a.qcow2'), '-1G')).rejects.toThrow('all that it has and more')
    await image('resize', at('a.qcow2'), '600G')
    expect(spawnSync('qemu-img', ['check', at('a.qcow2')]).status).toBe(0)
    await image('resize', '--shrink', at('a.qcow2'), '2M')
    await image('convert', at('a.qcow2'), at('b.raw'))
    const end = bytes.subarray(0, 2 << 20).fill(0, 1536 << 10)
    expect(readFileSync(at('b.raw')).equals(end)).toBe(true)
    expect(statSync(at('b.raw')).blocks * 512).toBeLessThan(1 << 20)
  })

  test('with a backing file show what it has, and keep what it has not after they grew', async () => {
    writeFileSync(at('base.raw'), Buffer.alloc(3 << 20, 9))
    await image('create', '-f', 'qcow2', '-b', 'base.raw', '-F', 'raw', at('top.qcow2'), '2M')
    await image('resize', at('top.qcow2'), '4M')
    qemuImg('convert', '-O', 'raw', at('top.qcow2'), at('top.raw'))
    const expected = Buffer.alloc(4 << 20)
    expect(readFileSync(at('top.raw')).equals(expected.fill(9, 0, 2 << 20))).toBe(true)
    expect(spawnSync('qemu-img', ['check', at('top.qcow2')]).status).toBe(0)
    expect(await image('info', at('top.qcow2'))).toMatch(
      /virtual size: 4 MiB \(4194304 bytes\)[\s\S]*backing file: base.raw/,
    )
  })

  test('are not made upon themselves, nor on what stands behind what is behind them', async () => {
    await image('create', '-f', 'qcow2', at('one.qcow2'), '1M')
    await image('create', '-f', 'qcow2', '-b', 'one.qcow2', at('two.qcow2'))
    const before = readFileSync(at('one.qcow2'))
    for (const behind of ['one', 'two']) {
      const made = image('create', '-f', 'qcow2', '-b', `${behind}.qcow2`, at('one.qcow2'))
      await expect(made).rejects.toThrow('is a part of its own backing file; name another file')
    }
    await expect(image('convert', at('two.qcow2'), at('one.qcow2'))).rejects.toThrow(
      /one.qcow2" is being read by this bootwright itself.*; wait until it has ended, or name another file/,
    )
    expect(readFileSync(at('one.qcow2')).equals(before)).toBe(true)
  })

  test('are described line by line as qemu-img does, and the images behind them, too, in a folder that is a link', async () => {
    mkdirSync(at('far/deep'), { recursive: true })
    symlinkSync('far/deep', at('link'))
    await image('create', at('far/base.img'), '0x100000')
    const behind = 'backing_file=../base.img,backing_fmt=raw'
    await image('create', '-q', '-f', 'qcow2', '-o', behind, '-o', 'cluster_size=4k', at('link/top.qcow2'))
    const lines = (text: string) => text.split('\n').filter((line) => !line.startsWith('disk size: '))
    const args = ['info', '--backing-chain', at('link/top.qcow2')]
    expect(lines(await image(...args))).toEqual(lines(qemuImg(...args)).filter((line) => !/Child|^ {4}file/.test(line)))
    const json = ['info', '--backing-chain', '--output=json', at('link/top.qcow2')]
    const sizes = { 'actual-size': expect.any(Number) }
    const both = JSON.parse(await image(...json)).map((one: object) => ({ ...one, ...sizes }))
    expect(JSON.parse(qemuImg(...json))).toMatchObject(both)
    await image('convert', at('link/top.qcow2'), at('top.raw'))
    expect(statSync(at('top.raw')).size).toBe(1 << 20)
  })

  test("with a backing file that is called file:, as QEMU's tools may write it", async () => {
    await image('create', '-f', 'qcow2', at('behind.qcow2'), '1M')
    await image('create', '-f', 'qcow2', '-b', 'file:behind.qcow2', '-F', 'qcow2', at('named.qcow2'))
    qemuImg('info', at('named.qcow2'))
    await image('resize', at('named.qcow2'), '2M')
    expect(await image('info', '--backing-chain', at('named.qcow2'))).toMatch(
      /virtual size: 2 MiB[\s\S]*image: .*behind.qcow2/,
    )
    const elsewhere = image('create', '-f', 'qcow2', '-b', 'json:{}', '-F', 'qcow2', at('x.qcow2'))
    await expect(elsewhere).rejects.toThrow(
      'has a backing file that is no file of this host, "json:{}"; copy it to one',
    )
  })

  test('that another process writes are described where that is asked for', async () => {
    await image('create', at('open.img'), '1M')
    const held = new HostFile(at('open.img'), { write: true })
    try {
      await expect(image('info', at('open.img'))).rejects.toThrow('is being written by this bootwright itself')
      expect(await image('info', '-U', at('open.img'))).toContain('virtual size: 1 MiB')
    } finally {
      held.close()
    }
  })

  test('take the options of qemu-img that change nothing here, and are told of as it tells', async () => {
    writeFileSync(at('plain.raw'), Buffer.alloc(1 << 20, 3))
    const speed = ['-W', '-m', '4', '-t', 'none', '-T', 'none', '-S', '4k']
    const written = 'preallocation=off,compression_type=zlib,extended_l2=off'
    const told = await image(
      'convert',
      '-p',
      ...speed,
      '-O',
      'qcow2',
      '-o',
      written,
      at('plain.raw'),
      at('plain.qcow2'),
    )
    expect(told).toMatch(/\(100\.00\/100%\)\n$/)
    expect(qemuImg('compare', at('plain.raw'), at('plain.qcow2'))).toContain('Images are identical')
    const quiet = [
      ['create', '-q', '-u', '-f', 'qcow2', '-b', 'nowhere.qcow2', '-F', 'qcow2', at('waiting.qcow2'), '1M'],
      ['check', '-q', '-f', 'qcow2', at('plain.qcow2')],
      ['resize', '-q', '--preallocation=off', at('plain.qcow2'), '+1M'],
    ]
    for (const args of quiet) expect(await image(...args)).toBe('')
    expect(await image('create', '-f', 'qcow2', '-o', 'help')).toMatch(/^ {2}cluster_size .*64k$/m)
    expect(await image('create', '-o', '?')).not.toContain('cluster_size')
  })

  test.each([
    ['of another format', 'raw.img', 63],
    ['that is not there', 'none.qcow2', 1],
  ])('%s are none whose check found something', async (_, name, code) => {
    writeFileSync(at('raw.img'), Buffer.alloc(1 << 20))
    vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    await image('check', at(name))
    expect(process.exitCode).toBe(code)
    expect(spawnSync('qemu-img', ['check', at(name)]).status).toBe(code)
  })

  test('that are damaged are found out, and lost room as well', async () => {
    await image('create', '-f', 'qcow2', at('bad.qcow2'), '1M')
    spawnSync('qemu-io', ['-c', 'write -P 5 0 512', at('bad.qcow2')])
    const bytes = readFileSync(at('bad.qcow2'))
    const last = bytes.length / 65536 - 1
    bytes.writeUInt16BE(0, 2 * 65536 + 2 * last)
    writeFileSync(at('bad.qcow2'), bytes)
    expect(await image('check', at('bad.qcow2'))).toContain('1 errors were found on the image')
    expect(process.exitCode).toBe(spawnSync('qemu-img', ['check', at('bad.qcow2')]).status)
    bytes.writeUInt16BE(2, 2 * 65536 + 2 * last)
    writeFileSync(at('bad.qcow2'), bytes)
    expect(await image('check', at('bad.qcow2'))).toContain('1 leaked clusters')
    expect(process.exitCode).toBe(3)
  })
})

test.each([
  [['create', at('x.img')], 'needs a size'],
  [['create', '-f', 'vdi', at('x.img'), '1G'], '-f vdi: images of that format are only read here; write raw or qcow2'],
  [['create', '-f', 'qcow', at('x.img'), '1G'], "-f 'qcow' is no format of images here; did you mean 'qcow2'?"],
  [['create', at('x.img'), '1X'], "'1X' is no size"],
  [['create', '-f', 'qcow2', '-o', 'cluster_size=3000', at('x.img'), '1G'], 'it is a power of two from 512 to 2M'],
  [['create', '-f', 'qcow2', '-o', 'cluster_size=3', at('x.img'), '1G'], 'it is a power of two from 512 to 2M'],
  [['create', '-f', 'qcow2', '-o', 'lazy_refcounts=maybe', at('x.img'), '1G'], 'it is on or off'],
  [['create', '-f', 'qcow2', '-o', 'cluster_size', at('x.img'), '1G'], 'it needs a value, as in cluster_size=…'],
  [['create', '-f', 'qcow2', '-o', 'cluster_size=4k,,', at('x.img'), '1G'], 'has an empty part'],
  [['create', '-f', 'qcow2', '-o', 'clustersize=4k', at('x.img'), '1G'], 'did you mean cluster_size?'],
  [['create', '-f', 'qcow2', '-o', 'preallocation=full', at('x.img'), '1G'], 'it is off here; leave it out'],
  [['create', '-f', 'qcow2', '-o', 'size=1G', at('x.img'), '2G'], 'the size is said twice'],
  [['create', '-o', 'cluster_size=4k', at('x.img'), '2G'], 'a raw image has no such option; make a qcow2 one'],
  [['create', '-f', 'qcow2', '-F', 'raw', at('x.img'), '2G'], '-F raw is of a backing file, and there is none'],
  [['create'], 'create needs a file, as in:'],
  [['create', at('x.img'), '8E'], "'8E' is no size of a disk; those are 512 bytes to 2T"],
  [['info', '--output=xml', at('x.img')], "--output 'xml': it is human or json"],
  [['convert', at('x.img')], 'convert needs two files, as in:'],
  [['convert', '-c', at('x.img'), at('y.img')], '-c: compressed clusters are read here and not written'],
  [['convert', '-B', at('x.img'), at('x.img'), at('y.img')], "'create -b' makes an image that has one"],
  [['convert', '-O', 'qcow2', '-o', 'size=1G', at('x.img'), at('y.img')], "'resize' makes it larger"],
  [['check', '-r', 'all', at('x.img')], '-r: images are not repaired here'],
  [['resize', at('x.img'), '1M', '2M'], 'resize needs a file and a size, as in:'],
  [['rebase', '-u', at('x.img')], "'rebase' is left to qemu-img; 'bootwright image' has create"],
  [['inof', at('x.img')], "'bootwright image' has no command 'inof'; did you mean 'info'?"],
  [['info', at('none.img')], 'does not exist; check the path'],
  [
    ['create', join(folder, 'no', 'x.img'), '1G'],
    `there is no folder '${join(folder, 'no')}'; make it, or name another`,
  ],
  [['convert', 'package.json', join('package.json', 'x')], 'a part of its path is not a directory; check the path'],
  [['create', folder, '1G'], 'is a directory; name a file in it'],
])('%s is refused', async (args, sentence) => {
  await expect(image(...args)).rejects.toThrow(sentence)
})
