/**
 * The table of regions. Only one small function uses it: the core and the regions enter regions through that one. V8 keeps a copy
 * of a table for each module that imports it, which for hundreds of modules would be most of what they take.
 */
import { INDEX, REGION_TYPES } from './frame.js'
import { Code, moduleBytes } from './wasm.js'

// Node's types have no more of WebAssembly than a memory and modules.
interface Table {
  readonly length: number
  grow(by: number): number
  set(index: number, value: unknown): void
}
const { Table } = WebAssembly as unknown as {
  Table: new (limits: { element: 'anyfunc'; initial: number }) => Table
}

const STEP = 256

let compiled: WebAssembly.Module | undefined

/** For each type of regions a function that goes on in the region whose number it is given. */
function enterModule(): WebAssembly.Module {
  const bodies = REGION_TYPES.map(({ parameters }, type) => {
    const code = new Code(parameters.length)
    for (let i = 0; i < parameters.length; i++) code.get(i)
    code.get(INDEX).returnCallIndirect(type)
    return code.body(type)
  })
  compiled ??= new WebAssembly.Module(
    moduleBytes({ types: REGION_TYPES, functions: [], globals: [], table: true, bodies }),
  )
  return compiled
}

export class RegionTable {
  private readonly table = new Table({ element: 'anyfunc', initial: STEP })
  /** What enters regions of the two REGION_TYPES. */
  readonly enter: unknown
  readonly enterLong: unknown
  /** The first index that is free; none is 0. */
  free = 1

  constructor() {
    const { exports } = new WebAssembly.Instance(enterModule(), { env: { table: this.table } })
    this.enter = exports['0']
    this.enterLong = exports['1']
  }

  add(region: unknown): void {
    if (this.free === this.table.length) this.table.grow(STEP)
    this.table.set(this.free++, region)
  }

  clear(): void {
    for (let i = 1; i < this.free; i++) this.table.set(i, null)
    this.free = 1
  }
}
