/** Where a kernel that is booted directly begins: what comes before depends on the size of its file. */
import { readFileSync } from 'node:fs'
import { BootImageError } from '../../machine/firmware/boot-rom.js'
import { planKernel } from '../../machine/firmware/kernel-protocol.js'
import { isLinuxKernel, planLinuxBoot } from '../../machine/firmware/linux-boot.js'
import type { KernelConfig } from './machine-config.js'

/** The address of a kernel's first instruction; undefined where the loader itself would say why it cannot be booted. */
export function kernelEntry({ path }: KernelConfig, lowMemory: number): string | undefined {
  try {
    const image = readFileSync(path)
    const { entry } = isLinuxKernel(image)
      ? planLinuxBoot({ kernel: image, lowMemory })
      : planKernel({ image, lowMemory })
    return `0x${(entry.mode === 'real' ? entry.codeSegment * 16 : entry.address).toString(16)}`
  } catch (error) {
    if (error instanceof BootImageError) return undefined
    throw error
  }
}
