/**
 * Images as they are published: packed with xz, gzip, Zstandard, or in a zip. They are unpacked as they stream. The libraries
 * are loaded when they are needed.
 */
import { extname } from 'node:path'
import { Readable } from 'node:stream'
import { ReadableStream } from 'node:stream/web'
import { createGunzip } from 'node:zlib'
import { HostError } from '../../machine/errors.js'

export type Packing = 'xz' | 'gz' | 'zst' | 'zip'

/** What is packed is damaged, or not what was looked for; the message is one sentence. */
export class UnpackError extends HostError {
  override readonly name = 'UnpackError'
}

const PACKINGS: { readonly [extension: string]: Packing } = {
  '.xz': 'xz',
  '.gz': 'gz',
  '.zst': 'zst',
  '.zip': 'zip',
}
/** What in a zip is an image, when it does not say which. */
const IMAGE = /\.(img|ima|iso|dsk|vfd|flp|raw|bin|qcow2|vmdk|vdi|vhdx?|elf)$/i

/** By a file's name; undefined for one that is not packed. */
export function packingOf(name: string): Packing | undefined {
  return PACKINGS[extname(name).toLowerCase()]
}

/** The name without the packing's ending. */
export function unpackedName(name: string): string {
  return packingOf(name) ? name.slice(0, -extname(name).length) : name
}

/**
 * @param name Of what is packed, for errors.
 * @param member The file's path in a zip; default the only image in it.
 */
export async function* unpacked(
  packed: AsyncIterable<Uint8Array>,
  packing: Packing,
  name: string,
  member?: string,
): AsyncGenerator<Uint8Array> {
  try {
    yield* unpackers[packing](packed, name, member)
  } catch (error) {
    // The host's own errors, as of a disk, and those of who gives the stream have words already.
    if ((error as { kind?: string }).kind || /^E[A-Z]+$/.test((error as NodeJS.ErrnoException).code ?? '')) throw error
    throw new UnpackError(`${name} cannot be unpacked: ${(error as Error).message}; fetch it again`)
  }
}

type Unpacker = (packed: AsyncIterable<Uint8Array>, name: string, member?: string) => AsyncIterable<Uint8Array>

const unpackers: { readonly [packing in Packing]: Unpacker } = {
  gz: async function* gz(packed) {
    const gunzip = createGunzip()
    const source = Readable.from(packed)
    source.on('error', (error) => gunzip.destroy(error))
    yield* source.pipe(gunzip)
  },
  xz: async function* unxz(packed) {
    const { default: xz } = await import('xz-decompress')
    const stream = ReadableStream.from(packed) as unknown as globalThis.ReadableStream<Uint8Array>
    yield* new xz.XzReadableStream(stream) as unknown as AsyncIterable<Uint8Array>
  },
  zst: async function* zst(packed) {
    const { Decompress } = await import('fzstd')
    const ready: Uint8Array[] = []
    const decoder = new Decompress((chunk) => ready.push(chunk.slice()))
    let any = false
    for await (const chunk of packed) {
      any = true
      decoder.push(chunk)
      yield* ready.splice(0)
    }
    if (!any) throw new Error('it is empty')
    decoder.push(new Uint8Array(), true)
    yield* ready
  },
  zip: async function* zip(packed, name, member) {
    const { Unzip, UnzipInflate } = await import('fflate')
    const ready: Uint8Array[] = []
    const found: string[] = []
    let failed: Error | undefined
    const reader = new Unzip((file) => {
      const wanted = member === undefined ? IMAGE.test(file.name) : file.name === member
      if (!wanted) return
      found.push(file.name)
      if (found.length > 1) return
      file.ondata = (error, chunk) => {
        if (error) failed ??= error
        else ready.push(chunk.slice())
      }
      file.start()
    })
    reader.register(UnzipInflate)
    for await (const chunk of packed) {
      reader.push(chunk)
      if (failed) throw failed
      if (found.length > 1)
        throw new UnpackError(`${name} has several images (${found.join(', ')}); say which one is meant`)
      yield* ready.splice(0)
    }
    reader.push(new Uint8Array(), true)
    if (failed) throw failed
    if (found.length === 0) throw new UnpackError(`${name} has no ${member ?? 'image'} in it`)
    yield* ready
  },
}
