/** Files and folders of the host as the LAN serves them: read as they are asked for, and nothing outside them. */
import { closeSync, constants, fstatSync, openSync, readdirSync, readSync, realpathSync, statSync } from 'node:fs'
import { join, sep } from 'node:path'
import { MediaError, mediaError } from '../../machine/media/open-medium.js'
import type { Content, FileTree } from '../../machine/network/contents.js'

/** Names that are listed of a folder. */
const MOST_NAMES = 10_000

/**
 * A file, or a folder with all that is below it.
 * @param option What named it, for the error: `--http`. Throws a MediaError.
 */
export function servedFiles(path: string, option: string): FileTree {
  const what = `what ${option} serves, ${JSON.stringify(path)},`
  let root: string
  try {
    root = realpathSync.native(path)
    const stats = statSync(root)
    if (!stats.isFile() && !stats.isDirectory())
      throw new MediaError(`${what} is neither a file nor a folder; name one of them`)
  } catch (error) {
    throw error instanceof MediaError ? error : mediaError(error, what, false)
  }
  return {
    open: (below) => {
      const real = inside(root, below)
      return real === undefined ? undefined : openFile(real)
    },
    list: (below) => {
      const real = inside(root, below)
      return real === undefined ? [] : names(real)
    },
  }
}

/** Where it is, through links, if that is in the folder: a link that leads out of it leads nowhere. */
function inside(root: string, below: string): string | undefined {
  const parts = below.split('/').filter((part) => part !== '' && part !== '.')
  if (parts.some((part) => part === '..' || part.includes('\0') || part.includes('\\'))) return undefined
  try {
    const real = realpathSync.native(join(root, ...parts))
    return real === root || real.startsWith(root.endsWith(sep) ? root : root + sep) ? real : undefined
  } catch {
    return undefined
  }
}

function openFile(path: string): Content | 'folder' | undefined {
  let fd: number | undefined
  try {
    const stats = statSync(path)
    if (stats.isDirectory()) return 'folder'
    // A pipe would be waited for, and a device has no end.
    if (!stats.isFile()) return undefined
    fd = openSync(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0))
    const opened = fstatSync(fd)
    if (opened.isFile()) return content(fd, opened.size)
    closeSync(fd)
  } catch {
    if (fd !== undefined) closeSync(fd)
  }
  return undefined
}

function content(fd: number, size: number): Content {
  return {
    size,
    read(offset, into) {
      let done = 0
      try {
        while (done < into.length) {
          const got = readSync(fd, into, done, into.length - done, offset + done)
          if (got === 0) break
          done += got
        }
      } catch {
        // The disk failed under it: zeros, as of what is past the end.
      }
      into.fill(0, done)
    },
    close: () => closeSync(fd),
  }
}

function names(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .slice(0, MOST_NAMES)
      .map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name))
      .sort((a, b) => (a < b ? -1 : 1))
  } catch {
    return []
  }
}
