/** The core's WebAssembly: where it is, and compiled once for all machines. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

let compiled: WebAssembly.Module | undefined
let compiling: Promise<WebAssembly.Module> | undefined

/** The core's module, compiled once in a thread, or in another thread and handed in by `useCore`. */
export function coreModule(): WebAssembly.Module {
  if (compiled) return compiled
  const file = coreFile()
  try {
    compiled = new WebAssembly.Module(readFileSync(file))
  } catch (error) {
    throw new Error(
      `the soft engine's core is missing or broken (${file}): run "npm run build". ${(error as Error).message}`,
    )
  }
  return compiled
}

/** For threads: what one has compiled (and V8 has optimised since) runs in all. */
export function useCore(module: WebAssembly.Module): void {
  compiled = module
}

/** The same, beside what this thread does; whoever wants it soon asks early. Rejects where there is no core. */
export async function compileCore(): Promise<WebAssembly.Module> {
  if (compiled) return compiled
  compiling ??= WebAssembly.compile(readFileSync(coreFile()))
  try {
    compiled = await compiling
    return compiled
  } finally {
    compiling = undefined
  }
}

/**
 * The environment variable BOOTWRIGHT_CORE names another wasm file than the
 * built one: a core under development, or an older one to compare with.
 */
function coreFile(): string {
  const here = fileURLToPath(import.meta.url)
  const built = here.endsWith('.ts')
    ? join(here, '../../../../dist/machine/cpu/soft/core.wasm')
    : join(here, '../core.wasm')
  return process.env.BOOTWRIGHT_CORE || built
}
