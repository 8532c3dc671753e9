/** Images as qemu-img makes them: read as it reads them, written so that it finds them sound, locked as it locks them. */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { filesOfImage } from '../../../machine/media/disk-format.js'
import { HostFile } from '../../../machine/media/host-file.js'
import { openMedium } from '../../../machine/media/open-medium.js'
import { checkQcow2 } from '../../../machine/media/qcow2/check.js'
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
    expect(() => openMedium(at('top.qcow2'), { as: 'disk' })).toThrow('has backing files that lead in a circle')
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

const descriptor = (extents: string) => `# Disk DescriptorFile\nversion=1\nparentCID=ffffffff\n${extents}`

test('nor by a link that came along with it; but whose own file is a link has its extents where that leads', () => {
  mkdirSync(at('elsewhere'))
  writeFileSync(at('elsewhere/secret'), new Uint8Array(4096).fill(0x5a))
  symlinkSync(at('elsewhere/secret'), at('link.img'))
  writeFileSync(at('link.vmdk'), descriptor('RW 8 FLAT "link.img" 0\n'))
  expect(() => openMedium(at('link.vmdk'), { as: 'disk' })).toThrow('has an extent in another folder, "link.img"')
  writeFileSync(at('elsewhere/disk.vmdk'), descriptor('RW 8 FLAT "secret" 0\n'))
  symlinkSync(at('elsewhere/secret'), at('secret'))
  symlinkSync(at('elsewhere/disk.vmdk'), at('disk.vmdk'))
  expect(whole(at('disk.vmdk'))).toHaveLength(4096)
})

test('a descriptor with 20,000 extents of one file opens it once; 70 files of a disk are all told', () => {
  writeFileSync(at('sector.img'), new Uint8Array(512).fill(7))
  writeFileSync(at('many.vmdk'), descriptor('RW 1 FLAT "sector.img" 0\n'.repeat(20_000)))
  const began = performance.now()
  const { device } = openMedium(at('many.vmdk'), { as: 'disk' })
  expect(device.size).toBe(20_000 * 512)
  device.close()
  // Some tenths of a second; with a lock for each extent, a minute.
  expect(performance.now() - began).toBeLessThan(10_000)
  const names = Array.from({ length: 70 }, (_, n) => `part-${n}.img`)
  for (const name of names) writeFileSync(at(name), new Uint8Array(512))
  writeFileSync(at('split.vmdk'), descriptor(names.map((name) => `RW 1 FLAT "${name}" 0\n`).join('')))
  expect(filesOfImage(at('split.vmdk'))).toHaveLength(71)
})

test('backing files in a circle, and too many behind one another, are told in a sentence', () => {
  const over = (name: string, backingFile: string) =>
    writeFileSync(at(name), newQcow2({ size: 1 << 20, backingFile, backingFormat: 'qcow2' }))
  over('a.qcow2', 'b.qcow2')
  over('b.qcow2', 'c.qcow2')
  symlinkSync('a.qcow2', at('c.qcow2'))
  expect(() => openMedium(at('a.qcow2'), { as: 'disk' })).toThrow(
    `disk "${at('a.qcow2')}" has backing files that lead in a circle, back to "${at('c.qcow2')}"; rebase one of them`,
  )
  for (let n = 0; n < 66; n++) over(`deep-${n}.qcow2`, `deep-${n + 1}.qcow2`)
  expect(() => openMedium(at('deep-0.qcow2'), { as: 'disk' })).toThrow(
    `disk "${at('deep-0.qcow2')}" has more than 64 backing files behind one another; join some by 'qemu-img commit'`,
  )
})

describe('an image whose tables are made to be walked through without end', () => {
  const CLUSTER = 1 << 16
  const L2 = 1 << 30

  /** An L1 table of many entries, each of which leads where `lead` says. */
  function wide(name: string, lead: (entry: number) => number): string {
    const entries = 1 << 18
    const bytes = newQcow2({ size: CLUSTER })
    const view = new DataView(bytes.buffer)
    view.setUint32(36, entries)
    view.setBigUint64(40, BigInt(1 << 20))
    view.setBigUint64(72, 1n)
    const l1 = new DataView(new ArrayBuffer(entries * 8))
    for (let i = 0; i < entries; i++) l1.setBigUint64(8 * i, BigInt(lead(i)) | (1n << 63n))
    const image = Buffer.alloc((1 << 20) + entries * 8)
    image.set(bytes)
    image.set(new Uint8Array(l1.buffer), 1 << 20)
    writeFileSync(at(name), image)
    return at(name)
  }

  const check = (path: string) => {
    const file = new HostFile(path)
    try {
      return checkQcow2(file)
    } finally {
      file.close()
    }
  }

  test('is checked with each of them looked at once', { timeout: 10_000 }, () => {
    expect(check(wide('one-l2.qcow2', () => 4 * CLUSTER)).corruptions).toBeGreaterThan(0)
    expect(check(wide('behind-the-end.qcow2', (i) => L2 + i * CLUSTER)).corruptions).toBeGreaterThan(0)
    // And so is one that says that its counts are to be made anew before it is written.
    expect(() => openMedium(at('one-l2.qcow2'), { as: 'disk', write: true }).device.close()).not.toThrow()
  })

  test('and snapshots whose tables lie over one another are refused', () => {
    const bytes = newQcow2({ size: CLUSTER })
    const view = new DataView(bytes.buffer)
    view.setUint32(60, 1000)
    view.setBigUint64(64, BigInt(4 * CLUSTER))
    const snapshot = new Uint8Array(40)
    new DataView(snapshot.buffer).setUint32(8, (32 << 20) / 8)
    writeFileSync(at('snapshots.qcow2'), Buffer.concat([bytes, ...Array.from({ length: 1000 }, () => snapshot)]))
    truncateSync(at('snapshots.qcow2'), 33 << 20)
    expect(() => check(at('snapshots.qcow2'))).toThrow('the L1 tables of its snapshots are larger than its file')
  })
})
