/** Two states side by side: a hash of all there is, and where they differ. For tests and for replays. */
import { createHash, type Hash } from 'node:crypto'
import type { StateValue } from '../device.js'
import { clustersOf } from '../media/overlay.js'
import { encodeState } from './encode.js'
import type { MachineState } from './machine-state.js'
import { PAGE, readPages, stretches } from './memory-image.js'

/** SHA-256 of registers, devices, clock, memory and media: equal states give equal hashes, however they were made. */
export function hashState(state: MachineState): string {
  const hash = hashParts(state)
  forEachPage(state, (page, bytes) => hash.update(`${page}\n`).update(bytes))
  return hash.digest('hex')
}

/** The same without the memory, and not finished. */
export function hashParts(state: MachineState): Hash {
  const hash = createHash('sha256')
  for (const [name, value] of parts(state)) hash.update(`${name}\n`).update(encodeState(value))
  for (const [slot, image] of Object.entries(state.media).sort()) {
    hash.update(`${slot}\n`)
    if (!image) continue
    const { indexes, read } = clustersOf(image)
    hash.update(new Uint8Array(indexes.buffer, indexes.byteOffset, indexes.byteLength))
    for (let n = 0; n < indexes.length; n++) hash.update(read(n))
  }
  return hash
}

/** Names of the parts that differ: `cpu0.rip`, `devices.isa-fdc.phase`, `memory page 16`; at most `limit` of them. */
export function differences(one: MachineState, other: MachineState, limit = 20): string[] {
  const found: string[] = []
  const b = new Map(parts(other))
  for (const [name, value] of parts(one)) compare(name, value, b.get(name), found)
  const pages = new Map<number, Buffer>()
  forEachPage(other, (page, bytes) => pages.set(page, Buffer.from(bytes)))
  forEachPage(one, (page, bytes) => {
    if (!pages.get(page)?.equals(bytes)) found.push(`memory page ${page}`)
    pages.delete(page)
  })
  for (const page of pages.keys()) found.push(`memory page ${page}`)
  return found.slice(0, limit)
}

function parts(state: MachineState): [name: string, value: StateValue][] {
  return [
    ['time', { ...state.time }],
    ...state.cpus.map((cpu, i): [string, StateValue] => [`cpu${i}`, cpu as unknown as StateValue]),
    ['clock', state.clock],
    ['devices', state.devices],
    ['machine', state.machine],
  ]
}

function compare(name: string, a: StateValue | undefined, b: StateValue | undefined, found: string[]): void {
  if (Object.is(a, b)) return
  const isRecord = (value: unknown) => typeof value === 'object' && value !== null && !(value instanceof Uint8Array)
  if (isRecord(a) && isRecord(b)) {
    const [x, y] = [a, b] as { [key: string]: StateValue }[]
    for (const key of new Set([...Object.keys(x), ...Object.keys(y)])) compare(`${name}.${key}`, x[key], y[key], found)
  } else if (!Buffer.from(encodeState(a as StateValue)).equals(encodeState(b as StateValue))) found.push(name)
}

/** Pages with something in them. */
function forEachPage({ memory }: MachineState, visit: (page: number, bytes: Uint8Array) => void): void {
  const bytes = Buffer.alloc(PAGE)
  for (const { page, count, layer } of stretches(memory)) {
    for (let i = page; i < page + count; i++) {
      readPages(layer, i, bytes)
      if (bytes.some((byte) => byte !== 0)) visit(i, bytes)
    }
  }
}
