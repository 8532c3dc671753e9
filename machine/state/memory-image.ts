/**
 * The guest's memory at one moment, in layers that never change: a snapshot adds the pages that changed since the one
 * before. Plain data that crosses threads without a copy: a layer is a memfd, which the threads of a process know by
 * number, or shared memory where there are none.
 *
 * Whoever was given an image owns its new layers and closes them; see `GuestMemory`.
 */
import { ftruncateSync, readSync, writeSync } from 'node:fs'
import { libc, MFD_CLOEXEC } from '../host/libc.js'

export const PAGE = 4096

export interface MemoryLayer {
  /** The pages it holds, as pairs of first page and count in ascending order. */
  readonly runs: Uint32Array
  /** A memfd as long as the memory, each page in its place. */
  readonly fd?: number
  /** Without memfds: the pages of the runs one after the other. */
  readonly copy?: SharedArrayBuffer
}

export interface MemoryImage {
  /** Bytes, whole pages. */
  readonly size: number
  /** The oldest first; a later one covers those before. A page that no layer holds is all zeros. */
  readonly layers: readonly MemoryLayer[]
}

/** Pages of a layer. */
export function pagesOf({ runs }: MemoryLayer): number {
  let pages = 0
  for (let i = 1; i < runs.length; i += 2) pages += runs[i]
  return pages
}

/** Bytes that the image's layers hold. */
export function imageBytes(image: MemoryImage): number {
  return image.layers.reduce((sum, layer) => sum + pagesOf(layer) * PAGE, 0)
}

/** Closes the layer's file. Every mapping of it lives on. */
export function closeLayer({ fd }: Pick<MemoryLayer, 'fd'>): void {
  if (fd !== undefined) libc().close(fd)
}

/** A stretch of pages that one layer shows. */
export interface Stretch {
  page: number
  count: number
  layer: MemoryLayer
}

/** What the layers show together, in ascending order; pages that none holds are left out. */
export function stretches({ size, layers }: MemoryImage): Stretch[] {
  const owner = new Uint16Array(size / PAGE)
  layers.forEach(({ runs }, index) => {
    for (let i = 0; i < runs.length; i += 2) owner.fill(index + 1, runs[i], runs[i] + runs[i + 1])
  })
  const list: Stretch[] = []
  for (let page = 0; page < owner.length; ) {
    const index = owner[page]
    let end = page + 1
    while (end < owner.length && owner[end] === index) end++
    if (index > 0) list.push({ page, count: end - page, layer: layers[index - 1] })
    page = end
  }
  return list
}

/** Fills `into` with the stretch's pages from `from` on, a page number. */
export function readPages(layer: MemoryLayer, from: number, into: Uint8Array): void {
  if (layer.fd !== undefined) {
    for (let done = 0; done < into.length; ) {
      const count = readSync(layer.fd, into, done, into.length - done, from * PAGE + done)
      if (count === 0) throw new Error(`a memory image ended at page ${from}`)
      done += count
    }
    return
  }
  const { runs, copy } = layer
  let before = 0
  for (let i = 0; i < runs.length; i += 2) {
    const inside = from - runs[i]
    if (inside >= 0 && inside < runs[i + 1]) {
      into.set(new Uint8Array(copy as SharedArrayBuffer, (before + inside) * PAGE, into.length))
      return
    }
    before += runs[i + 1]
  }
  throw new Error(`page ${from} is not in its layer`)
}

/** Makes a layer of the pages that `runs` names, taken from `memory`, whose page 0 is the guest's. */
export function makeLayer(runs: Uint32Array, memory: Uint8Array, memfd: boolean): MemoryLayer {
  const pieces = []
  for (let i = 0; i < runs.length; i += 2)
    pieces.push({ page: runs[i], bytes: memory.subarray(runs[i] * PAGE, (runs[i] + runs[i + 1]) * PAGE) })
  return layerOf(pieces, memory.length, memfd)
}

/** Makes a layer piece by piece, in any order; of pages that come twice the last ones count. */
export class LayerBuilder {
  private readonly fd: number | undefined
  private readonly bytes: Uint8Array | undefined
  private readonly held: Uint8Array

  /** @param size of the memory, bytes. */
  constructor(
    readonly size: number,
    memfd: boolean,
  ) {
    this.held = new Uint8Array(size / PAGE)
    if (memfd) this.fd = openMemfd(size)
    else this.bytes = new Uint8Array(size)
  }

  /** Throws a RangeError where the pages are outside the memory. */
  add(page: number, bytes: Uint8Array): void {
    if (page * PAGE + bytes.length > this.size) throw new RangeError(`page ${page} is outside its memory`)
    this.held.fill(1, page, page + bytes.length / PAGE)
    if (this.fd !== undefined) writeAll(this.fd, bytes, page * PAGE)
    else this.bytes?.set(bytes, page * PAGE)
  }

  /** The layer is the caller's. */
  done(): MemoryLayer {
    const runs: number[] = []
    for (let page = 0; page < this.held.length; page++) {
      if (this.held[page] === 0) continue
      if (runs.length > 0 && runs[runs.length - 2] + runs[runs.length - 1] === page) runs[runs.length - 1]++
      else runs.push(page, 1)
    }
    const list = Uint32Array.from(runs)
    return this.fd === undefined ? makeLayer(list, this.bytes as Uint8Array, false) : { runs: list, fd: this.fd }
  }

  /** In place of `done`. */
  drop(): void {
    if (this.fd !== undefined) libc().close(this.fd)
  }
}

function openMemfd(size: number): number {
  const fd = libc().memfdCreate('bootwright', MFD_CLOEXEC)
  if (fd < 0) throw new Error(`memfd_create failed, errno ${libc().errno()}`)
  try {
    ftruncateSync(fd, size)
    return fd
  } catch (error) {
    libc().close(fd)
    throw error
  }
}

function writeAll(fd: number, bytes: Uint8Array, position: number): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at, position + at)
}

/** Makes a layer of a memory of `size` bytes; `pieces` are whole pages in ascending order. */
export function layerOf(
  pieces: readonly { page: number; bytes: Uint8Array }[],
  size: number,
  memfd: boolean,
): MemoryLayer {
  const runs = Uint32Array.from(pieces.flatMap(({ page, bytes }) => [page, bytes.length / PAGE]))
  if (!memfd) {
    const copy = new SharedArrayBuffer(pagesOf({ runs }) * PAGE)
    const into = new Uint8Array(copy)
    let at = 0
    for (const { bytes } of pieces) {
      into.set(bytes, at)
      at += bytes.length
    }
    return { runs, copy }
  }
  const fd = openMemfd(size)
  try {
    for (const { page, bytes } of pieces) writeAll(fd, bytes, page * PAGE)
  } catch (error) {
    libc().close(fd)
    throw error
  }
  return { runs, fd }
}
