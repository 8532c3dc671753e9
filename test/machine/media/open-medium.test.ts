import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MediumError } from '../../../machine/media/block-device.js'
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
    expect(refusal(file('one.img', 'x'), 'disk')).toMatch(/1 byte long, not a whole number of 512-byte sectors/)
    expect(refusal(file('odd.img', '', 1025), 'disk')).toMatch(/1,025 bytes long.*\(1 over\)/)
    expect(refusal(file('one.fd', 'x'), 'floppy')).toMatch(/1 byte long, which no floppy is.*160K, has 163,840/)
    expect(refusal(file('short.fd', '', 1_474_000), 'floppy')).toMatch(/1,474,000 bytes.*1\.44M, has 1,474,560/)
    expect(refusal(file('big.fd', '', 4_000_000), 'floppy')).toMatch(/hard disk image is opened as "disk"/)
    expect(refusal(file('huge.img', '', 2 * 2 ** 40 + 512), 'disk')).toMatch(/over 2 TiB/)
  })

  test('whose partitions or volume reach beyond its end', () => {
    const path = file('mbr.img', mbr([[6, 63, 2000]]), 1_000_448)
    expect(refusal(path, 'disk')).toMatch(
      /truncated: its MBR partition 1 ends at byte 1,056,256, the file has only 1,000,448/,
    )
    truncateSync(path, 1_056_256)
    openMedium(path, { as: 'disk' }).device.close()
    expect(refusal(file('short.iso', iso(19)), 'cdrom')).toMatch(/truncated.*38,912 bytes, the file only 36,864/)
    const gpt = new Uint8Array(2048)
    gpt.set(mbr([[0xee, 1, 0xffffffff]]))
    gpt.set(Buffer.from('EFI PART'), 512)
    new DataView(gpt.buffer).setBigUint64(512 + 32, 99n, true)
    expect(refusal(file('gpt.img', gpt), 'disk')).toMatch(/GPT.*51,200 bytes, the file has only 2,048/)
  })

  test('but not a boot sector whose code happens to stand where the table would be', () => {
    const sector = new Uint8Array(512).fill(0x90)
    sector.set([0x55, 0xaa], 510)
    expect(openMedium(file('boot.img', sector), { as: 'disk' }).device.size).toBe(512)
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
    ['a qcow2 image', 'qemu-img convert -f qcow2 -O raw', [0x51, 0x46, 0x49, 0xfb]],
    ['a VMDK image', 'qemu-img convert -f vmdk -O raw', [0x4b, 0x44, 0x4d, 0x56]],
    ['a bzip2 file', 'bunzip2', [...Buffer.from('BZh9'), 0x31, 0x41, 0x59, 0x26, 0x53, 0x59]],
  ])('that is %s, naming the command that converts it', (name, command, magic) => {
    const path = file("it's packed.bin", Uint8Array.from(magic), 1_474_560)
    for (const as of ['disk', 'floppy', 'cdrom'] as const) {
      const message = refusal(path, as)
      expect(message).toContain(`is ${name}, not a raw image; convert it first: ${command}`)
      expect(message).toContain(`'${folder}/it'\\''s packed`)
    }
  })
})

describe('a boot floppy that ends behind its last used sector', () => {
  const bootSector = (size: number, fatSectors?: number) => {
    const image = new Uint8Array(size)
    image[510] = 0x55
    image[511] = 0xaa
    if (fatSectors !== undefined) {
      const view = new DataView(image.buffer)
      view.setUint16(11, 512, true)
      image[16] = 2
      view.setUint16(19, fatSectors, true)
      image[21] = 0xf0
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

  test('is refused where its FAT says that there is more', () => {
    expect(refusal(file('cut.img', bootSector(1296384, 2880)), 'floppy')).toMatch(/which no floppy is/)
  })
})
