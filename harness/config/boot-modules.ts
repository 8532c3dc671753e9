/** QEMU's habit for Multiboot kernels: what stands as the initrd is a list of modules, each with its arguments. */
import { closeSync, readSync } from 'node:fs'
import { findMultibootHeader, HEADER_SEARCH_BYTES } from '../../machine/firmware/multiboot.js'
import { openRegular } from '../../machine/media/regular-file.js'
import type { KernelConfig, ModuleConfig } from './machine-config.js'

/**
 * A kernel with its `initrd` taken apart into modules, where its image is a Multiboot one. Any other kernel is returned
 * as it is, and so is one whose image cannot be read: whoever opens it says so.
 */
export function withModules(kernel: KernelConfig): KernelConfig {
  const { initrd, ...rest } = kernel
  if (initrd === undefined || !isMultiboot(kernel.path)) return kernel
  return { ...rest, modules: [...(kernel.modules ?? []), ...parseModules(initrd)] }
}

/**
 * `vmlinuz console=hvc0,initrd.gz`: commas part the modules, and a module's file ends at its first space. A comma
 * doubled stands for itself.
 */
export function parseModules(text: string): ModuleConfig[] {
  const parts = text.replaceAll(',,', '\0').split(',')
  return parts.map((part) => {
    const [path, ...append] = part.replaceAll('\0', ',').trim().split(' ')
    return append.length === 0 ? { path } : { path, append: append.join(' ') }
  })
}

function isMultiboot(path: string): boolean {
  const head = new Uint8Array(HEADER_SEARCH_BYTES)
  let file: number | undefined
  try {
    file = openRegular(path).fd
    return findMultibootHeader(head.subarray(0, readSync(file, head))) !== undefined
  } catch {
    return false
  } finally {
    if (file !== undefined) closeSync(file)
  }
}
