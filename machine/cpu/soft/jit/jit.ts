/**
 * Compiles what the core asks for: the blocks in its queue and those that they lead to become regions, several regions a
 * module, whose functions stand in the core's table. When something is compiled never changes what the guest does.
 */
import { setFlagsFromString } from 'node:v8'
import * as at from '../layout.js'
import { handlerTable } from '../opcode-table.js'
import { leadsAnywhere, pageOf, successors } from './flow.js'
import {
  type CodePage,
  IMPORTS,
  LONG_REGION_TYPE,
  REGION_TYPE,
  REGION_TYPES,
  type RegionMode,
  regionKey,
} from './frame.js'
import { type Block, readBlock } from './ops.js'
import { type Beside, compileRegion } from './region.js'
import type { RegionTable } from './region-table.js'
import { type FunctionType, I32, I64, moduleBytes } from './wasm.js'

interface Global {
  readonly value: number
}

/** The core's exports that compiled code works with. */
export interface JitCore {
  readonly tlbRead: Global
  readonly tlbGeneration: Global
  readonly poolGeneration: Global
  readonly TABLE_HASH: Global
  executeOp(op: number, block: number): number
  executeLast(op: number, block: number, needs: number): number
  storePlace(linear: bigint, size: number): number
  loadPlace(linear: bigint, size: number): number
  settleFlags(parked: number, a: bigint, b: bigint, stepped: bigint): void
  dropEverything(): void
}

/**
 * Entries of a block before it is compiled. A region takes a millisecond to make, in which some hundred thousand instructions
 * are interpreted: with 500 a boot of Debian took half as long again as with 6000.
 */
const DEFAULT_THRESHOLD = 6000
/** Ops of the largest region. */
const MOST_OPS = 600
/** And of one that several became that would have had blocks in common. */
const MOST_JOINED_OPS = 1200
/** Of its entries before it is compiled, a block must have had this share to be compiled along with one that leads to it. */
const WARM_SHARE = 16
/** How often the code of a page is compiled anew because more of it turned out to be hot. */
const MOST_COMPILATIONS = 6
/** Bytes of functions that are kept: many times as much is what V8 makes of them. */
const MOST_BYTES = 12 << 20
/** Ops of a function of another page that a region has a copy of, and of all such in a region. */
const MOST_COPIED = 24
const MOST_BESIDE = 96

const TAKES_HINTS = Number.parseInt(process.versions.v8, 10) >= 14

/**
 * V8 takes hints of how branches go by default from 14 on. Before, a flag says so, which is the whole process's: it is there
 * for no longer than the module is read, since code that V8 has kept is thrown away where flags are others than they were.
 */
function hinted(bytes: Uint8Array<ArrayBuffer>): WebAssembly.Module {
  if (TAKES_HINTS) return new WebAssembly.Module(bytes)
  setFlagsFromString('--experimental-wasm-branch-hinting')
  try {
    return new WebAssembly.Module(bytes)
  } finally {
    setFlagsFromString('--no-experimental-wasm-branch-hinting')
  }
}

/** Of a module's functions: first those of regions. */
const TYPES: readonly FunctionType[] = [
  ...REGION_TYPES,
  { parameters: [I32, I32], results: [I32] },
  { parameters: [I64, I32], results: [I32] },
  { parameters: [I32, I32, I32], results: [I32] },
  { parameters: [I32, I64, I64, I64], results: [] },
]
/** Of the functions in IMPORTS, in their order. */
const IMPORTED_TYPES = [2, 3, 3, 4, 5, REGION_TYPE, LONG_REGION_TYPE]

/** `BOOTWRIGHT_JIT`: `off`, or after how many entries a block is compiled. */
export function jitThreshold(value = process.env.BOOTWRIGHT_JIT): number {
  if (value === undefined || value === '' || value === 'on') return DEFAULT_THRESHOLD
  if (value === 'off') return 0
  const threshold = Number(value)
  if (Number.isInteger(threshold) && threshold >= 1 && threshold <= 1_000_000) return threshold
  throw new Error(`BOOTWRIGHT_JIT is "${value}": it is "off" or a number of entries from 1 to 1000000`)
}

/** Blocks of a page that become one region. */
interface Planned {
  readonly blocks: readonly Block[]
  readonly mode: RegionMode
}

export class Jit {
  private readonly view: DataView
  private generation: number
  private readonly able: boolean
  private bytes = 0
  private readonly compilations = new Map<string, number>()
  /** The modules' memory is full: everything goes when the core rests. */
  private full = false

  constructor(
    private readonly memory: WebAssembly.Memory,
    private readonly core: JitCore,
    private readonly table: RegionTable,
    threshold: number,
  ) {
    this.view = new DataView(memory.buffer)
    // An older core, which BOOTWRIGHT_CORE may name, knows of no compiled code.
    this.able = core.settleFlags !== undefined
    this.generation = core.poolGeneration?.value
    this.view.setUint32(at.JIT_THRESHOLD, this.able ? threshold : 0, true)
  }

  /** How many regions there are. */
  get regions(): number {
    return this.table.free - 1
  }

  /** Compiles what waits. The core is between two blocks. */
  compile(): void {
    if (this.core.poolGeneration.value !== this.generation) this.forget()
    if (this.full) return
    const { view } = this
    // Another core's ops (BOOTWRIGHT_CORE) cannot be read. Asked for late: the table takes some milliseconds to make.
    if (this.core.TABLE_HASH.value !== handlerTable().hash) {
      view.setUint32(at.JIT_THRESHOLD, 0, true)
      return
    }
    const count = view.getUint32(at.JIT_QUEUED, true)
    const queue = Array.from({ length: count }, (_, i) => view.getUint32(at.JIT_QUEUE + i * 4, true))
    const regions = this.regionsOf(queue)
    const bodies = regions.map(({ blocks, mode }, i) =>
      compileRegion(blocks, this.beside(blocks, mode), mode, this.table.free + i),
    )
    if (!bodies.length) return
    const bytes = moduleBytes({
      types: TYPES,
      functions: IMPORTS.functions.map((name, i) => ({ name, type: IMPORTED_TYPES[i] })),
      globals: IMPORTS.globals.map((name) => ({ name, type: I32 })),
      memory: true,
      bodies,
    })
    const { core, memory, table } = this
    const { executeOp, storePlace, loadPlace, executeLast, settleFlags, tlbRead, tlbGeneration } = core
    const { exports } = new WebAssembly.Instance(hinted(bytes), {
      env: {
        memory,
        executeOp,
        storePlace,
        loadPlace,
        executeLast,
        settleFlags,
        enterRegion: table.enter,
        enterLongRegion: table.enterLong,
        tlbRead,
        tlbGeneration,
      },
    })
    const first = table.free
    for (const i of bodies.keys()) table.add(exports[i])
    this.bytes += bytes.length
    if (this.bytes > MOST_BYTES) this.full = true
    for (const [i, { blocks, mode }] of regions.entries()) {
      for (const [entry, { address }] of blocks.entries()) {
        view.setUint32(address + at.BLOCK_JIT, first + i, true)
        view.setUint32(address + at.BLOCK_ENTRY, entry | (regionKey(mode) << 16), true)
        view.setUint32(address + at.BLOCK_HEAT, 0, true)
      }
    }
  }

  /**
   * What becomes of blocks that wait. Where the bytes of a block change, its own region alone is forgotten: so no two have the same
   * block. Those that would become one, or the one that came later stands where that would be too large.
   */
  private regionsOf(queue: readonly number[]): Planned[] {
    const { view } = this
    let regions: Planned[] = []
    for (const address of queue) {
      const blockMode = view.getUint32(address + at.BLOCK_MODE, true)
      if (blockMode === at.BLOCK_DROPPED || view.getUint32(address + at.BLOCK_JIT, true)) continue
      if (regions.some(({ blocks }) => blocks.some((block) => block.address === address))) continue
      const mode = this.modeOf(blockMode)
      const blocks = this.gather(address, mode, queue)
      // Another block stands for the same bytes: it would be asked for at every entry.
      if (!blocks.length) {
        view.setUint32(address + at.BLOCK_HEAT, at.NEVER_HOT, true)
        continue
      }
      const taken = new Set(blocks.map((block) => block.address))
      const others = regions.filter((region) => region.blocks.some((block) => taken.has(block.address)))
      regions = regions.filter((region) => !others.includes(region))
      const more = others.flatMap((other) => other.blocks).filter((block) => !taken.has(block.address))
      if (opsOf(blocks) + opsOf(more) <= MOST_JOINED_OPS) blocks.push(...more)
      else for (const block of more) this.forgetRegion(block.address)
      regions.push({ blocks: blocks.sort((a, b) => a.offset - b.offset), mode })
    }
    return regions
  }

  /** The block belongs to no region: it is compiled when it was entered as often again. */
  private forgetRegion(address: number): void {
    this.view.setBigUint64(address + at.BLOCK_JIT, 0n, true)
    this.view.setUint32(address + at.BLOCK_HEAT, this.view.getUint32(at.JIT_THRESHOLD, true), true)
  }

  /** The core rests: what takes too much room goes. */
  rest(): void {
    if (!this.able) return
    if (this.full) this.core.dropEverything()
    if (this.core.poolGeneration.value !== this.generation) this.forget()
  }

  /** The core runs no more: nothing leads to the modules any longer. */
  close(): void {
    if (this.able) this.forget()
  }

  /** The pool was emptied: no block leads to a region any longer. */
  private forget(): void {
    this.table.clear()
    this.generation = this.core.poolGeneration.value
    this.bytes = 0
    this.full = false
    this.compilations.clear()
  }

  /** What holds now is taken to hold whenever the code is executed; where it does not, the interpreter is there. */
  private modeOf(mode: number): RegionMode {
    if (mode & at.MODE_CODE64) return { mode, needs: 0 }
    const flat = this.view.getUint32(at.FLAT_DATA, true) & at.FLAT_SEGMENTS
    return { mode, needs: flat ? at.FLAT_SEGMENTS | at.FLAT_UPPER_CLEAR : at.FLAT_UPPER_CLEAR }
  }

  /** The blocks of a page by their offsets in it. */
  private decodedIn(page: number, mode: number): Map<number, number> {
    const { view } = this
    const decoded = new Map<number, number>()
    // What was not executed yet is to be told when it is.
    const watches = view.getUint32(at.COVERAGE, true) !== 0
    for (let b = view.getUint32(at.PAGE_BLOCKS + page * 4, true); b; b = view.getUint32(b + at.BLOCK_PAGE_NEXT, true)) {
      const isKnown = !watches || view.getUint32(b + at.BLOCK_SEEN, true) === view.getUint32(b + at.BLOCK_COUNT, true)
      if (
        isKnown &&
        view.getUint32(b + at.BLOCK_MODE, true) === mode &&
        !(view.getUint32(b + at.BLOCK_SOUGHT, true) & at.SOUGHT_WATCHED)
      )
        decoded.set(view.getUint32(b + at.BLOCK_PHYS, true) & 0xfff, b)
    }
    return decoded
  }

  /** What the jump cache has for a linear address, or 0: a hint. */
  private cached(linear: bigint): number {
    const slot = at.JUMP_CACHE + Number((linear ^ (linear >> 13n)) & 0x1fffn) * 16
    return this.view.getBigUint64(slot, true) === linear ? this.view.getUint32(slot + 8, true) : 0
  }

  /** Short functions of other pages to which the blocks of a region lead. */
  private beside(own: readonly Block[], { mode }: RegionMode): Beside {
    const { view } = this
    const blocks = new Map<number, Block>()
    const pages = new Map<string, number>()
    const code = new Map<number, CodePage>()
    const led = new Map<number, number>()
    const learn = (page: number) => {
      const map = view.getUint32(at.PAGE_CODE_MAP + page * 4, true)
      code.set(page, { map, version: view.getUint32(map + at.CODE_MAP_VERSION, true) })
    }
    let room = MOST_BESIDE
    /** Takes the function that begins with the block at `address`; false where it is none of another page, or too long. */
    const take = (address: number): boolean => {
      const phys = view.getUint32(address + at.BLOCK_PHYS, true)
      if (phys >>> 12 === own[0].page || view.getUint32(address + at.BLOCK_MODE, true) !== mode) return false
      if (blocks.has(phys)) return true
      const decoded = this.decodedIn(phys >>> 12, mode)
      const taken = new Map<number, Block>()
      const waiting = [phys & 0xfff]
      let ops = 0
      for (let offset = waiting.shift(); offset !== undefined; offset = waiting.shift()) {
        const found = decoded.get(offset)
        if (found === undefined || taken.has(offset)) continue
        const block = readBlock(view, found)
        ops += block.ops.length
        if (ops > Math.min(MOST_COPIED, room)) return false
        taken.set(offset, block)
        waiting.push(...successors(block))
      }
      if (!taken.size) return false
      room -= ops
      for (const block of taken.values()) blocks.set(block.phys, block)
      learn(phys >>> 12)
      return true
    }
    learn(own[0].page)
    for (const block of own) {
      for (const target of successors(block)) {
        const [away] = pageOf(target)
        const address = away && this.cached(BigInt.asUintN(64, block.linear + BigInt(target - block.offset)))
        if (!address || !take(address)) continue
        const page = view.getUint32(address + at.BLOCK_PHYS, true) >>> 12
        pages.set(`${block.page}:${away}`, page)
        pages.set(`${page}:${-away}`, block.page)
      }
      const address = leadsAnywhere(block) && view.getUint32(block.address + at.BLOCK_LED, true)
      if (address && take(address)) led.set(block.address, view.getUint32(address + at.BLOCK_PHYS, true))
    }
    const sorted = [...blocks.values()].sort((a, b) => a.phys - b.phys)
    return { blocks: sorted, pages, code, led }
  }

  /** The blocks of the page that `start` leads to, in the order of their addresses. */
  private gather(start: number, { mode }: RegionMode, queue: readonly number[]): Block[] {
    const { view } = this
    const threshold = view.getUint32(at.JIT_THRESHOLD, true)
    const cold = threshold - Math.floor(threshold / WARM_SHARE)
    const page = view.getUint32(start + at.BLOCK_PHYS, true) >>> 12
    const key = `${page}:${mode}`
    const times = this.compilations.get(key) ?? 0
    this.compilations.set(key, times + 1)
    const decoded = this.decodedIn(page, mode)
    const blocks = new Map<number, Block>()
    const blockAt = (offset: number): Block | undefined => {
      const address = decoded.get(offset)
      let block = blocks.get(offset)
      if (!block && address !== undefined) {
        block = readBlock(view, address)
        blocks.set(offset, block)
      }
      return block
    }
    const taken = new Map<number, Block>()
    const replaced = new Set<number>()
    let ops = 0
    /** `first` and what it leads to; true where a branch may lead anywhere. */
    const take = (first: number): boolean => {
      let anywhere = false
      const waiting = [first]
      for (let offset = waiting.shift(); offset !== undefined; offset = waiting.shift()) {
        const address = decoded.get(offset)
        if (address === undefined || taken.has(offset)) continue
        if (view.getUint32(address + at.BLOCK_HEAT, true) > cold && !queue.includes(address)) continue
        const region = view.getUint32(address + at.BLOCK_JIT, true)
        if (region) {
          if (times >= MOST_COMPILATIONS) continue
          replaced.add(region)
        }
        const block = blockAt(offset) as Block
        if (taken.size && ops + block.ops.length > MOST_OPS) continue
        ops += block.ops.length
        taken.set(offset, block)
        waiting.push(...successors(block))
        anywhere ||= leadsAnywhere(block)
      }
      return anywhere
    }
    if (take(view.getUint32(start + at.BLOCK_PHYS, true) & 0xfff)) {
      // An indirect branch may have led to those to which nothing else is known to lead.
      const led = new Set([...decoded.keys()].flatMap((offset) => successors(blockAt(offset) as Block)))
      for (const offset of decoded.keys()) if (!led.has(offset)) take(offset)
    }
    // A function holds only as long as all its blocks do: what its successor has not, goes.
    for (const [offset, address] of decoded) {
      if (taken.has(offset) || !replaced.has(view.getUint32(address + at.BLOCK_JIT, true))) continue
      this.forgetRegion(address)
    }
    return [...taken.values()].sort((a, b) => a.offset - b.offset)
  }
}

const opsOf = (blocks: readonly Block[]) => blocks.reduce((sum, { ops }) => sum + ops.length, 0)
