/**
 * Snapshots as the rest of the harness holds them: a machine at one moment, from which it goes on again, or any number
 * of others like it. The memory is shared with all of them, page by page, until one writes.
 */
import { layerBytes } from '../../machine/media/overlay.js'
import { filesOf } from '../../machine/state/machine-state.js'
import { closeLayer, imageBytes } from '../../machine/state/memory-image.js'
import { SnapshotError } from '../../machine/state/snapshot-error.js'
import type { SnapshotParts } from '../protocol/snapshot-parts.js'

/** Good in the process that made it, until it is released, whatever becomes of the machine it was made of. */
export interface Snapshot {
  readonly id: number
  readonly guestTimeNs: number
  /** Retired instructions; 0 under kvm. */
  readonly instructions: number
  /** Memory and changes of media that it holds, some of which it may share with other snapshots. */
  readonly bytes: number
  /** Lets go of the memory. Using it afterwards is a SnapshotError; a second time does nothing. */
  release(): void
}

const kept = new Map<number, SnapshotParts>()
let lastId = 0

/** @param released Called once, when it is. */
export function keepSnapshot(parts: SnapshotParts, released: () => void = () => {}): Snapshot {
  const id = ++lastId
  const { time, memory, media } = parts.state
  const files = filesOf(parts.state)
  kept.set(id, parts)
  retainFiles(files)
  const changes = Object.values(media).flatMap((image) => image?.layers.map((layer) => layerBytes(layer, image)) ?? [])
  return {
    id,
    guestTimeNs: time.ns,
    instructions: (time.counts.retired as number | undefined) ?? 0,
    bytes: imageBytes(memory) + changes.reduce((sum, bytes) => sum + bytes, 0),
    release() {
      if (!kept.delete(id)) return
      releaseFiles(files)
      released()
    },
  }
}

/** Throws a SnapshotError when it was released, or belongs to another process. */
export function partsOf(snapshot: Snapshot): SnapshotParts {
  const parts = kept.get(snapshot.id)
  if (parts) return parts
  throw new SnapshotError(
    `snapshot ${snapshot.id} was released, or is of another process; make one again, or write it to a file`,
  )
}

// A file is open while a snapshot or a machine needs it. Machines' threads only borrow them: a thread may be ended by
// force.
const owners = new Map<number, number>()

export function retainFiles(files: readonly number[]): void {
  for (const fd of files) owners.set(fd, (owners.get(fd) ?? 0) + 1)
}

export function releaseFiles(files: readonly number[]): void {
  for (const fd of files) {
    const left = (owners.get(fd) ?? 1) - 1
    if (left > 0) owners.set(fd, left)
    else {
      owners.delete(fd)
      closeLayer({ fd })
    }
  }
}

/** @internal For tests: files that are open. */
export function openLayers(): number {
  return owners.size
}
