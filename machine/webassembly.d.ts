/** What this project uses of WebAssembly's JavaScript interface; TypeScript has it only in its browser libraries. */
declare namespace WebAssembly {
  class Memory {
    constructor(descriptor: { initial: number; maximum?: number; shared?: boolean })
    readonly buffer: ArrayBuffer
  }
  class Module {
    constructor(bytes: Uint8Array)
  }
  function compile(bytes: Uint8Array): Promise<Module>
  class Instance {
    constructor(module: Module, imports: { [module: string]: { [name: string]: unknown } })
    readonly exports: { [name: string]: unknown }
  }
}
