/**
 * Clusters in a file of the host's folder for temporary files: what an overlay does not keep in memory. The file has no
 * name any more once it is open, so nothing is left of it when the process ends, however it does.
 */
import { randomUUID } from 'node:crypto'
import { closeSync, openSync, readSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { F_DUPFD_CLOEXEC, libc } from '../host/libc.js'
import { MediumError } from './block-device.js'

/** Free space of the folder that is left to others, and how much is written between two looks at it. */
const KEPT_FREE = 256 << 20
const LOOK_EVERY = 16 << 20

/** Where a cluster stands: the file's descriptor, which the threads of a process share, and the offset. */
export interface StoredCluster {
  readonly fd: number
  readonly offset: number
}

export class ClusterFile {
  private fd = -1
  private size = 0
  private looked = 0

  constructor(
    private readonly clusterSize: number,
    private readonly folder = tmpdir(),
  ) {}

  /** Adds a cluster. Throws a MediumError where there is no room for it. */
  add(cluster: Uint8Array): StoredCluster {
    this.open()
    const stored = { fd: this.fd, offset: this.size }
    this.write(stored, 0, cluster)
    this.size += this.clusterSize
    return stored
  }

  /** Writes into a cluster that was added here. */
  write({ fd, offset }: StoredCluster, start: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      try {
        done += writeSync(fd, bytes, done, bytes.length - done, offset + start + done)
      } catch (error) {
        throw new MediumError(`cannot write to the folder for temporary files ${this.folder}: ${why(error)}`)
      }
    }
  }

  /**
   * The same file under a descriptor that outlives this thread, for whoever is given a snapshot; `libc` closes it.
   * Undefined where the host has no such thing.
   */
  duplicate(): number | undefined {
    if (process.platform !== 'linux') return undefined
    const fd = libc().fcntl(this.fd, F_DUPFD_CLOEXEC, 0)
    if (fd < 0) throw new MediumError(`too many open files for a snapshot of a changed medium; raise ulimit -n`)
    return fd
  }

  close(): void {
    if (this.fd >= 0) closeSync(this.fd)
    this.fd = -1
    this.size = this.looked = 0
  }

  private open(): void {
    const { folder } = this
    if (this.fd < 0) {
      const path = join(folder, `bootwright-overlay-${randomUUID()}`)
      try {
        this.fd = openSync(path, 'wx+', 0o600)
        rmSync(path, { force: true })
      } catch (error) {
        throw new MediumError(`cannot make a file in the folder for temporary files ${folder}: ${why(error)}`)
      }
    }
    if (this.size < this.looked) return
    this.looked = this.size + LOOK_EVERY
    const { bavail, bsize } = statfsSync(folder)
    if (bavail * bsize >= KEPT_FREE) return
    this.looked = this.size
    throw new MediumError(
      `the folder for temporary files ${folder} has less than ${KEPT_FREE >> 20} MiB left; ` +
        'make room there, or name another one with TMPDIR',
    )
  }
}

export function readStored({ fd, offset }: StoredCluster, start: number, into: Uint8Array): void {
  for (let done = 0; done < into.length; ) {
    const count = readSync(fd, into, done, into.length - done, offset + start + done)
    if (count === 0) throw new MediumError('a file with changes of a medium has become shorter while in use')
    done += count
  }
}

function why(error: unknown): string {
  return (error as Error).message
}
