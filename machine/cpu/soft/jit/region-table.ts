/**
 * The table of regions. Only one small function uses it: the core and the regions enter regions through that one. V8 keeps a copy
 * of a table for each module that imports it, which for hundreds of modules would be most of what they take.
 */
import { PARAMETERS } from './frame.js'
import { Code, type FunctionType, I32, moduleBytes } from './wasm.js'

export const REGION_TYPE: FunctionType = { parameters: PARAMETERS, results: [I32] }
/** A region's parameters, and where it stands in the table. */
export const ENTER_TYPE: FunctionType = { parameters: [...PARAMETERS, I32], results: [I32] }

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

function enterModule(): WebAssembly.Module {
  const code = new Code(ENTER_TYPE.parameters.length)
  for (let i = 0; i < ENTER_TYPE.parameters.length; i++) code.get(i)
  code.returnCallIndirect(0)
  const body = code.body(new Code(0))
  compiled ??= new WebAssembly.Module(
    moduleBytes({ types: [REGION_TYPE, ENTER_TYPE], functions: [], globals: [], table: true, bodies: [body], type: 1 }),
  )
  return compiled
}

export class RegionTable {
  private readonly table = new Table({ element: 'anyfunc', initial: STEP })
  /** What calls the region at an index; of ENTER_TYPE. */
  readonly enter: unknown
  /** The first index that is free; none is 0. */
  free = 1

  constructor() {
    this.enter = new WebAssembly.Instance(enterModule(), { env: { table: this.table } }).exports['0']
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
