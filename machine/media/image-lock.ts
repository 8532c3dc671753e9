/**
 * Locks on image files, as QEMU takes them (block/file-posix.c): open file description locks on single bytes, each a
 * shared one. Byte 100 + n says that its holder uses permission n, byte 200 + n that nobody else may; whoever comes
 * looks whether somebody holds what it must not. So two of us, or QEMU and us, see each other, in one process, too, and
 * a lock ends with its file descriptor, whatever way its process ends.
 */
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { EINTR, libc, Struct } from '../host/libc.js'

const F_OFD_GETLK = 36
const F_OFD_SETLK = 37
const F_RDLCK = 0
const F_WRLCK = 1
const F_UNLCK = 2

const USED = 100
const NOT_SHARED = 200
/** QEMU's permissions. */
const CONSISTENT_READ = 0
const WRITE = 1
const RESIZE = 3

/** Somebody else has the image open in a way that does not go with this one. */
export class ImageLockedError extends Error {
  override readonly name = 'ImageLockedError'

  /** `holder`: a process in words, where it could be found. */
  constructor(
    path: string,
    readonly holder: string | undefined,
    readonly writes: boolean,
  ) {
    super(`${path} is locked${holder ? ` by ${holder}` : ''}`)
  }
}

/**
 * Does nothing where the host or the file system has no such locks. Throws an ImageLockedError.
 *
 * @param options `briefly`: it is closed again at once, so that others' locks matter and it takes none of its own.
 */
export function lockImage(fd: number, path: string, options: { write: boolean; briefly?: boolean }): void {
  if (process.platform !== 'linux') return
  let locks: FileLocks
  try {
    locks = new FileLocks(fd)
  } catch {
    // No koffi for this platform: an image is opened as it was before there were locks.
    return
  }
  const used = options.write ? [CONSISTENT_READ, WRITE] : [CONSISTENT_READ]
  const notShared = options.write ? [WRITE, RESIZE] : [WRITE]
  const own = [...used.map((n) => USED + n), ...notShared.map((n) => NOT_SHARED + n)]
  if (!options.briefly && !own.every((byte) => locks.take(byte))) return
  const taken = used.some((n) => locks.isTaken(NOT_SHARED + n)) || notShared.some((n) => locks.isTaken(USED + n))
  if (taken) throw new ImageLockedError(path, holderOf(path, fd), locks.isTaken(USED + WRITE))
}

class FileLocks {
  /** struct flock: type, whence, start, length and pid. */
  private readonly flock = new Struct(32)

  constructor(private readonly fd: number) {}

  /** A shared lock of one byte; false where there are no locks. */
  take(byte: number): boolean {
    return this.call(F_OFD_SETLK, F_RDLCK, byte)
  }

  /** Whether another open file description has a lock there. */
  isTaken(byte: number): boolean {
    return this.call(F_OFD_GETLK, F_WRLCK, byte) && this.flock.view.getInt16(0, true) !== F_UNLCK
  }

  private call(command: number, type: number, byte: number): boolean {
    const { view, address } = this.flock
    this.flock.bytes.fill(0)
    view.setInt16(0, type, true)
    view.setBigInt64(8, BigInt(byte), true)
    view.setBigInt64(16, 1n, true)
    for (;;) {
      if (libc().fcntl(this.fd, command, address) === 0) return true
      if (libc().errno() !== EINTR) return false
    }
  }
}

/** The kernel does not tell who holds such a lock, but which descriptors of which processes have one. */
function holderOf(path: string, own: number): string | undefined {
  try {
    const { dev, ino } = statSync(path)
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      for (const fd of listOf(`/proc/${pid}/fd`)) {
        const isOwn = Number(pid) === process.pid && Number(fd) === own
        if (!isOwn && isLocked(pid, fd, dev, ino)) return describe(pid)
      }
    }
  } catch {
    // Without /proc nobody can be named.
  }
  return undefined
}

function listOf(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

function isLocked(pid: string, fd: string, dev: number, ino: number): boolean {
  try {
    const link = `/proc/${pid}/fd/${fd}`
    if (!readlinkSync(link).startsWith('/')) return false
    const stats = statSync(link)
    return (
      stats.dev === dev && stats.ino === ino && readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'latin1').includes('OFDLCK')
    )
  } catch {
    return false
  }
}

function describe(pid: string): string {
  if (Number(pid) === process.pid) return 'this bootwright itself, for another drive or machine'
  const name = readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
  return `process ${pid} (${name})`
}
