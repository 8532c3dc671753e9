/**
 * Files that somebody names, opened so that none of them can hang or fill the host: a pipe or a device is refused, and so
 * is what is longer than the caller expects.
 */
import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs'

/** The message goes on behind the file's name: `is a directory; name the file in it`. */
export class UnreadableFile extends Error {
  override readonly name = 'UnreadableFile'
}

/** What is wrong, by the host's error code. */
const REASONS: { readonly [code: string]: string } = {
  ENOENT: 'does not exist; check the path',
  ENOTDIR: 'does not exist: a part of its path is not a directory; check the path',
  ELOOP: 'is a symbolic link that leads in a circle; name the file itself',
  ENAMETOOLONG: 'cannot be opened: its path is too long; move it or use a shorter one',
  ERR_INVALID_ARG_VALUE: 'cannot be opened: a path cannot hold a zero byte; check the path',
  EACCES: 'may not be read by this user; make it readable (chmod u+r)',
  EPERM: 'may not be read by this user; make it readable (chmod u+r)',
  EISDIR: 'is a directory; name the file in it',
  ENXIO: 'is a socket; name a file',
  ENODEV: 'is a device of this host; copy it to a file first',
}

export function unreadable(error: unknown): UnreadableFile {
  if (error instanceof UnreadableFile) return error
  const { code, message } = error as NodeJS.ErrnoException
  return new UnreadableFile(REASONS[code ?? ''] ?? `cannot be read (${message.split('\n')[0]}); check the file`)
}

/** The caller closes `fd`. Throws an UnreadableFile. */
export function openRegular(path: string): { fd: number; size: number } {
  let fd: number
  try {
    // A pipe that nobody writes to would not open otherwise.
    fd = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
  } catch (error) {
    throw unreadable(error)
  }
  const stats = fstatSync(fd)
  try {
    checkRegular(stats)
  } catch (error) {
    closeSync(fd)
    throw error
  }
  return { fd, size: stats.size }
}

/** Throws an UnreadableFile for what is no file. */
export function checkRegular(stats: Stats): void {
  if (stats.isFile()) return
  if (stats.isDirectory()) throw unreadable({ code: 'EISDIR', message: '' })
  if (stats.isFIFO()) throw new UnreadableFile('is a pipe; save it to a file first')
  throw new UnreadableFile('is a device of this host, not a file; copy it to a file first')
}

/** The whole file, where it is no longer than `most` bytes. Throws an UnreadableFile. */
export function readRegular(path: string, most: number): Buffer {
  const { fd, size } = openRegular(path)
  try {
    if (size > most)
      throw new UnreadableFile(
        `is ${size.toLocaleString('en-US')} bytes long, and more than ${most.toLocaleString('en-US')} are not read; name another file`,
      )
    // Files of /proc say 0, and one that grows meanwhile is read as it was.
    const bytes = Buffer.alloc(size)
    let done = 0
    while (done < size) {
      const count = readSync(fd, bytes, done, size - done, done)
      if (count === 0) break
      done += count
    }
    return bytes.subarray(0, done)
  } catch (error) {
    throw unreadable(error)
  } finally {
    closeSync(fd)
  }
}
