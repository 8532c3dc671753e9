/**
 * Random sequences of operations on qcow2 images that qemu-img made, ended by a kill or a power cut at any moment, and
 * judged by qemu-img: the image is sound, and every sector is what was flushed or what was written there since.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { HostFile } from '../../../machine/media/host-file.js'
import { Qcow2Image } from '../../../machine/media/qcow2/qcow2-image.js'
import { RawImage } from '../../../machine/media/raw-image.js'

const SECTOR = 512
const OPERATIONS = 30

export const haveQemuImg = spawnSync('qemu-img', ['--version']).status === 0

/** xorshift32. */
export function randomNumbers(seed: number): (below: number) => number {
  let x = Math.imul(seed + 1, 0x9e3779b9) || 1
  return (below) => {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    return (x >>> 0) % below
  }
}

class Died extends Error {}

/** Ends after so many writes: in the midst of one as when its process is killed, or with the power. */
class MortalFile extends HostFile {
  left = Number.POSITIVE_INFINITY
  isPower = false
  /** Written since the last sync, and what was there before. */
  private unsynced: { offset: number; bytes: Uint8Array; before: Uint8Array; sizeBefore: number }[] = []

  constructor(
    path: string,
    private readonly random: (below: number) => number,
  ) {
    super(path, { write: true })
  }

  override write(offset: number, from: Uint8Array): void {
    if (this.left <= 0) throw new Died()
    // A sector is kept or lost as a whole, with all that was written into it before.
    const start = offset - (offset % SECTOR)
    const before = this.bytes(start, Math.ceil((offset + from.length) / SECTOR) * SECTOR - start)
    const bytes = before.slice()
    bytes.set(from, offset - start)
    this.unsynced.push({ offset: start, bytes, before, sizeBefore: this.size })
    const isLast = --this.left === 0
    super.write(offset, isLast ? from.subarray(0, this.torn(offset, from.length)) : from)
    if (!isLast) return
    if (this.isPower) this.forget()
    throw new Died()
  }

  /** Sectors are written or not. */
  private torn(offset: number, length: number): number {
    const end = offset + this.random(length + 1)
    return Math.max(0, end - (end % SECTOR) - offset)
  }

  override sync(): void {
    if (this.left <= 0) throw new Died()
    super.sync()
    this.unsynced = []
  }

  /** Of what the host was not told to keep, some is there and some is not. */
  private forget(): void {
    for (const { offset, before, sizeBefore } of [...this.unsynced].reverse()) {
      super.write(offset, before)
      super.truncate(sizeBefore)
    }
    for (const { offset, bytes } of this.unsynced) if (this.random(2)) super.write(offset, bytes)
  }
}

function image(...args: string[]): void {
  execFileSync('qemu-img', args, { stdio: ['ignore', 'ignore', 'pipe'] })
}

function io(path: string, ...commands: string[]): void {
  spawnSync('qemu-io', ['-f', 'qcow2', ...commands.flatMap((command) => ['-c', command]), path], { stdio: 'ignore' })
}

/** What qemu-img made, of a kind that the numbers choose, and what is in it. */
function makeImage(
  folder: string,
  random: (below: number) => number,
  size: number,
): { path: string; made: string[]; holds: Buffer } {
  const path = join(folder, 'image.qcow2')
  const old = random(4) === 0
  const clusterBits = [9, 10, 12, 16, 16, 18][random(6)]
  const refcountBits = old ? 16 : 2 ** random(7)
  const isLazy = !old && random(3) === 0
  const options = [
    ...[`cluster_size=${2 ** clusterBits}`, `compat=${old ? '0.10' : '1.1'}`],
    ...(old ? [] : [`refcount_bits=${refcountBits}`, `lazy_refcounts=${isLazy ? 'on' : 'off'}`]),
  ].join(',')
  const made = [options]
  const kind = ['empty', 'backed', 'compressed', 'snapshot', 'written'][random(5)]
  made.push(kind)
  const base = join(folder, 'base.img')
  const holds = Buffer.alloc(size)
  if (kind === 'backed' || kind === 'compressed') {
    const bytes = new Uint8Array(kind === 'compressed' ? size : Math.max(SECTOR, size - SECTOR * random(size / SECTOR)))
    for (let at = 0; at < bytes.length; at += 4096) bytes.fill(random(256), at, at + 1 + random(8192))
    writeFileSync(base, bytes)
    holds.set(bytes)
  }
  if (kind === 'backed') image('create', '-q', '-f', 'qcow2', '-b', base, '-F', 'raw', '-o', options, path, `${size}`)
  else if (kind === 'compressed') image('convert', '-q', '-c', '-f', 'raw', '-O', 'qcow2', '-o', options, base, path)
  else image('create', '-q', '-f', 'qcow2', '-o', options, path, `${size}`)
  if (kind === 'written' || kind === 'snapshot') io(path, ...Array.from({ length: 6 }, () => ioWrite(random, size)))
  if (kind === 'snapshot' && refcountBits > 1) image('snapshot', '-q', '-c', 'one', path)
  if (isLazy) {
    // It leaves the image marked as dirty.
    io(path, ioWrite(random, size), ioWrite(random, size), 'abort')
    made.push('left dirty')
  }
  // What qemu-io wrote, qemu-img reads; the rest is known, and a process less.
  const isWritten = isLazy || kind === 'written' || kind === 'snapshot'
  return { path, made, holds: isWritten ? contents(path) : holds }
}

function ioWrite(random: (below: number) => number, size: number): string {
  const offset = random(size / SECTOR)
  const count = 1 + random(Math.min(256, size / SECTOR - offset))
  const zero = random(4) === 0 ? '-z' : `-P ${random(256)}`
  return `write ${zero} ${offset * SECTOR} ${count * SECTOR}`
}

function open(file: HostFile): Qcow2Image {
  return new Qcow2Image(file, (name) => new RawImage(name))
}

function contents(path: string): Buffer {
  image('convert', '-q', '-f', 'qcow2', '-O', 'raw', path, `${path}.raw`)
  return readFileSync(`${path}.raw`)
}

/** Throws an Error that says what is wrong, with the seed. */
export function runSequence(seed: number, folder: string): void {
  const random = randomNumbers(seed)
  const size = SECTOR * (64 + random(8192))
  const { path, made, holds: now } = makeImage(folder, random, size)
  const told = `seed ${seed}, ${made.join(', ')}, ${size} bytes`
  /** Of each sector that has changed since the last flush, all that it may be. */
  let since = new Map<number, Buffer[]>()
  const change = (offset: number, bytes: Uint8Array) => {
    for (let sector = Math.floor(offset / SECTOR); sector * SECTOR < offset + bytes.length; sector++) {
      const at = now.subarray(sector * SECTOR, (sector + 1) * SECTOR)
      if (!since.has(sector)) since.set(sector, [Buffer.from(at)])
    }
    now.set(bytes, offset)
    for (let sector = Math.floor(offset / SECTOR); sector * SECTOR < offset + bytes.length; sector++)
      since.get(sector)?.push(Buffer.from(now.subarray(sector * SECTOR, (sector + 1) * SECTOR)))
  }
  const file = new MortalFile(path, random)
  try {
    const disk = open(file)
    const compare = (offset: number, length: number) => {
      const read = new Uint8Array(length)
      disk.read(offset, read)
      if (!now.subarray(offset, offset + length).equals(read)) throw new Error(`${told}: reads otherwise at ${offset}`)
    }
    compare(0, size)
    const dies = random(8) > 0
    if (dies) file.left = 1 + random(120)
    file.isPower = random(2) === 0
    for (let n = 0; n < OPERATIONS; n++) {
      const offset = random(size)
      const length = 1 + random(Math.min(size - offset, random(3) ? 3000 : 300_000))
      switch (random(8)) {
        case 0:
          disk.flush()
          since = new Map()
          break
        case 1: {
          const read = new Uint8Array(length)
          const before = Buffer.from(now.subarray(offset, offset + length))
          change(offset, new Uint8Array(length))
          change(offset, before)
          disk.discard(offset, length)
          disk.read(offset, read)
          if (read.some((byte, i) => byte !== 0 && byte !== before[i])) throw new Error(`${told}: discards to nonsense`)
          change(offset, read)
          break
        }
        case 2:
          compare(offset, length)
          break
        default: {
          const bytes = new Uint8Array(length).fill(1 + random(255))
          change(offset, bytes)
          disk.write(offset, bytes)
        }
      }
    }
    compare(0, size)
    disk.flush()
    since = new Map()
  } catch (error) {
    if (!(error instanceof Died)) throw new Error(`${told}: ${(error as Error).stack}`)
  } finally {
    file.close()
  }
  const checked = spawnSync('qemu-img', ['check', '--output=json', path], { encoding: 'utf8' })
  const { corruptions = 0, 'check-errors': errors = 0 } = JSON.parse(checked.stdout || '{"corruptions":1}')
  if (corruptions + errors > 0) throw new Error(`${told}: qemu-img check: ${checked.stdout}${checked.stderr}`)
  const found = contents(path)
  for (let at = 0; at < size; at += SECTOR) {
    const is = found.subarray(at, Math.min(size, at + SECTOR))
    const may = since.get(at / SECTOR) ?? [now.subarray(at, at + SECTOR)]
    if (!may.some((bytes) => bytes.equals(is))) throw new Error(`${told}: what was flushed at ${at} is lost`)
  }
  rmSync(path)
}
