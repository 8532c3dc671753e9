/** QEMU's habit for Multiboot and PVH kernels: what stands as the initrd is a list of modules, each with its arguments. */
import { kernelProtocol } from '../../machine/firmware/kernel-protocol.js'
import { readRegular } from '../../machine/media/regular-file.js'
import type { KernelConfig, ModuleConfig } from './machine-config.js'

/** Bytes; what is larger is no kernel. */
const LARGEST_KERNEL = 2 ** 30

/**
 * A kernel with its `initrd` taken apart into modules, where its image is one of those. Any other kernel is returned
 * as it is, and so is one whose image cannot be read: whoever opens it says so.
 */
export function withModules(kernel: KernelConfig): KernelConfig {
  const { initrd, ...rest } = kernel
  if (initrd === undefined || !takesModules(kernel.path)) return kernel
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

function takesModules(path: string): boolean {
  try {
    return kernelProtocol(readRegular(path, LARGEST_KERNEL)) !== undefined
  } catch {
    return false
  }
}
