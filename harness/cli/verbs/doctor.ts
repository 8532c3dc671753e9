/** `bootwright doctor`: what this host has for running machines, a line each, and what to do where it lacks something. */
import { accessSync, constants, existsSync, mkdirSync, readdirSync, statfsSync } from 'node:fs'
import { availableParallelism, freemem } from 'node:os'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { kvmAccess } from '../../../machine/cpu/kvm/access.js'
import { DEVICE_TYPES } from '../../../machine/devices/catalogue.js'
import { cacheFolder, FirmwareMissingError, findFirmware, findUefi } from '../../../machine/firmware/find-firmware.js'
import { romPath } from '../../config/option-roms.js'
import { compiledFile } from '../../thread/worker-thread.js'
import { EXIT } from '../errors.js'

export interface Finding {
  /** `bad`: machines do not run; `lacking`: they do, without something. */
  state: 'good' | 'lacking' | 'bad'
  what: string
  /** One sentence that says what to do. */
  mend?: string
}

type Check = () => Finding | Promise<Finding>

const MIB = 1 << 20
const OLDEST_NODE = [20, 19]
/** A machine of 128 MiB takes some 300 MiB of the host. */
const LOW_MEMORY = 512 * MIB
const LOW_DISK = 512 * MIB
const PACKAGES = ['commander', 'koffi', 'listr2', 'pixelmatch', 'sharp', 'zod']

export function doctorCommand(): Command {
  return new Command('doctor')
    .description('say what this host has for running guests, and what to do where something is missing')
    .action(async () => {
      const findings = await examine()
      for (const finding of findings) process.stdout.write(`${formatFinding(finding)}\n`)
      process.exitCode = findings.some(({ state }) => state === 'bad') ? EXIT.infrastructure : EXIT.ok
    })
}

export function formatFinding({ state, what, mend }: Finding): string {
  const mark = { good: '✓', lacking: '-', bad: '✗' }[state]
  return `${mark} ${what}${mend ? `: ${mend}` : ''}`
}

export async function examine(checks: readonly Check[] = CHECKS): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const check of checks) {
    try {
      findings.push(await check())
    } catch (error) {
      findings.push({ state: 'bad', what: error instanceof Error ? error.message.split('\n')[0] : String(error) })
    }
  }
  return findings
}

const CHECKS: readonly Check[] = [node, core, packages, firmware, uefi, roms, kvm, memory, cache, images]

function node(): Finding {
  const [major, minor] = process.versions.node.split('.').map(Number)
  const what = `Node.js ${process.versions.node} on ${process.platform} ${process.arch}, ${availableParallelism()} CPUs`
  if (major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1])) return { state: 'good', what }
  return { state: 'bad', what, mend: `install Node.js ${OLDEST_NODE.join('.')} or newer` }
}

function core(): Finding {
  const path = fileURLToPath(compiledFile('machine/cpu/soft/core.wasm'))
  if (existsSync(path)) return { state: 'good', what: "the soft engine's core is built" }
  return { state: 'bad', what: `the soft engine's core is missing (${path})`, mend: "run 'npm run build'" }
}

async function packages(): Promise<Finding> {
  const missing: string[] = []
  for (const name of PACKAGES) await import(name).catch(() => missing.push(name))
  if (missing.length === 0) return { state: 'good', what: 'npm packages load' }
  return { state: 'bad', what: `npm packages that do not load: ${missing.join(', ')}`, mend: "run 'npm install'" }
}

function firmware(): Finding {
  const { bios, vgaBios } = findFirmware()
  const what = `SeaBIOS ${bios.version} (${bios.path}), VGABIOS ${vgaBios.version} (${vgaBios.path})`
  return { state: 'good', what }
}

function uefi(): Finding {
  try {
    return {
      state: 'good',
      what: `OVMF for --firmware uefi (${findUefi().code})${hasSecureBoot() ? ' and uefi-secure' : ''}`,
    }
  } catch (error) {
    if (!(error instanceof FirmwareMissingError)) throw error
    return { state: 'lacking', what: 'no OVMF for --firmware uefi', mend: "it is in Debian's package ovmf" }
  }
}

function hasSecureBoot(): boolean {
  try {
    findUefi(true)
    return true
  } catch {
    return false
  }
}

/** An adapter needs its ROM; a network card boots from the network by it. */
function roms(): Finding {
  const missing = DEVICE_TYPES.filter(({ rom }) => rom !== undefined && !isRomHere(rom))
  if (missing.length === 0) return { state: 'good', what: 'the ROMs of all adapters and network cards' }
  const names = [...new Set(missing.map(({ type, rom }) => `${rom} of ${type}`))]
  return {
    state: 'lacking',
    what: `no ${names.join(', ')}`,
    mend: "adapters' are in Debian's package seabios, those of network cards, to boot from the network, in ipxe-qemu",
  }
}

function isRomHere(name: string): boolean {
  try {
    return romPath(name) !== undefined
  } catch {
    return false
  }
}

function kvm(): Finding {
  const missing = kvmAccess()
  if (!missing) return { state: 'good', what: '/dev/kvm can be used' }
  return { state: 'lacking', what: `no KVM, machines run on the soft engine (${missing.why})`, mend: missing.mend }
}

function memory(): Finding {
  const available = process.availableMemory?.() ?? freemem()
  const what = `${Math.round(available / MIB)} MiB of memory to be had`
  if (available >= LOW_MEMORY) return { state: 'good', what }
  return { state: 'lacking', what, mend: 'give machines less with -m, or close something' }
}

function cache(): Finding {
  const folder = cacheFolder()
  try {
    mkdirSync(folder, { recursive: true })
    accessSync(folder, constants.W_OK)
  } catch {
    return {
      state: 'lacking',
      what: `the cache ${folder} cannot be written`,
      mend: 'set XDG_CACHE_HOME to a folder that can',
    }
  }
  const { bavail, bsize } = statfsSync(folder)
  const free = bavail * bsize
  const what = `the cache ${folder} has room for ${Math.round(free / MIB)} MiB`
  return free >= LOW_DISK
    ? { state: 'good', what }
    : { state: 'lacking', what, mend: `make room in ${dirname(folder)}` }
}

function images(): Finding {
  const folder = process.env.BOOTWRIGHT_IMAGES
  if (!folder)
    return {
      state: 'lacking',
      what: "BOOTWRIGHT_IMAGES is not set, so guests that need the user's images are left out of the matrix",
      mend: 'set it to a folder with images',
    }
  try {
    return { state: 'good', what: `BOOTWRIGHT_IMAGES: ${readdirSync(folder).length} files in ${folder}` }
  } catch {
    return {
      state: 'lacking',
      what: `BOOTWRIGHT_IMAGES names ${folder}, which cannot be read`,
      mend: 'set it to a folder with images',
    }
  }
}
