/**
 * The changes of media in a snapshot file. The state says of each medium how large it and its clusters are; the clusters
 * follow in records (u32 which medium, by the names' order; then u32 number and contents of each), so that who writes or
 * reads them has never more of them in memory than an overlay keeps there.
 */
import type { State, StateValue } from '../device.js'
import { BlankMedium } from '../media/blank.js'
import { MediumError } from '../media/block-device.js'
import { clustersOf, Overlay, type OverlayImage } from '../media/overlay.js'
import { checkFields, damaged, integer, isRecord } from './fields.js'
import type { MachineState } from './machine-state.js'
import { closeLayer } from './memory-image.js'
import { SnapshotError } from './snapshot-error.js'

type Media = MachineState['media']

/** Contents of clusters in one record. */
const PIECE = 4 << 20
/** Longest record. */
export const MEDIA_PIECE = 2 * PIECE
const NUMBER = 4

/** For the state. */
export function describeMedia(media: Media): State {
  return Object.fromEntries(
    Object.entries(media).map(([slot, image]) => [slot, image && { size: image.size, clusterSize: image.clusterSize }]),
  )
}

/** The records. Each is good until the next is asked for. */
export function* mediaRecords(media: Media): Generator<Uint8Array> {
  for (const [number, slot] of Object.keys(media).sort().entries()) {
    const image = media[slot]
    if (!image) continue
    const { indexes, read } = clustersOf(image)
    const entry = NUMBER + image.clusterSize
    const atOnce = Math.floor(PIECE / image.clusterSize)
    const bytes = Buffer.alloc(NUMBER + atOnce * entry)
    bytes.writeUInt32LE(number)
    for (let first = 0; first < indexes.length; first += atOnce) {
      const count = Math.min(atOnce, indexes.length - first)
      for (let n = 0; n < count; n++) {
        bytes.writeUInt32LE(indexes[first + n], NUMBER + n * entry)
        bytes.set(read(first + n), NUMBER + n * entry + NUMBER)
      }
      yield bytes.subarray(0, NUMBER + count * entry)
    }
  }
}

export class MediaReader {
  private readonly overlays = new Map<string, Overlay>()
  private readonly slots: string[]
  private slot = 0
  private last = -1

  /**
   * @param media As the state says.
   * @param sizes Of the media of the machine, in bytes. Throws a SnapshotError where they are others.
   */
  constructor(
    private readonly media: State,
    sizes: { readonly [slot: string]: number },
  ) {
    this.slots = Object.keys(media).sort()
    for (const slot of this.slots) {
      const saved = media[slot]
      if (saved === null) continue
      checkFields(
        {
          clusterSize: { wanted: 'a power of two from 4096 to 65536', fits: isClusterSize },
          size: { wanted: `${sizes[slot]} bytes`, fits: (value) => value === sizes[slot] },
        },
        (isRecord(saved) ? saved : {}) as State,
        `media.${slot}`,
      )
      const { size, clusterSize } = saved as { size: number; clusterSize: number }
      this.overlays.set(slot, new Overlay(new BlankMedium(size), { clusterSize }))
    }
  }

  /** A record. Throws a SnapshotError, also where the host has no room for it. */
  add(record: Buffer): void {
    const number = record.length >= NUMBER ? record.readUInt32LE(0) : -1
    const slot = this.slots[number] ?? ''
    const overlay = this.overlays.get(slot)
    if (!overlay || number < this.slot) throw damaged('media', 'clusters are of a medium that is not there')
    if (number > this.slot) this.last = -1
    this.slot = number
    const { size, clusterSize } = overlay
    const entry = NUMBER + clusterSize
    if ((record.length - NUMBER) % entry !== 0) throw damaged(`media.${slot}`, 'a cluster is cut off')
    for (let at = NUMBER; at < record.length; at += entry) {
      const index = record.readUInt32LE(at)
      const offset = index * clusterSize
      if (index <= this.last || offset >= size) throw damaged(`media.${slot}`, 'its clusters are none of the medium')
      this.last = index
      const bytes = record.subarray(at + NUMBER, at + NUMBER + Math.min(clusterSize, size - offset))
      withRoom(() => overlay.write(offset, bytes))
    }
  }

  /** All that was read. Files of its layers belong to the caller. */
  done(): Media {
    const images: { [slot: string]: OverlayImage | null } = {}
    try {
      for (const slot of Object.keys(this.media))
        images[slot] = withRoom(() => this.overlays.get(slot)?.freeze() ?? null)
      return images
    } catch (error) {
      closeMedia(images)
      throw error
    } finally {
      this.drop()
    }
  }

  drop(): void {
    for (const overlay of this.overlays.values()) overlay.close()
    this.overlays.clear()
  }
}

/** Closes the files that a state's media stand on. */
export function closeMedia(media: Media): void {
  for (const image of Object.values(media)) for (const layer of image?.layers ?? []) closeLayer(layer)
}

function withRoom<T>(action: () => T): T {
  try {
    return action()
  } catch (error) {
    throw error instanceof MediumError ? new SnapshotError(`changes of a medium: ${error.message}`) : error
  }
}

function isClusterSize(value: StateValue | undefined): boolean {
  return integer(4096, 65536).fits(value) && Number.isInteger(Math.log2(value as number))
}
