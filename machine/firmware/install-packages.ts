/**
 * Gets files out of distribution packages: firmware for the machine, and freely distributable media for guests.
 *
 * On Debian and its kin a package is installed when root asks, and else unpacked into the user's cache. On others root
 * installs the firmware by the distribution's own command; anyone else is told which command that is.
 */

import { execFile } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { HostError } from '../errors.js'
import { cacheFolder, type Firmware, findFirmware } from './find-firmware.js'

export interface CommandResult {
  /** Exit status; undefined when the command does not exist, was killed or timed out. */
  readonly code: number | undefined
  readonly stdout: string
  readonly stderr: string
  readonly timedOut: boolean
}

export interface CommandOptions {
  readonly cwd?: string
  readonly timeoutMs: number
  readonly env?: { readonly [name: string]: string }
}

/** Runs a command to its end. Does not throw for one that fails. */
export type RunCommand = (command: string, args: readonly string[], options: CommandOptions) => Promise<CommandResult>

/** What of the host is used; every part can be replaced. */
export interface PackageHost {
  readonly run: RunCommand
  readonly isRoot: boolean
  /** Bootwright's cache folder. */
  readonly cache: string
  /** Whether a file or a command's path is there. */
  exists(path: string): boolean
  /** Names in a folder; empty where there is none. */
  list(path: string): string[]
  /** Finds a command in the PATH. */
  hasCommand(command: string): boolean
  readonly firmware: () => Firmware
}

export interface InstalledPackage {
  /** Where a file of the package lies, given its path as the package has it. Throws a PackageError where it is not. */
  path(file: string): string
}

/** A package cannot be had; the message is one sentence that says what to do. */
export class PackageError extends HostError {
  override readonly name = 'PackageError'
}

type Manager = 'apt-get' | 'dnf' | 'pacman' | 'apk' | 'zypper' | 'brew'

const MINUTE = 60_000
const UPDATE_TIMEOUT = 5 * MINUTE
const INSTALL_TIMEOUT = 15 * MINUTE
const UNPACK_TIMEOUT = 2 * MINUTE

/** How other distributions install SeaBIOS and its VGABIOS. */
const FIRMWARE_COMMANDS: { readonly [manager in Exclude<Manager, 'apt-get'>]: readonly string[] } = {
  dnf: ['dnf', 'install', '-y', 'seabios-bin', 'seavgabios-bin'],
  pacman: ['pacman', '-S', '--noconfirm', '--needed', 'seabios'],
  apk: ['apk', 'add', 'seabios'],
  zypper: ['zypper', '--non-interactive', 'install', 'qemu-seabios', 'qemu-vgabios'],
  brew: ['brew', 'install', 'qemu'],
}

/** Packages lists are fetched at most once by a process; keyed by the way of running commands. */
const updated = new WeakMap<RunCommand, Map<string, Promise<CommandResult>>>()

/**
 * Makes SeaBIOS and VGABIOS available, unless they are: installs or unpacks the package that holds them.
 * Throws a PackageError when that fails.
 */
export async function installFirmware(options: Partial<PackageHost> = {}): Promise<Firmware> {
  const host = { ...realHost(), ...options }
  try {
    return host.firmware()
  } catch {
    // Not there yet.
  }
  const manager = managerOf(host)
  if (manager === 'apt-get') {
    const files = ['/usr/share/seabios/bios-256k.bin', '/usr/share/seabios/vgabios-stdvga.bin']
    await ensurePackage('seabios', { files, ...host })
    return host.firmware()
  }
  if (manager === undefined)
    throw new PackageError(
      'No package manager that Bootwright knows was found: put bios-256k.bin and vgabios-stdvga.bin (SeaBIOS) into a ' +
        'folder and set BOOTWRIGHT_FIRMWARE to it.',
    )
  const command = FIRMWARE_COMMANDS[manager]
  // Homebrew refuses root and needs none.
  if (!host.isRoot && manager !== 'brew')
    throw new PackageError(`SeaBIOS is not installed: run 'sudo ${command.join(' ')}'.`)
  const result = await host.run(command[0], command.slice(1), { timeoutMs: INSTALL_TIMEOUT })
  if (result.code !== 0) throw failure(`'${command.join(' ')}'`, result)
  return host.firmware()
}

/**
 * Makes the files of a Debian package available: those of the system where they are installed, else of a copy unpacked
 * into the cache, else by installing (root) or unpacking it. `files` are paths as the package has them
 * (`/boot/memtest86+ia32.bin`), with `*` for what changes with versions. With `unpackOnly` root unpacks it, too: a package
 * that changes the host, as a hypervisor changes how it boots. With `follow` what counts is the package whose name begins
 * like this and that the named one depends on, as `linux-image-amd64` does on the kernel of the day. Throws a PackageError when the package cannot be had or lacks a file.
 */
export async function ensurePackage(
  name: string,
  options: {
    readonly files: readonly string[]
    readonly unpackOnly?: boolean
    readonly follow?: string
  } & Partial<PackageHost>,
): Promise<InstalledPackage> {
  if (!/^[a-z0-9][a-z0-9+.-]+$/.test(name)) throw new PackageError(`'${name}' is not the name of a Debian package.`)
  const host = { ...realHost(), ...options }
  const tree = join(host.cache, 'packages', name)
  const roots = rootsOf(tree, options)
  const present = (): InstalledPackage | undefined => locate(host, name, options.files, roots)
  const there = present()
  if (there) return there

  if (!host.hasCommand('apt-get') || !host.hasCommand('dpkg-deb'))
    throw new PackageError(
      `The package ${name} comes from Debian or Ubuntu, and there is no apt-get here: ` +
        `unpack it by hand into ${tree}.`,
    )
  const { follow } = options
  if (host.isRoot && !options.unpackOnly && follow === undefined) await installAsRoot(host, name)
  else await unpackIntoCache(host, name, tree, follow)
  const now = present()
  if (now) return now
  const missing = options.files.filter((file) => !roots.some((root) => resolved(host, root, file)))
  throw new PackageError(`The package ${name} was fetched, but has no ${missing.join(', ')}.`)
}

/** What is only ever unpacked is not what the host has of the same name: another build, or another version. */
function rootsOf(tree: string, { unpackOnly, follow }: { unpackOnly?: boolean; follow?: string }): string[] {
  return unpackOnly || follow !== undefined ? [tree] : ['', tree]
}

function locate(
  host: PackageHost,
  name: string,
  files: readonly string[],
  roots: readonly string[],
): InstalledPackage | undefined {
  // All files from one place, so that they fit each other.
  for (const root of roots) {
    if (!files.every((file) => resolved(host, root, file))) continue
    return {
      path(file) {
        const path = resolved(host, root, file)
        if (path) return path
        throw new PackageError(`The package ${name} has no ${file}.`)
      },
    }
  }
  return undefined
}

/** Where a package's file is on this host: installed, or unpacked in the cache. undefined where it is not. */
export function packagePath(
  name: string,
  file: string,
  how: { unpackOnly?: boolean; follow?: string } = {},
): string | undefined {
  const host = realHost()
  return locate(host, name, [file], rootsOf(join(host.cache, 'packages', name), how))?.path(file)
}

/** A path below a root, with what stands for `*` in it: of several the newest by the numbers in their names. */
function resolved(host: Pick<PackageHost, 'exists' | 'list'>, root: string, file: string): string | undefined {
  if (!file.includes('*')) return host.exists(join(root, file)) ? join(root, file) : undefined
  let places = [root || '/']
  for (const part of file.split('/').filter(Boolean)) {
    if (!part.includes('*')) {
      places = places.map((place) => join(place, part))
      continue
    }
    const [begin, end] = [part.slice(0, part.indexOf('*')), part.slice(part.indexOf('*') + 1)]
    const fits = (name: string) =>
      name.length >= begin.length + end.length && name.startsWith(begin) && name.endsWith(end)
    const newestFirst = (a: string, b: string) => b.localeCompare(a, 'en', { numeric: true })
    places = places.flatMap((place) =>
      host
        .list(place)
        .filter(fits)
        .sort(newestFirst)
        .map((name) => join(place, name)),
    )
  }
  return places.find((place) => host.exists(place))
}

async function installAsRoot(host: PackageHost, name: string): Promise<void> {
  const update = await updateOnce(host, [])
  const result = await host.run('apt-get', ['install', '-y', '--no-install-recommends', name], {
    timeoutMs: INSTALL_TIMEOUT,
    env: { DEBIAN_FRONTEND: 'noninteractive' },
  })
  // With package lists from before, or the package in apt's cache, installing can do without the update.
  if (result.code !== 0) throw failure(`Installing the package ${name}`, isOffline(update) ? update : result)
}

/** Without root: download, with the system's package lists or with lists of our own, and unpack. */
async function unpackIntoCache(host: PackageHost, name: string, tree: string, follow?: string): Promise<void> {
  const packages = join(host.cache, 'packages')
  await mkdir(packages, { recursive: true })
  const work = await mkdtemp(join(packages, `${name}.part-`))
  try {
    const download = (apt: readonly string[]): Promise<CommandResult> =>
      host.run('apt-get', [...apt, 'download', name], { cwd: work, timeoutMs: INSTALL_TIMEOUT })
    let used: string[] = []
    let result = await download([])
    if (result.code !== 0 && !isOffline(result) && !result.timedOut) {
      const apt = await privateApt(host)
      const update = await updateOnce(host, apt)
      if (update.code !== 0) throw failure(`Fetching the package ${name}`, update)
      result = await download(apt)
      used = apt
    }
    if (result.code !== 0) throw failure(`Fetching the package ${name}`, result)
    const archives = async () => (await readdir(work)).filter((file) => file.endsWith('.deb'))
    let [archive] = await archives()
    if (!archive) throw new PackageError(`Fetching the package ${name} left no file.`)
    if (follow !== undefined) {
      const { stdout } = await host.run('dpkg-deb', ['-f', archive, 'Depends'], {
        cwd: work,
        timeoutMs: UNPACK_TIMEOUT,
      })
      const meant = stdout
        .split(/[,|]/)
        .map((one) => one.trim().split(/[ (:]/)[0])
        .find((one) => one.startsWith(follow))
      if (!meant) throw new PackageError(`The package ${name} depends on none whose name begins with ${follow}.`)
      await rm(join(work, archive))
      // The same lists that gave the first one.
      const second = await host.run('apt-get', [...used, 'download', meant], { cwd: work, timeoutMs: INSTALL_TIMEOUT })
      if (second.code !== 0) throw failure(`Fetching the package ${meant}`, second)
      ;[archive] = await archives()
      if (!archive) throw new PackageError(`Fetching the package ${meant} left no file.`)
    }
    const unpacked = await host.run('dpkg-deb', ['-x', archive, 'tree'], { cwd: work, timeoutMs: UNPACK_TIMEOUT })
    if (unpacked.code !== 0) throw failure(`Unpacking the package ${name}`, unpacked)
    // Another process may have been faster, or an older copy lack the file asked for: the newer one takes its place.
    await rm(tree, { recursive: true, force: true })
    await rename(join(work, 'tree'), tree)
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

/** Options by which apt keeps its lists and archives in our cache. */
async function privateApt(host: PackageHost): Promise<string[]> {
  const [state, cache] = [join(host.cache, 'apt/state'), join(host.cache, 'apt/cache')]
  await mkdir(join(state, 'lists/partial'), { recursive: true })
  await mkdir(join(cache, 'archives/partial'), { recursive: true })
  return [
    ...['-o', `Dir::State=${state}`],
    ...['-o', `Dir::Cache=${cache}`],
    ...['-o', 'Dir::State::status=/var/lib/dpkg/status'],
  ]
}

function updateOnce(host: PackageHost, apt: readonly string[]): Promise<CommandResult> {
  const updates = updated.get(host.run) ?? new Map<string, Promise<CommandResult>>()
  updated.set(host.run, updates)
  const key = apt.join(' ')
  const running = updates.get(key) ?? host.run('apt-get', [...apt, 'update'], { timeoutMs: UPDATE_TIMEOUT })
  updates.set(key, running)
  return running
}

function managerOf(host: PackageHost): Manager | undefined {
  const managers: Manager[] = ['apt-get', 'dnf', 'pacman', 'apk', 'zypper', 'brew']
  return managers.find((manager) => host.hasCommand(manager))
}

const OFFLINE =
  /temporary failure resolving|could not resolve|could ?n.t resolve host|network is unreachable|could not connect|no route to host|connection (timed out|refused)/i

function isOffline(result: CommandResult): boolean {
  return OFFLINE.test(result.stderr) || OFFLINE.test(result.stdout)
}

function failure(what: string, result: CommandResult): PackageError {
  if (result.timedOut) return new PackageError(`${what} took too long and was stopped.`)
  if (isOffline(result)) return new PackageError(`${what} failed: the package server cannot be reached from here.`)
  if (/could not get lock|unable to acquire the dpkg frontend lock/i.test(result.stderr))
    return new PackageError(`${what} failed: another package manager is running.`)
  const lines = result.stderr.split('\n').map((line) => line.trim())
  const reason = lines.find((line) => /^E(rror)?:/i.test(line)) ?? lines.filter(Boolean).at(-1)
  return new PackageError(`${what} failed: ${reason?.replace(/^E: /, '').replace(/\.$/, '') || 'it gave no reason'}.`)
}

/** Runs real commands, in the C locale so that messages can be recognised, and without standard input. */
const runCommand: RunCommand = (command, args, options) =>
  new Promise((resolve) => {
    const { cwd, timeoutMs, env } = options
    const child = execFile(
      command,
      [...args],
      { cwd, timeout: timeoutMs, maxBuffer: 64 * 2 ** 20, env: { ...process.env, LC_ALL: 'C', ...env } },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : undefined
        const said = stderr || (error && code === undefined ? error.message : '')
        resolve({ code, stdout, stderr: said, timedOut: error?.killed === true })
      },
    )
    child.stdin?.end()
  })

function realHost(): PackageHost {
  return {
    run: runCommand,
    isRoot: process.getuid?.() === 0,
    cache: cacheFolder(),
    exists: existsSync,
    list: (path) => {
      try {
        return readdirSync(path)
      } catch {
        return []
      }
    },
    hasCommand: (command) =>
      (process.env.PATH ?? '').split(':').some((folder) => folder !== '' && existsSync(join(folder, command))),
    firmware: () => findFirmware(),
  }
}
