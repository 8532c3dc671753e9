/**
 * A folder of the host that a guest reads: everything in it and nothing else. A path goes down name by name, each opened in
 * the folder before it and none of them followed where it is a symbolic link, so neither a link nor one that is put in
 * place meanwhile leads out.
 */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  type Stats,
  statSync,
} from 'node:fs'
import { UsageError } from '../errors.js'

/** `path`: names from the shared folder down. */
export interface SharedFolder {
  look(path: readonly string[]): SharedFile
  /** Names, sorted. */
  list(path: readonly string[]): string[]
  /** Fills as much of `into` as there is; how much that was. */
  read(path: readonly string[], offset: number, into: Uint8Array): number
  readLink(path: readonly string[]): string
}

export interface SharedFile {
  kind: 'file' | 'folder' | 'link' | 'other'
  /** Permission bits. */
  mode: number
  size: number
}

/** What the guest asked for is not there, or not to be had: an error number of Linux's. */
export class SharedError extends Error {
  constructor(readonly errno: number) {
    super(`error ${errno}`)
  }
}

export const ENOENT = 2
export const EIO = 5
export const EACCES = 13
export const ENOTDIR = 20
export const EINVAL = 22
const ELOOP = 40

const NUMBERS: { readonly [code: string]: number } = {
  ENOENT,
  EACCES,
  ENOTDIR,
  EINVAL,
  ELOOP,
  EPERM: 1,
  ENAMETOOLONG: 36,
}

const DEEPEST = 256

/** Throws a UsageError where it is none. */
export function openSharedFolder(root: string): SharedFolder {
  const stats = statSync(root, { throwIfNoEntry: false })
  if (!stats?.isDirectory())
    throw new UsageError(
      `the shared folder ${JSON.stringify(root)} ${stats ? 'is no folder' : 'does not exist'}; name one that is there`,
    )
  return new HostFolder(root)
}

const FOLDER = constants.O_RDONLY | (constants.O_DIRECTORY ?? 0) | (constants.O_NOFOLLOW ?? 0)
const FILE = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)

class HostFolder implements SharedFolder {
  constructor(private readonly root: string) {}

  look(path: readonly string[]): SharedFile {
    return this.inside(path, (place) => describe(lstatSync(place)))
  }

  list(path: readonly string[]): string[] {
    return this.inside([...path, '.'], (place) => readdirSync(place).sort())
  }

  read(path: readonly string[], offset: number, into: Uint8Array): number {
    return this.inside(path, (place) => {
      if (!lstatSync(place).isFile()) throw new SharedError(EACCES)
      const fd = openSync(place, FILE)
      try {
        if (!fstatSync(fd).isFile()) throw new SharedError(EACCES)
        let done = 0
        while (done < into.length) {
          const count = readSync(fd, into, done, into.length - done, offset + done)
          if (count === 0) break
          done += count
        }
        return done
      } finally {
        closeSync(fd)
      }
    })
  }

  readLink(path: readonly string[]): string {
    return this.inside(path, (place) => readlinkSync(place))
  }

  /** With a path of the host's to the last name that goes through no link: all folders before it are open. */
  private inside<T>(path: readonly string[], action: (place: string) => T): T {
    if (path.length > DEEPEST) throw new SharedError(EINVAL)
    const open: number[] = []
    try {
      open.push(openSync(this.root, FOLDER & ~(constants.O_NOFOLLOW ?? 0)))
      const names = path.filter((name) => name !== '.')
      const folders = path.at(-1) === '.' ? names : names.slice(0, -1)
      for (const name of folders) open.push(openSync(below(open[open.length - 1], checked(name)), FOLDER))
      const last = folders.length < names.length ? checked(names[names.length - 1]) : '.'
      return action(below(open[open.length - 1], last))
    } catch (error) {
      if (error instanceof SharedError) throw error
      throw new SharedError(NUMBERS[(error as NodeJS.ErrnoException).code ?? ''] ?? EIO)
    } finally {
      for (const fd of open) closeSync(fd)
    }
  }
}

/** Linux's way to name what is in a folder that is open. */
function below(fd: number, name: string): string {
  return `/proc/self/fd/${fd}/${name}`
}

function checked(name: string): string {
  if (name === '' || name === '.' || name === '..' || /[/\0]/.test(name)) throw new SharedError(ENOENT)
  return name
}

function describe(stats: Stats): SharedFile {
  const kind = stats.isFile() ? 'file' : stats.isDirectory() ? 'folder' : stats.isSymbolicLink() ? 'link' : 'other'
  return { kind, mode: stats.mode & 0o777, size: kind === 'folder' ? 4096 : stats.size }
}
