/** `bootwright image` beside `qemu-img`: what one writes the other reads, and both say the same of it. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { imageCommand } from '../../../../harness/cli/verbs/image.js'

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
    await expect(image('resize', at('a.qcow2'), '--shrank')).rejects.toThrow("shrank' is no size")
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
  [['create', '-f', 'qcow2', '-o', 'lazy_refcounts=yes', at('x.img'), '1G'], 'it is on or off'],
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
