/**
 * Where a Linux guest has loaded a kernel module: `struct module`, which is a part of the module itself, is looked for in the
 * range of addresses that x86-64 keeps for modules. No symbols of the kernel are needed, nor what it was configured with.
 * Source: Linux, Documentation/x86/x86_64/mm.rst; include/linux/module.h; include/linux/list.h.
 */
import { type Paging, type PhysicalView, readLinear, translate } from './linear-memory.js'
import type { ModulePlace } from './symbols/symbol-file.js'

/** From the lower begin that kernels without KASLR have. */
const MODULES = { low: 0xffffffffa0000000n, high: 0xffffffffff000000n }
const PAGE = 4096
const LINE = 64
/** Offsets in `struct module`. */
const AT = { state: 0, list: 8, name: 24 }
/** MODULE_STATE_UNFORMED, the last one; the module that is coming in has another already. */
const LAST_STATE = 3
/** Of the name, that are in one page with what is before them. */
const NEEDLE = LINE - AT.name

/** What is to be added to the addresses of each part that is there. */
export function findModules(
  wanted: readonly ModulePlace[],
  paging: Paging,
  memory: PhysicalView,
): Map<ModulePlace, bigint> {
  const found = new Map<ModulePlace, bigint>()
  const names = new Map(wanted.map(({ name }) => [name, Buffer.from(`${name}\0`).subarray(0, NEEDLE)]))
  for (let linear = MODULES.low; linear < MODULES.high && found.size < wanted.length; ) {
    const place = translate(linear, paging, memory)
    if (place.absent) {
      linear += place.length
      continue
    }
    const bytes = memory.bytes(place.physical, PAGE)
    const page = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    for (const [name, needle] of names)
      for (let at = page.indexOf(needle); at >= 0; at = page.indexOf(needle, at + 1)) {
        if (at < AT.name || (at - AT.name) % LINE !== 0) continue
        const start = linear + BigInt(at - AT.name)
        for (const one of wanted) {
          if (one.name !== name || found.has(one)) continue
          const slide = slideOf(one, start, (address, length) => readLinear(address, length, paging, memory))
          if (slide !== undefined) found.set(one, slide)
        }
      }
    linear += BigInt(PAGE)
  }
  return found
}

/** undefined: it is no `struct module` that is in the kernel's list. */
function slideOf(
  { name, bytes, pointer }: ModulePlace,
  start: bigint,
  read: (address: bigint, length: number) => Uint8Array,
): bigint | undefined {
  const struct = Buffer.from(read(start, bytes))
  if (!pointer || struct.length < Math.max(bytes, pointer.at + 8) || struct.readUInt32LE(AT.state) > LAST_STATE)
    return undefined
  if (!struct.subarray(AT.name).toString('latin1').startsWith(`${name}\0`)) return undefined
  const back = Buffer.from(read(struct.readBigUInt64LE(AT.list) + 8n, 8))
  if (back.length < 8 || back.readBigUInt64LE() !== start + BigInt(AT.list)) return undefined
  const slide = struct.readBigUInt64LE(pointer.at) - pointer.to
  // Each part begins on a page.
  return slide % BigInt(PAGE) === 0n ? slide : undefined
}
