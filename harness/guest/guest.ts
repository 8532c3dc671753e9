/**
 * Guests: operating systems under test, with their media, their machine, and the levels that show how far they got. A
 * guest is a file that exports one as its default; it is found by path, the project's own and a user's alike.
 */

import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { extname, isAbsolute, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import * as z from 'zod'
import { errorKind, UsageError } from '../../machine/errors.js'
import { schemaWords } from '../../reports/schema-words.js'
import type { MachineConfig } from '../config/machine-config.js'
import { parseBootCommand } from '../keys/boot-command.js'
import type { FailOn, Phases } from '../keys/patterns.js'
import { DISK_PLACE, DISK_SIZE } from '../options/drive-words.js'
import { MAX_DISKS, type MachineValues } from '../options/machine-spec.js'
import { guestShape, readGuest } from '../options/read-options.js'
import type { Condition } from '../protocol/condition.js'
import type { Step } from '../protocol/script.js'
import { parseDuration } from '../units/durations.js'
import { nearest } from '../words/nearest.js'
import { describeMedium, findMedium, type GuestMedium, MissingMediaError, SETUP_COMMAND } from './guest-media.js'
import { diskConfig, type GuestDisk } from './medium-source.js'

/** One step of the way up, in order: reached when its condition comes true after its keys were typed. */
export interface Level {
  /** One of the common names where one fits: firmware, loader, kernel, userland, shell, desktop, installer, mouse. */
  name: string
  /** What is seen then: `the prompt A:\>`. */
  title: string
  /** Typed first, in Packer's boot-command language. */
  keys?: string | readonly string[]
  until: Condition
  /** What has to be known beside that it works: `with acpi=off`. */
  note?: string
  /** Guest time to wait for the condition, e.g. `90s`; default 5 minutes. */
  timeout?: string
}

/** Of the options of `launch()`, those that are no media: `smp` is `cpus` here. */
export interface GuestOptions
  extends Pick<
    MachineValues,
    | 'memory'
    | 'cpu'
    | 'boot'
    | 'fdCheck'
    | 'firmware'
    | 'overlayLimit'
    | 'vga'
    | 'devices'
    | 'nic'
    | 'network'
    | 'epoch'
  > {
  /** Another BIOS, by its path or as a medium. */
  bios?: string | GuestMedium
  /** How many CPUs; default 1. */
  cpus?: MachineValues['smp']
}

export interface GuestDefinition {
  /** The folder's name: small letters, digits, `-` and `.`. */
  name: string
  title: string
  /** DOS, Unix, Linux, BSD, Plan 9, boot loader, hobby … */
  family: string
  /** SPDX where there is an identifier. */
  licence: string
  machine: GuestOptions & {
    floppies?: readonly GuestMedium[]
    cdrom?: GuestMedium
    disks?: readonly GuestDisk[]
    kernel?: { image: GuestMedium; initrd?: GuestMedium; modules?: readonly GuestModule[]; append?: string }
  }
  levels: readonly Level[]
  /** What it says when it cannot go on, beside the panics of known systems; false: nothing ends a wait early. */
  failOn?: FailOn
  /** Phases of long work by their names, each known by the screen's text or a line on a serial line; a first group is the percentage. */
  phases?: Phases
  /** What it needs beside its machine's media, for `prepare`. */
  media?: readonly GuestMedium[]
  /** Makes on the host what is no medium, as a repository that the LAN serves; rejects with a HostError where it cannot. */
  prepare?: (progress: (words: string) => void) => Promise<unknown>
  /** Host time for all levels together; default `10m`. */
  hostTimeout?: string
  /**
   * Why the guest is booted only when it is asked for, by name or with `matrix --all`: `takes about 15 minutes`. Nor are
   * its packages installed unasked.
   */
  heavy?: string
}

/** Of a Multiboot kernel. */
export interface GuestModule {
  file: GuestMedium
  append?: string
}

export type Guest = Readonly<GuestDefinition>

/** A guest cannot be found, or its file is not one; the message is one sentence. */
export class GuestError extends UsageError {
  override readonly name = 'GuestError'
}

const Medium = z
  .looseObject({ kind: z.enum(['image', 'download', 'package', 'file', 'built']) })
  .describe(
    "what image(…), download(…), packageFile(…), file(…) or built(…) gives, as in file('my-os.img', import.meta.url)",
  )
const Disk = z
  .union([Medium.extend(DISK_PLACE), z.strictObject({ size: DISK_SIZE, ...DISK_PLACE })])
  .describe("a medium, or as in { size: '8G', if: 'virtio' }")
const Name = z.string().min(1).describe('a text')
const Keys = z.union([z.string(), z.array(z.string())])

const Definition = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9.-]*$/)
    .describe("of small letters, digits, '-' and '.', as in 'my-os'"),
  title: Name,
  family: Name,
  licence: Name,
  machine: z.strictObject({
    ...guestShape(),
    bios: z.union([z.string(), Medium]).optional().describe('a path, or a medium'),
    floppies: z.array(Medium).max(2).optional().describe('a list of up to two media'),
    cdrom: Medium.optional(),
    disks: z.array(Disk).max(MAX_DISKS).optional().describe(`a list of up to ${MAX_DISKS} disks`),
    kernel: z
      .strictObject({
        image: Medium,
        initrd: Medium.optional(),
        modules: z.array(z.strictObject({ file: Medium, append: z.string().optional() })).optional(),
        append: z.string().optional(),
      })
      .optional()
      .describe("an object, as in { image: file('bzImage', import.meta.url) }"),
  }),
  levels: z
    .array(
      z.strictObject({
        name: Name,
        title: Name,
        keys: Keys.optional().describe('a text, or a list of texts'),
        until: z.looseObject({ kind: z.string() }).describe("a condition, as in text(/login:/) or serial('ready')"),
        note: Name.optional(),
        timeout: z.string().optional().describe("a time, as in '90s'"),
      }),
    )
    .min(1)
    .describe('a list of one level or more'),
  failOn: z
    .union([z.literal(false), z.array(z.union([z.string(), z.instanceof(RegExp)]))])
    .optional()
    .describe('false, or a list of texts and patterns'),
  phases: z.record(z.string(), z.instanceof(RegExp)).optional().describe('an object of patterns'),
  media: z.array(Medium).optional().describe('a list of media'),
  prepare: z.custom<GuestDefinition['prepare']>((value) => typeof value === 'function').optional(),
  hostTimeout: z.string().optional().describe("a time, as in '10m'"),
  heavy: Name.optional(),
})

/**
 * What a `guest.ts` exports as its default.
 * @throws GuestError with one sentence that names what is wrong.
 */
export function defineGuest(definition: GuestDefinition): Guest {
  const checked = Definition.safeParse(definition)
  if (!checked.success) {
    const words = schemaWords(Definition, definition, checked.error, { whole: 'the guest', nearest })
    throw new GuestError(`guest '${definition?.name ?? '?'}': ${words}`)
  }
  try {
    readGuest(withoutBios(definition.machine))
  } catch (error) {
    throw new GuestError(`guest '${definition.name}': ${(error as Error).message}`)
  }
  const names = definition.levels.map((level) => level.name)
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice) throw new GuestError(`guest '${definition.name}': the level '${twice}' is there twice`)
  for (const level of definition.levels) {
    try {
      levelSteps(level)
    } catch (error) {
      throw new GuestError(`guest '${definition.name}', level '${level.name}': ${(error as Error).message}`)
    }
  }
  return definition
}

/** Beside this file in source and in dist alike. */
const GUESTS = fileURLToPath(new URL('../../guests/', import.meta.url))
const EXTENSION = extname(fileURLToPath(import.meta.url))

/** The names of the project's own guests. */
export function guestNames(): string[] {
  if (!existsSync(GUESTS)) return []
  return readdirSync(GUESTS)
    .filter((name) => existsSync(join(GUESTS, name, `guest${EXTENSION}`)))
    .sort()
}

/**
 * Loads one of the project's own guests by name, or a user's by path: a `.js` or `.ts` file that exports a guest as its
 * default, or a folder with a `guest.js` or `guest.ts`.
 * @throws GuestError
 */
export async function loadGuest(nameOrPath: string): Promise<Guest> {
  const file = guestFile(nameOrPath)
  const loaded = (await importModule(file)) as { default?: GuestDefinition }
  if (typeof loaded.default !== 'object' || loaded.default === null)
    throw new GuestError(`${file} exports no guest; it needs "export default defineGuest({ … })"`)
  return defineGuest(loaded.default)
}

function guestFile(nameOrPath: string): string {
  if (!isPath(nameOrPath)) {
    const own = join(GUESTS, nameOrPath, `guest${EXTENSION}`)
    if (existsSync(own)) return own
    if (existsSync(nameOrPath))
      throw new GuestError(`there is no guest '${nameOrPath}'; did you mean './${nameOrPath}'?`)
    const near = nearest(nameOrPath, guestNames())
    if (!near && nameOrPath.includes('.'))
      throw new GuestError(`there is no file and no guest '${nameOrPath}'; check the path`)
    throw new GuestError(
      `there is no guest '${nameOrPath}'; ${near ? `did you mean '${near}'? ` : ''}` +
        `guests are ${guestNames().join(', ')}, or the path of a guest.js`,
    )
  }
  const path = resolve(nameOrPath)
  if (!existsSync(path)) throw new GuestError(`the guest ${nameOrPath} does not exist; check the path`)
  if (!statSync(path).isDirectory()) return path
  const inside = ['guest.js', 'guest.ts', 'guest.mjs'].map((name) => join(path, name)).find((name) => existsSync(name))
  if (inside) return inside
  throw new GuestError(`the folder ${nameOrPath} has no guest.js and no guest.ts`)
}

function isPath(text: string): boolean {
  return isAbsolute(text) || /[/\\]/.test(text) || /\.[cm]?[jt]s$/.test(text)
}

async function importModule(file: string): Promise<unknown> {
  const url = pathToFileURL(file).href
  try {
    return await import(url)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_UNKNOWN_FILE_EXTENSION') throw unloadable(file, error)
  }
  // Node before 22.18 does not load TypeScript by itself.
  let tsx: { tsImport(specifier: string, parent: string): Promise<unknown> }
  try {
    tsx = await import('tsx/esm/api')
  } catch {
    throw new GuestError(`${file} is TypeScript, which this Node does not load: compile it, or install the package tsx`)
  }
  try {
    return await tsx.tsImport(url, import.meta.url)
  } catch (error) {
    throw unloadable(file, error)
  }
}

function unloadable(file: string, error: unknown): GuestError {
  // Node's words where a package.json above says "type": "commonjs", as npm init writes it.
  if (error instanceof SyntaxError && /outside a module|Unexpected token 'export'/.test(error.message))
    return new GuestError(
      `${file} is an ES module in a CommonJS project; call it ${file.replace(/\.[jt]s$/, '.mjs')}, or say "type": "module" in the project's package.json`,
    )
  if (error instanceof GuestError) return error
  if ((error as NodeJS.ErrnoException | undefined)?.code === 'EACCES')
    return new GuestError(`${file} may not be read by this user; make it readable (chmod u+r)`)
  const { message = String(error), stack = '' } = error instanceof Error ? error : {}
  const place = placeOf(stack) ?? (error instanceof SyntaxError ? placeOfSyntaxError(file) : undefined) ?? file
  return new GuestError(`${place} cannot be loaded: ${message.split('\n')[0]}`)
}

/** The file and line that a stack begins with: of the guest, or of what it imports. */
function placeOf(stack: string): string | undefined {
  const place = /(file:\/\/\/[^\s()]+?|(?<=[\s(]|^)\/[^\s()]+?):(\d+)(?=[:\s)]|$)/m.exec(stack)
  if (!place) return undefined
  const [, file, line] = place
  return `${file.startsWith('file:') ? fileURLToPath(file.split('?')[0]) : file}:${line}`
}

/** Node tells where an ES module breaks off only as it prints the error. */
function placeOfSyntaxError(file: string): string | undefined {
  const { stderr } = spawnSync(process.execPath, ['--check', file], { encoding: 'utf8' })
  return stderr.startsWith(file) ? placeOf(stderr.split('\n')[0]) : undefined
}

/** What is typed and waited for to reach a level. */
export function levelSteps(level: Level): Step[] {
  const timeoutNs = parseDuration(level.timeout ?? '5m')
  return [
    ...(level.keys === undefined ? [] : parseBootCommand(level.keys, { source: 'its keys' })),
    { kind: 'until', condition: level.until, timeoutNs },
  ]
}

/** A BIOS that is a medium has no path yet. */
function withoutBios({ bios, ...machine }: GuestDefinition['machine']): { [name: string]: unknown } {
  return typeof bios === 'object' ? machine : { ...machine, bios }
}

/** All levels, one after the other. */
export function guestSteps(guest: Guest): Step[] {
  return guest.levels.flatMap(levelSteps)
}

/** The guest's media and where they come from, in words. */
export function guestMedia(guest: Guest): string[] {
  return allMedia(guest).map(describeMedium)
}

export function allMedia(guest: Guest): GuestMedium[] {
  const { floppies = [], cdrom, disks = [], kernel, bios } = guest.machine
  const rom = typeof bios === 'object' ? bios : undefined
  const modules = kernel?.modules?.map(({ file }) => file) ?? []
  const images = disks.filter((disk) => 'kind' in disk)
  return [rom, ...floppies, cdrom, ...images, kernel?.image, kernel?.initrd, ...modules, ...(guest.media ?? [])].filter(
    (medium) => medium !== undefined,
  )
}

/**
 * The guest's machine with its media found, or built, on this host.
 * @throws MissingMediaError with what is missing and how to get it.
 */
export async function guestMachine(guest: Guest): Promise<MachineConfig> {
  await prepared(guest)
  const { floppies = [], cdrom, disks = [], kernel, bios, ...options } = guest.machine
  const path = (medium: GuestMedium) => findMedium(medium, guest.heavy ? `${SETUP_COMMAND} --all` : SETUP_COMMAND)
  const find = async (medium: GuestMedium) => ({ path: await path(medium) })
  return {
    ...readGuest({ ...options, bios: typeof bios === 'object' ? await path(bios) : bios }),
    floppies: await Promise.all(floppies.map(find)),
    cdrom: cdrom && (await find(cdrom)),
    disks: await Promise.all(disks.map((disk) => diskConfig(disk, 'machine.disks size', path))),
    kernel: kernel && {
      path: await path(kernel.image),
      initrd: kernel.initrd && (await path(kernel.initrd)),
      modules:
        kernel.modules &&
        (await Promise.all(kernel.modules.map(async ({ file, append }) => ({ path: await path(file), append })))),
      append: kernel.append,
    },
  }
}

async function prepared({ prepare, name }: Guest): Promise<void> {
  try {
    await prepare?.((words) => process.stderr.write(`bootwright: ${name}: ${words}\n`))
  } catch (error) {
    if (errorKind(error) !== 'host') throw error
    throw new MissingMediaError((error as Error).message)
  }
}
