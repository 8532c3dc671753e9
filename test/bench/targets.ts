/** The targets: what runs the kernels, and whether this host has it. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { type BootJob, type BootTime, type KernelJob, runInProcess } from './guest-job.js'
import type { Measurement } from './marks.js'
import { QEMU, qemuBoot, qemuFirmware, qemuKernel } from './qemu.js'
import { firstCharacter } from './start-up.js'

export interface Target {
  readonly name: string
  readonly title: string
  /** Where the kernels write their marks: the debug console, or COM1 where there is none. */
  readonly markPort: number
  /** Whether it runs 64-bit code. */
  readonly long: boolean
  readonly avx: boolean
  /** Whether it shows pictures without a window. */
  readonly pictures: boolean
  /** Its version, or undefined where it is not installed. */
  version(): string | undefined
  /** How to get it. */
  readonly missing: string
  kernel(job: KernelJob, timeout: number): Promise<Measurement>
  boot(job: BootJob, timeout: number, scratch: string): Promise<BootTime>
  /** Host seconds from the start of its process to SeaBIOS's first character on the debug console. */
  start?(floppy: string, timeout: number): Promise<number>
}

const DEBUG_CONSOLE = 0xe9
const COM1 = 0x3f8

/** The command as users run it. */
const ourFirmware = (floppy: string) => [
  fileURLToPath(new URL('../../bin/bootwright.js', import.meta.url)),
  ...['run', '--engine', 'soft', '--debugcon', 'stdio', '--timeout', '60s', '--floppy', floppy],
]

const { resolve } = createRequire(import.meta.url)

function qemuTarget(name: string, title: string, icount: boolean): Target {
  return {
    name,
    title,
    markPort: DEBUG_CONSOLE,
    long: true,
    avx: true,
    pictures: true,
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
    start: (floppy, timeout) => firstCharacter(QEMU, qemuFirmware(icount, floppy), timeout),
  }
}

export const TARGETS: readonly Target[] = [
  {
    name: 'soft',
    title: 'Bootwright',
    markPort: DEBUG_CONSOLE,
    long: true,
    avx: true,
    pictures: true,
    version: () => process.env.BOOTWRIGHT_CORE || 'this checkout',
    missing: '',
    kernel: (job, timeout) => runInProcess('soft-process', job, timeout),
    boot: (job, timeout) => runInProcess('soft-process', job, timeout),
    start: (floppy, timeout) => firstCharacter(process.execPath, ourFirmware(floppy), timeout),
  },
  {
    name: 'v86',
    title: 'v86',
    markPort: COM1,
    long: false,
    avx: false,
    pictures: false,
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
