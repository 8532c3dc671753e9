/** Runs the matrix: every guest on every engine, level by level, each in a machine of its own, into reports' plain data. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { availableParallelism, cpus, homedir, type as osType, release } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { DisplayMode, Frame } from '../../machine/devices/display/display.js'
import { FirmwareMissingError, findFirmware } from '../../machine/firmware/find-firmware.js'
import {
  type Cell,
  type Evidence,
  type GuestRow,
  type LevelResult,
  type MatrixResult,
  type MediumHash,
  SCREEN_OFF,
} from '../../reports/matrix/matrix-result.js'
import { driveMedia, firmwarePaths, type MachineConfig } from '../config/machine-config.js'
import { toFailPatterns, toPhasePatterns } from '../keys/patterns.js'
import { matrixColumn, readGuest } from '../options/read-options.js'
import { encodePng } from '../picture/screenshot.js'
import type { Progress } from '../protocol/messages.js'
import type { Look, RunResult, Script } from '../protocol/script.js'
import { VmError } from '../thread/errors.js'
import { VmThread, type VmThreadOptions } from '../thread/machine-thread.js'
import { inputsOf } from '../thread/snapshot-files.js'
import { parseDuration } from '../units/durations.js'
import { allMedia, type Guest, guestMachine, guestMedia, type Level, levelSteps } from './guest.js'
import { MissingMediaError } from './guest-media.js'

export type EngineChoice = 'auto' | 'kvm' | 'soft'

/** The column of a guest's machine. */
export function columnOf(guest: Guest): { id: string; title: string } {
  const { bios, ...machine } = guest.machine
  return matrixColumn(readGuest({ ...machine, bios: typeof bios === 'object' ? undefined : bios }))
}

const DEFAULT_HOST_TIMEOUT = '10m'
const SERIAL_COM1 = 0
const GRACE_MS = 10_000

export interface CellOptions extends Pick<VmThreadOptions, 'machineModule'> {
  engine: EngineChoice
  /** Told several times a second, with the level that is waited for. */
  onProgress?: (level: Level, progress: Progress) => void
  /** Told of each level as soon as it was tried. */
  onLevel?: (level: LevelResult) => void
  /** Aborted where nobody wants the cell any longer: the machine is ended, and what is returned says nothing. */
  signal?: AbortSignal
  /** Host time beyond the guest's after which a machine that does not come back is ended, ms; default 10 s. */
  graceMs?: number
  /** How the guest is named on a command line; default its name. */
  named?: string
}

/**
 * Boots a guest and follows it up its levels.
 * Rejects with what no guest could help: a VmError for missing firmware or an engine that is not to be had, or an
 * InfrastructureError. What is wrong with the guest or its media stands in the cell.
 */
export async function runCell(guest: Guest, options: CellOptions): Promise<Cell> {
  const cell: Cell = {
    guest: guest.name,
    engine: options.engine,
    device: columnOf(guest).id,
    status: 'skipped',
    levels: [],
  }
  let config: MachineConfig
  cell.measured = new Date().toISOString()
  cell.command = `bootwright matrix ${options.named ?? guest.name} --engine ${options.engine}`
  try {
    config = { ...(await guestMachine(guest)), engine: options.engine }
    // What cannot be read is told when the machine is made.
    cell.media = await mediaHashes(config).catch(() => undefined)
  } catch (error) {
    if (error instanceof MissingMediaError) return { ...cell, reason: `${error.message}.` }
    throw error
  }
  let level = guest.levels[0]
  let vm: VmThread
  try {
    vm = await VmThread.start(config, {
      machineModule: options.machineModule,
      onProgress: (progress) => options.onProgress?.(level, progress),
    })
  } catch (error) {
    if (!(error instanceof VmError) || !/^(MediaError|BootImageError)$/.test(error.name)) throw error
    return { ...cell, status: 'failed', reason: error.message, levels: guest.levels.map((one) => untried(one)) }
  }
  cell.engineReason = vm.engineReason
  const end = () => vm.terminate()
  if (options.signal?.aborted) end()
  options.signal?.addEventListener('abort', end)
  try {
    const deadline = performance.now() + hostTimeoutMs(guest)
    cell.hostTimeMs = 0
    let passed = true
    for (level of guest.levels) {
      if (passed) {
        passed = await climb(vm, guest, level, cell, remaining(deadline), options.graceMs ?? GRACE_MS)
        options.onLevel?.(cell.levels[cell.levels.length - 1])
      } else cell.levels.push(untried(level))
    }
    cell.status = passed ? 'passed' : 'failed'
    return cell
  } catch (error) {
    // The machine broke, not the host: the other guests go on.
    const failure = { status: 'failed' as const, reason: (error as Error).message }
    const rest = guest.levels.slice(cell.levels.length + 1).map(untried)
    return { ...cell, ...failure, levels: [...cell.levels, { ...untried(level), ...failure }, ...rest] }
  } finally {
    options.signal?.removeEventListener('abort', end)
    await vm.close()
  }
}

/** The files that a machine is made from, by their contents. */
async function mediaHashes(config: MachineConfig): Promise<MediumHash[]> {
  const whole = { ...config, firmware: firmwarePaths(config.firmware) }
  const inputs = await inputsOf(whole, driveMedia(whole))
  return inputs.map(({ what, path, sha256, size }) => ({ what, name: basename(path), sha256, bytes: size }))
}

/** One level; adds it and what it says of the machine to the cell. True when it was reached. */
async function climb(
  vm: VmThread,
  { failOn, phases }: Guest,
  level: Level,
  cell: Cell,
  hostTimeoutMs: number,
  graceMs: number,
): Promise<boolean> {
  const script: Script = {
    steps: [...levelSteps(level), { kind: 'screenshot', name: level.name }],
    hostTimeoutMs,
    failOn: toFailPatterns(failOn),
    phases: toPhasePatterns(phases),
  }
  const result = await withGrace(vm, vm.run(script), hostTimeoutMs + graceMs)
  const passed = result.outcome === 'ok'
  cell.hostTimeMs = (cell.hostTimeMs ?? 0) + result.hostMs
  cell.guestTimeNs = result.guestTimeNs
  cell.instructions = result.instructions
  cell.unhandled = result.unhandled
  cell.warnings = result.warnings
  cell.levels.push({
    name: level.name,
    title: level.title,
    status: passed ? 'passed' : 'failed',
    reason: passed ? undefined : result.error,
    note: passed ? level.note : undefined,
    guestTimeNs: result.guestTimeNs,
    hostTimeMs: cell.hostTimeMs,
    instructions: result.instructions,
    evidence: await evidenceOf(result, result.shots[0]?.frame ?? (await vm.frame())),
  })
  if (passed) {
    cell.level = level.name
    return true
  }
  cell.reason = `${level.name}: ${result.error}.`
  cell.registers = result.registers
  const { reason, code, detail } = result.exit
  if (!['condition', 'timeout', 'script', 'interrupted'].includes(reason)) cell.exit = { reason, code, detail }
  return false
}

/** The host time that a guest may take for all its levels. */
export function hostTimeoutMs(guest: Guest): number {
  return parseDuration(guest.hostTimeout ?? DEFAULT_HOST_TIMEOUT) / 1e6
}

/** A machine looks at the host's clock between two slices; one that never comes back from a slice is ended by force. */
async function withGrace<T>(vm: VmThread, work: Promise<T>, ms: number): Promise<T> {
  const timer = setTimeout(() => vm.terminate(), ms)
  try {
    return await work
  } finally {
    clearTimeout(timer)
  }
}

/** In ms, to a tenth of a second, as it is told when it is over. */
function remaining(deadline: number): number {
  return Math.max(100, Math.round((deadline - performance.now()) / 100) * 100)
}

function untried(level: Level): LevelResult {
  return { name: level.name, title: level.title, status: 'skipped', reason: 'not tried' }
}

async function evidenceOf(look: Pick<RunResult, 'text' | 'serial' | 'mode'>, frame: Frame): Promise<Evidence> {
  const visible = frame.width > 0 && frame.height > 0
  return {
    screenshot: visible
      ? {
          png: Buffer.from(await encodePng(frame)).toString('base64'),
          width: frame.width,
          height: frame.height,
          mode: modeWords(look.mode),
        }
      : undefined,
    text: look.text,
    serial: serialWords(look),
  }
}

function modeWords(mode: DisplayMode): string {
  if (mode.kind === 'off') return SCREEN_OFF
  if (mode.kind === 'text') return `text ${mode.columns}×${mode.rows}`
  return `${mode.width}×${mode.height}, ${mode.depth} bits`
}

function serialWords({ serial }: Pick<Look, 'serial'>): string | undefined {
  return serial.find(({ port }) => port === SERIAL_COM1)?.lines.join('\n')
}

export interface MatrixFrame {
  guests: readonly Guest[]
  engines: readonly EngineChoice[]
  started: Date
}

/** The result around the cells: what was run, where, with what. */
export function matrixResult({ guests, engines, started }: MatrixFrame, cells: Cell[]): MatrixResult {
  return {
    format: 'bootwright-matrix',
    version: 1,
    run: {
      date: started.toISOString(),
      durationMs: Date.now() - started.getTime(),
      host: thisHost(),
      bootwright: ownVersion(),
      firmware: firmwareWords(),
    },
    guests: guests.map(guestRow),
    engines: engines.map((engine) => ({ id: engine, title: engine })),
    devices: [...new Map(guests.map(columnOf).map((column) => [column.id, column])).values()],
    cells: cells.map((cell) => {
      const guest = guests.find(({ name }) => name === cell.guest)
      return cell.reason === undefined ? cell : { ...cell, reason: withoutLocalPaths(cell.reason, guest) }
    }),
  }
}

/** What cells are measured on here. */
export function thisHost(): MatrixResult['run']['host'] {
  return {
    os: `${osType()} ${release()}`,
    arch: process.arch,
    cpu: cpus()[0]?.model.trim() ?? 'unknown CPU',
    cores: availableParallelism(),
    node: process.versions.node,
  }
}

/** A matrix is for others, whom the folders of this host tell nothing. */
export function withoutLocalPaths(text: string, guest: Guest | undefined): string {
  const own = guest ? allMedia(guest).flatMap((medium) => (medium.kind === 'file' ? [medium.path] : [])) : []
  const files = own.map((path): [string, string] => [path, basename(path)])
  const images = process.env.BOOTWRIGHT_IMAGES
  const folders: [string | undefined, string][] = [
    [images && `${images}, the folder that BOOTWRIGHT_IMAGES names`, 'the folder that BOOTWRIGHT_IMAGES names'],
    [images, 'BOOTWRIGHT_IMAGES'],
    [process.cwd(), '.'],
    [homedir(), '~'],
  ]
  return [...files, ...folders].reduce(
    (words, [path, short]) => (path && path.length > 1 ? words.replaceAll(path, short) : words),
    text,
  )
}

/** Where no guest has media, nothing ran and firmware may be missing. */
function firmwareWords(): string {
  try {
    return `SeaBIOS ${findFirmware().bios.version}`
  } catch (error) {
    if (error instanceof FirmwareMissingError) return 'none'
    throw error
  }
}

function guestRow(guest: Guest): GuestRow {
  const { name, title, family, licence } = guest
  return {
    name,
    title,
    family,
    licence,
    media: guestMedia(guest).map((words) => withoutLocalPaths(words, guest)),
    levels: guest.levels.map((level) => level.name),
  }
}

/** What has to be the same wherever parts of one matrix are measured: `0.1.0`, in a checkout with its commit. */
export function versionName(): string {
  const { version, commit } = ownVersion()
  return commit === undefined ? version : `${version}+${commit.replace(/,.*/, '')}`
}

let known: MatrixResult['run']['bootwright'] | undefined

/** Asked of git once: sources that change later are not those that run. */
export function ownVersion(): MatrixResult['run']['bootwright'] {
  known ??= findVersion()
  return known
}

function findVersion(): MatrixResult['run']['bootwright'] {
  let root = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(root, 'package.json')) && root !== dirname(root)) root = dirname(root)
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
  if (!existsSync(join(root, '.git'))) return { version }
  try {
    const git = (...args: string[]) =>
      execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
    const commit = git('rev-parse', '--short', 'HEAD')
    return { version, commit: git('status', '--porcelain') === '' ? commit : `${commit}, changed` }
  } catch {
    return { version }
  }
}

/** Runs jobs, at most `limit` at a time, in their order; stops starting new ones when one rejects, and rejects then. */
export async function inParallel<T>(jobs: readonly (() => Promise<T>)[], limit: number): Promise<T[]> {
  const results: T[] = []
  let next = 0
  let failed = false
  const worker = async () => {
    while (next < jobs.length && !failed) {
      const i = next++
      try {
        results[i] = await jobs[i]()
      } catch (error) {
        failed = true
        throw error
      }
    }
  }
  const workers = await Promise.allSettled(Array.from({ length: Math.min(limit, jobs.length) }, worker))
  const rejected = workers.find((outcome) => outcome.status === 'rejected')
  if (rejected) throw rejected.reason
  return results
}
