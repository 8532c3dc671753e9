/** How a kernel is booted directly: what its file says it is for. */

import type { BootPlan } from './boot-rom.js'
import type { KernelToBoot } from './kernel-layout.js'
import { findMultibootHeader, HEADER_SEARCH_BYTES, planMultiboot } from './multiboot.js'
import { findMultiboot2Header, HEADER2_SEARCH_BYTES, planMultiboot2 } from './multiboot2.js'
import { planPvh, pvhEntry } from './pvh.js'

/** Those that take modules; Linux's own protocol is `linux-boot.ts`. */
export type KernelProtocol = 'multiboot' | 'multiboot2' | 'pvh'

/** Bytes at a file's begin in which headers are looked for. */
export const KERNEL_HEAD_BYTES = Math.max(HEADER_SEARCH_BYTES, HEADER2_SEARCH_BYTES)

/** As QEMU asks: Multiboot first, then the note of PVH. A kernel that Multiboot 1 cannot load may have another of them. */
export function kernelProtocol(image: Uint8Array): KernelProtocol | undefined {
  const isFirst = findMultibootHeader(image)
  const isSecond = findMultiboot2Header(image) !== undefined
  if (isFirst && !(isSecond && isFirst.addresses === undefined && image[4] === ELF_64)) return 'multiboot'
  if (isSecond) return 'multiboot2'
  return pvhEntry(image) === undefined ? undefined : 'pvh'
}

const ELF_64 = 2

/** Throws a BootImageError for what cannot be booted. */
export function planKernel(options: KernelToBoot): BootPlan {
  switch (kernelProtocol(options.image)) {
    case 'multiboot2':
      return planMultiboot2(options)
    case 'pvh':
      return planPvh(options)
    default:
      return planMultiboot(options)
  }
}
