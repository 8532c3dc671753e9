/** Images as qemu-img makes them: read as it reads them, written so that it finds them sound, locked as it locks them. */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { filesOfImage } from '../../../machine/media/disk-format.js'
import { openMedium } from '../../../machine/media/open-medium.js'
import { newQcow2 } from '../../../machine/media/qcow2/create.js'
import { haveQemuImg, randomNumbers, runSequence } from './qcow2-sequences.js'

const folder = mkdtempSync(join(tmpdir(), 'bootwright-formats-'))
const at = (name: string) => join(folder, name)
const image = (...args: string[]) => execFileSync('qemu-img', args, { stdio: ['ignore', 'pipe', 'pipe'] })
const SIZE = 3 << 20

/** Zeros, runs of one byte, and noise, which does not deflate. */
function contents(): Uint8Array {
  const random = randomNumbers(7)
  const bytes = new Uint8Array(SIZE)
  for (let from = 0; from < SIZE; from += 96 << 10) {
    if (random(3) === 0) continue
    const end = Math.min(SIZE, from + random(80 << 10))
    if (random(2)) bytes.fill(random(256), from, end)
    else for (let i = from; i < end; i++) bytes[i] = random(256)
  }
  return bytes
}

function whole(path: string, format?: 'raw'): Uint8Array {
  const { device } = openMedium(path, { as: 'disk', format })
  const bytes = new Uint8Array(device.size)
  device.read(0, bytes)
  // And in pieces that begin and end anywhere.
  for (let from = 1; from + 70_001 < bytes.length; from += 300_007) {
    const piece = new Uint8Array(70_001)
    device.read(from, piece)
    expect(Buffer.from(piece).equals(bytes.subarray(from, from + piece.length))).toBe(true)
  }
  device.close()
  return bytes
}

describe.skipIf(!haveQemuImg)('images that qemu-img made', () => {
  const raw = at('plain.raw')
  writeFileSync(raw, contents())
  test.each([
    ['qcow2', ''],
    ['qcow2', 'compat=0.10,cluster_size=512'],
    ['vmdk', 'subformat=monolithicSparse'],
    ['vmdk', 'subformat=streamOptimized'],
    ['vmdk', 'subformat=monolithicFlat'],
    ['vmdk', 'subformat=twoGbMaxExtentSparse'],
    ['vdi', ''],
    ['vdi', 'static=on'],
    ['vpc', 'subformat=dynamic'],
    ['vpc', 'subformat=dynamic,force_size=on'],
    ['vpc', 'subformat=fixed,force_size=on'],
    ['vhdx', 'subformat=dynamic'],
    ['vhdx', 'subformat=fixed,block_size=1M'],
  ])('%s %s is read as qemu-img reads it', (format, options) => {
    const path = at(`${format}-${options.replaceAll(/\W/g, '-')}.img`)
    image('convert', '-f', 'raw', '-O', format, ...(options ? ['-o', options] : []), raw, path)
    image('convert', '-f', format, '-O', 'raw', path, at('back.raw'))
    expect(Buffer.from(whole(path)).equals(readFileSync(at('back.raw')))).toBe(true)
    if (format !== 'qcow2')
      expect(() => openMedium(path, { as: 'disk', write: true })).toThrow(/only read here.*image convert -O qcow2/)
  })

  test('backing files, compressed clusters and the files behind an image', () => {
    image('convert', '-c', '-f', 'raw', '-O', 'qcow2', raw, at('base.qcow2'))
    image('create', '-f', 'qcow2', '-b', 'base.qcow2', '-F', 'qcow2', at('middle.qcow2'))
    image('create', '-f', 'qcow2', '-b', at('middle.qcow2'), '-F', 'qcow2', at('top.qcow2'), '4M')
    const { device } = openMedium(at('top.qcow2'), { as: 'disk', write: true })
    device.write(100_000, new Uint8Array(5000).fill(9))
    device.close()
    const expected = Buffer.alloc(4 << 20)
    expected.set(readFileSync(raw))
    expected.fill(9, 100_000, 105_000)
    expect(Buffer.from(whole(at('top.qcow2'))).equals(expected)).toBe(true)
    expect(spawnSync('qemu-img', ['check', at('top.qcow2')]).status).toBe(0)
    expect(filesOfImage(at('top.qcow2'))).toEqual(['top', 'middle', 'base'].map((name) => at(`${name}.qcow2`)))
    image('rebase', '-u', '-b', at('top.qcow2'), '-F', 'qcow2', at('base.qcow2'))
    expect(() => openMedium(at('top.qcow2'), { as: 'disk' })).toThrow('has a chain of backing files that does not end')
  })

  test.each([
    [
      'luks encryption',
      ['-o', 'encrypt.format=luks,encrypt.iter-time=10,encrypt.key-secret=s', '--object', 'secret,id=s,data=x'],
      'encryption',
    ],
    ['subclusters', ['-o', 'extended_l2=on'], 'extended L2 entries (subclusters)'],
    ['zstd', ['-o', 'compression_type=zstd'], 'zstd compression'],
    ['a data file', ['-o', `data_file=${at('data.raw')}`], 'an external data file'],
  ])('%s is refused by name', (_, options, what) => {
    const path = at('refused.qcow2')
    image('create', '-f', 'qcow2', ...options, path, '1M')
    expect(() => openMedium(path, { as: 'disk' })).toThrow(`is a qcow2 image with ${what}, which cannot be read here`)
  })

  test.each([0, 1, 3, 5])(
    'after a kill or a power cut the image is sound, and what was flushed is there (%i)',
    (seed) => {
      runSequence(seed, folder)
    },
  )

  test('QEMU and we see each other’s locks', async () => {
    image('create', '-f', 'qcow2', at('locked.qcow2'), '1M')
    const { device } = openMedium(at('locked.qcow2'), { as: 'disk', write: true })
    const refused = spawnSync('qemu-io', ['-c', 'write 0 512', at('locked.qcow2')], { encoding: 'utf8' })
    expect(refused.stderr).toMatch(/Failed to get .*lock/)
    device.close()
    const other = spawn('qemu-io', [at('locked.qcow2')], { stdio: ['pipe', 'pipe', 'ignore'] })
    await new Promise((resolve) => other.stdout.once('data', resolve))
    expect(() => openMedium(at('locked.qcow2'), { as: 'disk' })).toThrow(/is being written by process \d+ \(qemu-io\)/)
    other.kill()
    await new Promise((resolve) => other.once('exit', resolve))
    openMedium(at('locked.qcow2'), { as: 'disk', write: true }).device.close()
  })
})

test.skipIf(process.platform !== 'linux')('an image over what is no file is refused, and does not wait for it', () => {
  execFileSync('mkfifo', [at('pipe')])
  for (const [behind, what] of [
    ['pipe', 'is a pipe'],
    ['/dev/zero', 'is a device of this host'],
    ['.', 'is a directory'],
  ]) {
    writeFileSync(at('over.qcow2'), newQcow2({ size: 1 << 20, backingFile: behind, backingFormat: 'raw' }))
    expect(() => openMedium(at('over.qcow2'), { as: 'disk' })).toThrow(
      new RegExp(`over\\.qcow2" has a backing file, ".*", that ${what}`),
    )
  }
  writeFileSync(at('over.vmdk'), '# Disk DescriptorFile\nversion=1\nparentCID=ffffffff\nRW 8 FLAT "pipe" 0\n')
  expect(() => openMedium(at('over.vmdk'), { as: 'disk' })).toThrow(/is a pipe/)
})

test('a guest does not turn its raw disk into an image with a backing file', () => {
  const header = new Uint8Array(1024)
  header.set([0x51, 0x46, 0x49, 0xfb, 0, 0, 0, 3])
  writeFileSync(at('victim.img'), new Uint8Array(8192))
  const guessed = openMedium(at('victim.img'), { as: 'disk', write: true }).device
  guessed.write(512, header)
  expect(() => guessed.write(0, header)).toThrow(
    'the guest would make a qcow2 image of this raw one; say that it is raw: format=raw',
  )
  guessed.write(0, header.subarray(0, 3))
  expect(() => guessed.write(3, header.subarray(3, 8))).toThrow('would make a qcow2 image')
  guessed.close()
  const said = openMedium(at('victim.img'), { as: 'disk', write: true, format: 'raw' }).device
  said.write(0, header)
  said.close()
  expect(whole(at('victim.img'), 'raw')[3]).toBe(0xfb)
})

test('a descriptor names no file elsewhere', () => {
  const extent = 'RW 8 FLAT "/etc/passwd" 0\n'
  writeFileSync(at('bad.vmdk'), `# Disk DescriptorFile\nversion=1\nparentCID=ffffffff\n${extent}`)
  expect(() => openMedium(at('bad.vmdk'), { as: 'disk' })).toThrow('has an extent in another folder, "/etc/passwd"')
})
