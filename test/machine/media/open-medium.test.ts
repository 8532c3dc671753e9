import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { probeImage } from '../../../harness/guest/probe-image.js'
import { MediumError } from '../../../machine/media/block-device.js'
import type { FloppyGeometry } from '../../../machine/media/floppy-geometry.js'
import { MediaError, type MediumKind, mediaError, openMedium } from '../../../machine/media/open-medium.js'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'media-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

function file(name: string, contents: Uint8Array | string, size?: number): string {
  const path = join(folder, name)
  writeFileSync(path, contents)
  if (size !== undefined) truncateSync(path, size)
  return path
}

/** The sentence that a user gets. */
function refusal(path: string, as: MediumKind, write = false): string {
  try {
    openMedium(path, { as, write }).device.close()
  } catch (error) {
    expect(error).toBeInstanceOf(MediaError)
    const { message } = error as Error
    expect(message).not.toMatch(/ENOENT|EACCES|EISDIR|ENOTDIR|ELOOP/)
    expect(message.startsWith(`${as} ${JSON.stringify(path)}`)).toBe(true)
    return message
  }
  throw new Error('was not refused')
}

function mbr(entries: [type: number, start: number, count: number][]): Uint8Array {
  const sector = new Uint8Array(512)
  const view = new DataView(sector.buffer)
  entries.forEach(([type, start, count], i) => {
    sector[446 + 16 * i + 4] = type
    view.setUint32(446 + 16 * i + 8, start, true)
    view.setUint32(446 + 16 * i + 12, count, true)
  })
  view.setUint16(510, 0xaa55, true)
  return sector
}

function iso(blocks: number): Uint8Array {
  const image = new Uint8Array(18 * 2048)
  image.set([1, ...Buffer.from('CD001')], 16 * 2048)
  image.set([255, ...Buffer.from('CD001')], 17 * 2048)
  const view = new DataView(image.buffer)
  view.setUint32(16 * 2048 + 80, blocks, true)
  view.setUint16(16 * 2048 + 128, 2048, true)
  return image
}

describe('opening a medium', () => {
  test('puts an overlay over the file, so that writes leave it alone', () => {
    const path = file('a.img', new Uint8Array(1024).fill(5))
    const { device, overlay } = openMedium(path, { as: 'disk' })
    device.write(0, new Uint8Array(512).fill(6))
    device.flush()
    const into = new Uint8Array(1024)
    device.read(0, into)
    expect([into[0], into[512]]).toEqual([6, 5])
    expect(overlay?.changedBytes).toBeGreaterThan(0)
    device.close()
    expect(readFileSync(path)[0]).toBe(5)
  })

  test('is read-only to the guest when asked, without an overlay', () => {
    const path = join(folder, 'protected.img')
    writeFileSync(path, new Uint8Array(1024))
    const { device, overlay } = openMedium(path, { as: 'disk', readonly: true })
    expect([device.readOnly, overlay]).toEqual([true, undefined])
    expect(() => device.write(0, new Uint8Array(512))).toThrow('open for reading only')
    device.close()
    expect(() => openMedium(path, { as: 'disk', readonly: true, write: true })).toThrow(
      'what is read-only cannot be written; leave out one of both',
    )
  })

  test('writes to the file when asked', () => {
    const path = file('b.img', new Uint8Array(1024))
    const { device, overlay } = openMedium(path, { as: 'disk', write: true })
    device.write(512, Uint8Array.of(1, 2, 3))
    device.flush()
    device.close()
    expect(overlay).toBeUndefined()
    expect([...readFileSync(path).subarray(511, 516)]).toEqual([0, 1, 2, 3, 0])
  })

  test.each([
    ['160K', 163_840],
    ['360K', 368_640],
    ['1.2M', 1_228_800],
    ['1.44M', 1_474_560],
    ['1.68M', 1_720_320],
    ['2.88M', 2_949_120],
  ])('knows a %s floppy by its size', (name, size) => {
    const medium = openMedium(file('floppy.img', '', size), { as: 'floppy' })
    expect(medium.geometry?.name).toBe(name)
    expect(medium.device.size).toBe(size)
    medium.device.close()
  })

  test('takes an ISO 9660 and a UDF image as a CD, read only', () => {
    const cd = openMedium(file('good.iso', iso(18)), { as: 'cdrom' })
    expect(cd.device.readOnly).toBe(true)
    const udf = new Uint8Array(17 * 2048)
    udf.set(Buffer.from('\0BEA01', 'latin1'), 16 * 2048)
    expect(openMedium(file('udf.iso', udf), { as: 'cdrom' }).format).toBe('raw')
  })

  test('a file that shrinks under the machine is a medium error', () => {
    const path = file('shrinks.img', new Uint8Array(4096))
    const { device } = openMedium(path, { as: 'disk' })
    truncateSync(path, 512)
    expect(() => device.read(1024, new Uint8Array(512))).toThrow(MediumError)
    device.close()
  })
})

describe('refusing a medium', () => {
  test('that is not there, or not a file', () => {
    expect(refusal(join(folder, 'none.img'), 'disk')).toMatch(/does not exist; check the path/)
    expect(refusal('nbd://localhost/disk', 'disk')).toMatch(/is no file of this host, and addresses are not opened/)
    expect(refusal('', 'disk')).toMatch(/path is empty/)
    expect(refusal(join(file('plain', 'x'), 'inside'), 'disk')).toMatch(/not a directory; check the path/)
    expect(refusal('a\0b', 'disk')).toMatch(/zero byte/)
    mkdirSync(join(folder, 'dir'))
    expect(refusal(join(folder, 'dir'), 'cdrom')).toMatch(/is a directory/)
    symlinkSync(join(folder, 'loop'), join(folder, 'loop'))
    expect(refusal(join(folder, 'loop'), 'disk')).toMatch(/leads in a circle/)
    expect(refusal('/dev/null', 'floppy')).toMatch(/special file/)
    execFileSync('mkfifo', [join(folder, 'fifo')])
    expect(refusal(join(folder, 'fifo'), 'floppy')).toMatch(/pipe/)
  })

  test('that may not be read or written', () => {
    const error = Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' })
    expect(mediaError(error, 'disk "x"', false).message).toBe(
      'disk "x" may not be read by this user; make it readable (chmod u+r)',
    )
    expect(mediaError(error, 'disk "x"', true).message).toMatch(/chmod u\+w.*leave out "write"/)
    expect(refusal(file('good2.iso', iso(18)), 'cdrom', true)).toMatch(/CD cannot be written/)
  })

  test('of no or an impossible size', () => {
    expect(refusal(file('empty.img', ''), 'disk')).toMatch(/is empty/)
    expect(refusal(file('big.fd', '', 4_000_000), 'floppy')).toMatch(/more than any floppy.*is opened as "disk"/)
    expect(refusal(file('huge.img', '', 2 * 2 ** 40 + 512), 'disk')).toMatch(/over 2 TiB/)
  })

  test('that is for another drive', () => {
    expect(refusal(file('fd.iso', '', 1_474_560), 'cdrom')).toMatch(/neither ISO 9660 nor UDF.*open it as "floppy"/)
    expect(refusal(file('tiny.iso', '', 1000), 'cdrom')).toMatch(/1,000 bytes long/)
    expect(refusal(file('iso.fd', iso(18)), 'floppy')).toMatch(/open it as "cdrom"/)
  })

  test.each([
    ['a gzip file', 'gunzip -k', [0x1f, 0x8b, 8]],
    ['an xz file', 'unxz -k', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]],
    ['a zip archive', 'unzip', [0x50, 0x4b, 3, 4]],
    ['a QED image', 'qemu-img convert -f qed -O raw', [0x51, 0x45, 0x44, 0]],
    ['a bzip2 file', 'bunzip2', [...Buffer.from('BZh9'), 0x31, 0x41, 0x59, 0x26, 0x53, 0x59]],
  ])('that is %s, naming the command that converts it', (name, command, magic) => {
    const path = file("it's packed.bin", Uint8Array.from(magic), 1_474_560)
    for (const as of ['disk', 'floppy', 'cdrom'] as const) {
      const message = refusal(path, as)
      expect(message).toContain(`is ${name}, no image that is read here; convert it first: ${command}`)
      expect(message).toContain(`'${folder}/it'\\''s packed`)
    }
  })
})

describe('a boot floppy that ends behind its last used sector', () => {
  const bootSector = (size: number, fatSectors?: number, sectorsPerTrack = 18) => {
    const image = new Uint8Array(size)
    image[510] = 0x55
    image[511] = 0xaa
    if (fatSectors !== undefined) {
      const view = new DataView(image.buffer)
      view.setUint16(11, 512, true)
      image.set([1, 1, 0, 2], 13)
      view.setUint16(19, fatSectors, true)
      image[21] = 0xf0
      image.set([sectorsPerTrack, 0, 2, 0], 24)
    }
    return image
  }

  test('is read as the floppy it is written to, with zeros behind its end', () => {
    const medium = openMedium(file('short.img', bootSector(1296384)), { as: 'floppy' })
    expect(medium.device.size).toBe(1474560)
    const sector = new Uint8Array(512).fill(1)
    medium.device.read(1474560 - 512, sector)
    expect(sector.every((byte) => byte === 0)).toBe(true)
    medium.device.close()
  })

  test('is the floppy that its FAT was made on', () => {
    const medium = openMedium(file('cut.img', bootSector(655872, 1280, 8)), { as: 'floppy' })
    expect([medium.geometry?.name, medium.device.size]).toEqual(['640K', 655360])
    expect(medium.warning).toMatch(/has 655,872 bytes, and it is read as a floppy of 640K, which has 655,360: the rest/)
    medium.device.close()
    const cut = openMedium(file('cut.img', bootSector(512, 2880, 18)), { as: 'floppy' })
    expect(cut.geometry?.name).toBe('1.44M')
    expect(cut.warning).toMatch(/only 512 bytes.*what is missing reads as zeros/)
    cut.device.close()
  })

  test('needs no signature', () => {
    const medium = openMedium(file('none.img', new Uint8Array(512).fill(0x90)), { as: 'floppy' })
    expect(medium.geometry?.name).toBe('1.44M')
    medium.device.close()
  })

  test.each([
    [33_280, '1.44M'],
    [163_840 - 7 * 512, '160K'],
    [163_840 - 8 * 512, '1.44M'],
    [368_640 - 100, '360K'],
    [368_640 + 512, '1.44M'],
    [737_280 - 9 * 512, '1.44M'],
    [1_228_800 - 512, '1.2M'],
    [1_474_560 + 512, '2.88M'],
  ])('of %i bytes without a FAT is cut short by less than a track, or boot code with a kernel: %s', (size, name) => {
    const medium = openMedium(file('raw.img', bootSector(size)), { as: 'floppy' })
    expect(medium.geometry?.name).toBe(name)
    medium.device.close()
  })

  test.each([
    [409_600, '400K', [40, 2, 10]],
    [655_360, '640K', [80, 2, 8]],
    [819_200, '800K', [80, 2, 10]],
    [839_680, '820K', [82, 2, 10]],
    [1_474_543, '1.44M', [80, 2, 18]],
    [1_556_480, '1.52M', [80, 2, 19]],
    [1_638_400, '1.6M', [80, 2, 20]],
    [1_802_240, '1.76M', [80, 2, 22]],
  ])('of %i bytes is %s', (size, name, geometry) => {
    const path = file('format.img', '', size)
    const medium = openMedium(path, { as: 'floppy' })
    const { cylinders, heads, sectorsPerTrack } = medium.geometry as FloppyGeometry
    expect([medium.geometry?.name, [cylinders, heads, sectorsPerTrack], medium.warning]).toEqual([
      name,
      geometry,
      undefined,
    ])
    const last = new Uint8Array(512).fill(1)
    medium.device.read(medium.device.size - 512, last)
    expect(last.every((byte) => byte === 0)).toBe(true)
    medium.device.close()
    expect(probeImage(path)).toBe('floppy')
  })
})

describe('an image that is shorter than what it stands for', () => {
  const sizeAs = (path: string, as: MediumKind) => {
    const { device, warning } = openMedium(path, { as })
    device.read(device.size - 512, new Uint8Array(512))
    device.close()
    return [device.size, warning]
  }

  test('has a last sector of zeros where its own is not whole', () => {
    expect(sizeAs(file('odd.img', '', 4_000_000), 'disk')).toEqual([4_000_256, undefined])
    expect(sizeAs(file('one.img', 'x'), 'disk')).toEqual([512, undefined])
  })

  test('reads as zeros there, with a warning, where its partitions or its volume say how long it should be', () => {
    const warning = (has: string, says: string, should: string) =>
      expect.stringMatching(
        `has only ${has} bytes, and ${says} says that it has ${should}: what is missing reads as zeros`,
      )
    const path = file('mbr.img', mbr([[6, 63, 2000]]), 1_000_448)
    expect(sizeAs(path, 'disk')).toEqual([1_056_256, warning('1,000,448', 'its partition table', '1,056,256')])
    truncateSync(path, 1_056_256)
    expect(sizeAs(path, 'disk')).toEqual([1_056_256, undefined])
    const volume = 'its volume descriptor'
    expect(sizeAs(file('short.iso', iso(19)), 'cdrom')).toEqual([38_912, warning('36,864', volume, '38,912')])
    expect(sizeAs(file('claims.iso', iso(3_000_000)), 'cdrom')[0]).toBe(3_000_000 * 2048)
    const gpt = new Uint8Array(2048)
    gpt.set(mbr([[0xee, 1, 0xffffffff]]))
    gpt.set(Buffer.from('EFI PART'), 512)
    new DataView(gpt.buffer).setBigUint64(512 + 32, 99n, true)
    expect(sizeAs(file('gpt.img', gpt), 'disk')).toEqual([51_200, warning('2,048', 'its partition table', '51,200')])
  })

  test('but not where a boot sector’s code stands in the place of a partition table', () => {
    const sector = new Uint8Array(512).fill(0x90)
    sector.set([0x55, 0xaa], 510)
    expect(openMedium(file('boot.img', sector), { as: 'disk' }).device.size).toBe(512)
  })

  test('grows where it is written', () => {
    const path = file('grows.img', 'abc')
    const { device } = openMedium(path, { as: 'disk', write: true })
    device.write(0, new Uint8Array(512).fill(7))
    const into = new Uint8Array(512)
    device.read(0, into)
    device.close()
    expect([into[511], readFileSync(path).length]).toEqual([7, 512])
  })
})

describe.skipIf(process.platform !== 'linux')('locks', () => {
  const open = (path: string, write: boolean) => openMedium(path, { as: 'disk', write }).device

  test('an image is written by one alone, and read by nobody meanwhile', () => {
    const path = file('locked.img', '', 1024)
    const writer = open(path, true)
    expect(refusal(path, 'disk', true)).toMatch(/is being written by this bootwright itself.*must be alone.*copy it/)
    expect(refusal(path, 'disk')).toMatch(/is being written by this bootwright itself.*wait until it has ended/)
    writer.close()
    const [one, two] = [open(path, false), open(path, false)]
    expect(refusal(path, 'disk', true)).toMatch(/is being read by this bootwright itself/)
    one.close()
    two.close()
    open(path, true).close()
  })

  test('an image that is opened briefly is refused where others have it, and is nobody else’s hindrance', () => {
    const path = file('brief.img', '', 1024)
    const brief = (write: boolean) => openMedium(path, { as: 'disk', write, briefly: true }).device
    const mine = brief(false)
    const writer = open(path, true)
    expect(() => brief(false)).toThrow(/is being written by this bootwright itself/)
    writer.close()
    const reader = open(path, false)
    expect(() => brief(true)).toThrow(/is being read by this bootwright itself/)
    brief(false).close()
    reader.close()
    mine.close()
  })

  test('a refused image is not locked', () => {
    const path = file('again.img', '', 1024)
    const reader = open(path, false)
    refusal(path, 'disk', true)
    open(path, false).close()
    reader.close()
  })

  const haveQemu = spawnSync('qemu-io', ['--version']).error === undefined
  const qemuIo = (path: string, ...commands: string[]) => {
    const { stderr, stdout } = spawnSync('qemu-io', ['-f', 'raw', ...commands.flatMap((c) => ['-c', c]), path], {
      encoding: 'utf8',
    })
    return stderr + stdout
  }

  test.skipIf(!haveQemu)('QEMU sees ours', () => {
    const path = file('qemu.img', '', 1024)
    const writer = open(path, true)
    expect(qemuIo(path, 'write 0 512')).toMatch(/Failed to get .*lock/)
    writer.close()
    expect(qemuIo(path, 'write -P 5 0 512')).toMatch(/wrote 512/)
    expect(readFileSync(path)[0]).toBe(5)
  })

  test.skipIf(!haveQemu)('and its are seen, by name', async () => {
    const path = file('qemu2.img', '', 1024)
    const qemu = spawn('qemu-io', ['-f', 'raw', path], { stdio: ['pipe', 'pipe', 'ignore'] })
    qemu.stdin.write('write 0 512\n')
    for await (const text of qemu.stdout) if (String(text).includes('wrote')) break
    try {
      const message = refusal(path, 'disk', true)
      expect(message).toContain(`process ${qemu.pid} (qemu-io)`)
    } finally {
      qemu.kill('SIGKILL')
      await once(qemu, 'close')
    }
    open(path, true).close()
  })
})
