/** The targets: what runs the kernels, and whether this host has it. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { type BootJob, type BootTime, type KernelJob, runInProcess } from './guest-job.js'
import type { Measurement } from './marks.js'
import { QEMU, qemuBoot, qemuKernel } from './qemu.js'

export interface Target {
  readonly name: string
  readonly title: string
  /** Where the kernels write their marks: the debug console, or COM1 where there is none. */
  readonly markPort: number
  /** Whether it runs 64-bit code. */
  readonly long: boolean
  /** Its version, or undefined where it is not installed. */
  version(): string | undefined
  /** How to get it. */
  readonly missing: string
  kernel(job: KernelJob, timeout: number): Promise<Measurement>
  boot(job: BootJob, timeout: number, scratch: string): Promise<BootTime>
}

const DEBUG_CONSOLE = 0xe9
const COM1 = 0x3f8

const { resolve } = createRequire(import.meta.url)

function qemuTarget(name: string, title: string, icount: boolean): Target {
  return {
    name,
    title,
    markPort: DEBUG_CONSOLE,
    long: true,
    version: () => {
      try {
        const text = execFileSync(QEMU, ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
        return /version (\S+)/.exec(text)?.[1] ?? 'unknown'
      } catch {
        return undefined
      }
    },
    missing: `${QEMU} is not installed (apt install qemu-system-x86)`,
    kernel: (job, timeout) => qemuKernel(job, icount, timeout),
    boot: (job, timeout, scratch) => qemuBoot(job, icount, timeout, scratch),
  }
}

export const TARGETS: readonly Target[] = [
  {
    name: 'soft',
    title: 'Bootwright',
    markPort: DEBUG_CONSOLE,
    long: true,
    version: () => process.env.BOOTWRIGHT_CORE || 'this checkout',
    missing: '',
    kernel: (job, timeout) => runInProcess('soft-process', job, timeout),
    boot: (job, timeout) => runInProcess('soft-process', job, timeout),
  },
  {
    name: 'v86',
    title: 'v86',
    markPort: COM1,
    long: false,
    version: () => {
      try {
        resolve('v86/build/libv86.mjs')
        return JSON.parse(readFileSync(resolve('v86/package.json'), 'utf8')).version
      } catch {
        return undefined
      }
    },
    missing: 'the npm package v86 is not installed (npm install)',
    kernel: (job, timeout) => runInProcess('v86-process', job, timeout),
    boot: (job, timeout) => runInProcess('v86-process', job, timeout),
  },
  qemuTarget('tcg', 'QEMU TCG', false),
  qemuTarget('tcg-icount', 'TCG -icount', true),
]
