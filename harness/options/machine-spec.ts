/**
 * Every option of a machine, one row each. The command line with its help and completion, QEMU's words, `launch()` and
 * `test.use()`, guests' definitions, what codegen writes, what a snapshot's machine may be told, snapshot files,
 * recordings, stages' keys and the matrix read this table; a new option is a row here and a field of `MachineConfig`.
 * The file is longer than others, because it is one table, a row an option.
 */
import * as z from 'zod'
import { CpuModelError, parseCpu } from '../../machine/cpu/models.js'
import type { DeviceSpec } from '../../machine/devices/catalogue.js'
import { MAX_CPUS } from '../../machine/machine.js'
import type { KernelConfig, MachineConfig } from '../config/machine-config.js'
import { parseByteSize, parseMemorySize } from '../units/memory-size.js'
import { nearest } from '../words/nearest.js'
import { parseBoot } from './boot-words.js'
import { DeviceValue, type DeviceWords, readDevice, readVga, SavedDevice, vgaNames } from './device-words.js'
import { CD_PLACE, DISK_PLACE, IMAGE_FORMAT, LARGEST_DISK } from './drive-words.js'
import type { CdConfig, DiskConfig, MediumConfig } from './media-config.js'
import { NetworkValue, type NetworkWords, readNetwork, SavedNetwork } from './network-words.js'
import { NicValue, type NicWords, readNics, SavedNic } from './nic-words.js'
import { OptionError } from './option-error.js'
import { readSymbolWords, SavedSymbols, SymbolValue, type SymbolWords } from './symbol-words.js'

export const ENGINES = ['auto', 'kvm', 'soft'] as const
export type EngineName = (typeof ENGINES)[number]
export const FIRMWARE = ['bios', 'uefi', 'uefi-secure'] as const
export const MAX_FLOPPIES = 2
export const MAX_DISKS = 16

/** The options as `launch()` takes them. `M`, `D`: what may stand for a medium and for a disk there. */
export interface MachineValues<M = MediumConfig, D = DiskConfig> {
  /** A: and B:; in place of the guest's. */
  floppy?: M | readonly M[]
  cdrom?: M | CdConfig
  /** Images, or empty disks as in `{ size: '8G' }`; with `if: 'virtio'`, `index`, `id` and `serial` where they are plugged in. */
  disks?: D | readonly D[]
  /** A Linux bzImage or a Multiboot image. */
  kernel?: string
  /** For a Multiboot kernel its modules as QEMU takes them: `vmlinuz console=hvc0,initrd.gz`. */
  initrd?: string
  /** The kernel's command line. */
  append?: string
  /**
   * Letters of a (floppy), c (disk), d (CD), n (network), or with the firmware's menu as in `order=dc,menu=on`; with
   * `splash-time=` in ms, and `fd-check=off`.
   */
  boot?: string
  /** false: a floppy is started also where its first sector does not end in 55AAh. */
  fdCheck?: boolean
  /** A BIOS image in place of the host's SeaBIOS. */
  bios?: string
  /**
   * `bios`, the host's SeaBIOS, by default; `uefi`, its OVMF, whose variables are the machine's own and in its snapshots; or
   * `uefi-secure`, the same with Microsoft's keys and Secure Boot on.
   */
  firmware?: string
  /** Default `auto`. */
  engine?: EngineName
  /** The soft engine's CPU, as in `pentium3,+sse2`. */
  cpu?: string
  /** CPUs, 1 to 32; several run on the soft engine. Default 1 or what the guest says. */
  smp?: number
  /** MiB, or with a unit as in `64M` or `1G`; default 128 MiB or what the guest says. */
  memory?: string | number
  /**
   * Most that the guest may change on a medium that is not written in place, as in `2G`; a write beyond fails as on a
   * broken disk. Default: as much as the folder for temporary files has room for.
   */
  overlayLimit?: string | number
  /** The display adapter: `std`, `none`, or a type of `bootwright devices`. Default `std`. */
  vga?: string
  /** Further devices: `isa-debug-exit,iobase=0x501`, or `{ type, id, options }`; `bootwright devices` lists them. */
  devices?: DeviceWords | readonly DeviceWords[]
  /** Network cards: `e1000`, `e1000,net=none,mac=52:54:00:12:34:56,pcap=F`, or `{ type, net, mac, pcap, link, id, options }`. */
  nic?: NicWords | readonly NicWords[]
  /** What the LAN serves by HTTP and TFTP: `{ http: { '/preseed.cfg': 'preseed.cfg', '/x': (request) => 'text' }, tftp: 'folder' }`. */
  network?: NetworkWords
  /** RTC at power-on, seconds since 1970 UTC. */
  epoch?: number
  /**
   * Files with the names and source lines of what the guest runs: ELF, PE, `System.map`, `/proc/kallsyms`; with
   * `@ADDRESS` behind it, or `{ path, at }`, where the guest has it. A Multiboot kernel's own are known without.
   */
  symbols?: SymbolWords | readonly SymbolWords[]
  /** ELF files with line tables: which of their lines the guest executes is kept, for `bootwright coverage`. Soft engine. */
  coverage?: SymbolWords | readonly SymbolWords[]
}

/** A machine in part: what one option says of it. */
export type MachinePart = Omit<MachineConfig, 'kernel' | 'firmware' | 'record'> & {
  kernel?: Partial<KernelConfig>
  firmware?: Partial<NonNullable<MachineConfig['firmware']>>
}

export interface Flag {
  /** `--smp`; one that begins with `--no-` stands alone. */
  long: string
  short?: string
  /** Of its value, as in `<n>`. */
  value?: string
  help: string
  /** May be given several times. */
  many?: true
  /** Values that a shell completes. */
  choices?: () => readonly string[]
  /** QEMU's options with a value, without their dash, that are this one: what it makes of theirs. */
  qemu?: { readonly [option: string]: (value: string) => string }
}

export interface MachineOption<V = unknown> {
  readonly flag: Flag
  /** The value of `launch()` for what was typed; by default the text. undefined: it says nothing. */
  fromText?(text: string, where: string): V | undefined
  /** Its name in a guest's `machine`, where that differs; false: guests say it by where their media come from. */
  readonly guest?: string | false
  /** What the value is for `launch()` and guests; its description says it in words. `media` are looked at by who finds them. */
  readonly schema: z.ZodType | 'media'
  /** What it says of the machine. Throws an OptionError. */
  read(value: V, where: string): MachinePart
  /** A snapshot's machine has its own, or may be given another. */
  readonly snapshot: 'own' | 'may change'
  /** Its part of MachineConfig, as snapshot files and recordings name it; several options may share a field. */
  readonly saved: { readonly [field in keyof MachinePart]?: z.ZodType }
  /** Its part of a stage's key; by default its fields. Contents of files are in the key by their hashes. */
  stageKey?(config: MachineConfig): unknown
  /** What the matrix calls a machine that has it otherwise than the standard PC. */
  column?(config: MachinePart): string | undefined
}

/** What of a medium is in a stage's key by its contents' hash. */
const SAID_BY_HASH = ['path', 'write']

type MachineTable = { readonly [name in keyof MachineValues]-?: MachineOption<NonNullable<MachineValues[name]>> }

const same = (value: string) => value
export const Path = z
  .string()
  .min(1)
  .max(4096)
  .refine((path) => !path.includes('\0'), 'a path cannot hold a zero byte')
const Text = z.string().max(1 << 20)
/** `write` is left out: a file does not say what is to be written. */
export const SavedMedium = z.object({ path: Path, format: IMAGE_FORMAT, readonly: z.boolean().optional() })
const SavedDisk = z.union([
  SavedMedium.extend(DISK_PLACE),
  z.object({ size: z.int().min(512).max(LARGEST_DISK), ...DISK_PLACE }),
])
const SavedKernel = z.object({
  path: Path,
  initrd: Path.optional(),
  modules: z
    .array(z.object({ path: Path, append: Text.optional() }))
    .max(64)
    .optional(),
  append: Text.optional(),
})

const SavedFirmware = z.object({
  bios: Path.optional(),
  vgaBios: Path.optional(),
  uefi: z.boolean().optional(),
  secureBoot: z.boolean().optional(),
  variables: Path.optional(),
})

function list<T>(value: T | readonly T[]): T[] {
  return Array.isArray(value) ? [...(value as readonly T[])] : [value as T]
}

export const MACHINE_OPTIONS: MachineTable = {
  floppy: {
    flag: { long: '--floppy', value: '<file>', help: 'floppy image for A:, the second one for B:', many: true },
    guest: false,
    schema: 'media',
    read(value, where) {
      const floppies = list(value)
      if (floppies.length > MAX_FLOPPIES)
        throw new OptionError(`${where} was given ${floppies.length} times; a PC has two floppy drives, A: and B:`)
      return { floppies }
    },
    snapshot: 'may change',
    saved: { floppies: z.array(SavedMedium).max(MAX_FLOPPIES) },
    stageKey: ({ floppies = [] }) =>
      floppies.some(({ readonly }) => readonly) ? floppies.map(({ readonly = false }) => readonly) : undefined,
  },
  cdrom: {
    flag: { long: '--cdrom', value: '<file>', help: 'ISO image', qemu: { cdrom: same } },
    guest: false,
    schema: 'media',
    read: (cdrom) => ({ cdrom }),
    snapshot: 'may change',
    saved: { cdrom: SavedMedium.extend(CD_PLACE) },
    stageKey: ({ cdrom }) => cdrom?.index,
  },
  disks: {
    flag: { long: '--disk', value: '<file>', help: 'hard disk image, on IDE; several times', many: true },
    guest: false,
    schema: 'media',
    read(value, where) {
      const disks = list(value)
      if (disks.length > MAX_DISKS)
        throw new OptionError(`${where} was given ${disks.length} times; there is room for ${MAX_DISKS} disks`)
      return { disks }
    },
    snapshot: 'may change',
    saved: { disks: z.array(SavedDisk).max(MAX_DISKS) },
    stageKey: ({ disks }) =>
      disks?.some((disk) => Object.keys(disk).some((name) => !SAID_BY_HASH.includes(name)))
        ? disks.map((disk) => ({ ...disk, path: undefined, write: undefined }))
        : undefined,
    column: ({ disks = [] }) =>
      [...new Set(disks.flatMap((disk) => (disk.if && disk.if !== 'none' ? `${disk.if} disk` : [])))].join(', ') ||
      undefined,
  },
  kernel: {
    flag: {
      long: '--kernel',
      value: '<file>',
      help: 'Linux bzImage or Multiboot image to start directly',
      qemu: { kernel: same },
    },
    guest: false,
    schema: z.string().describe('the path of a kernel'),
    read: (path) => ({ kernel: { path } }),
    snapshot: 'may change',
    saved: { kernel: SavedKernel },
    stageKey: () => undefined,
  },
  initrd: {
    flag: {
      long: '--initrd',
      value: '<file>',
      help: 'initial RAM disk for the kernel; for a Multiboot kernel its modules: FILE ARGUMENTS,FILE …',
      qemu: { initrd: same },
    },
    guest: false,
    schema: z.string().describe('the path of an initrd'),
    read: (initrd) => ({ kernel: { initrd } }),
    snapshot: 'may change',
    saved: { kernel: SavedKernel },
    stageKey: () => undefined,
  },
  append: {
    flag: { long: '--append', value: '<string>', help: "the kernel's command line", qemu: { append: same } },
    guest: false,
    schema: z.string().describe("the kernel's command line"),
    read: (append) => ({ kernel: { append } }),
    snapshot: 'own',
    saved: { kernel: SavedKernel },
    stageKey: ({ kernel }) => [kernel?.append, ...(kernel?.modules ?? []).map(({ append }) => append)],
  },
  boot: {
    flag: {
      long: '--boot',
      value: '<order>',
      help: "drives to boot from: letters of a (floppy), c (disk), d (CD), n (network); with the firmware's menu: order=adc,menu=on; fd-check=off starts a floppy without 55AAh",
      qemu: { boot: same },
    },
    schema: z.string().describe('letters of a (floppy), c (disk), d (CD), n (network), or as in order=dc,menu=on'),
    read: parseBoot,
    snapshot: 'own',
    saved: {
      bootOrder: z.string().regex(/^[acdn]{1,3}$/),
      bootMenu: z.object({ waitMs: z.number().min(0).max(0xffff).optional() }),
      floppyCheck: z.boolean(),
    },
  },
  fdCheck: {
    flag: { long: '--no-fd-check', help: 'start a floppy also where its first sector does not end in 55AAh' },
    schema: z.boolean().describe('true or false'),
    read: (floppyCheck) => ({ floppyCheck }),
    snapshot: 'own',
    saved: { floppyCheck: z.boolean() },
  },
  bios: {
    flag: {
      long: '--bios',
      value: '<file>',
      help: "BIOS image in place of the host's SeaBIOS",
      qemu: { bios: same },
    },
    schema: z.string().describe('the path of a BIOS image'),
    read: (bios) => ({ firmware: { bios } }),
    snapshot: 'own',
    saved: { firmware: SavedFirmware },
    stageKey: () => undefined,
  },
  firmware: {
    flag: {
      long: '--firmware',
      value: '<kind>',
      help: "bios, the host's SeaBIOS; uefi, its OVMF; or uefi-secure, which starts only what is signed (default: bios)",
      choices: () => FIRMWARE,
    },
    schema: z.string().describe("'bios', 'uefi' or 'uefi-secure'"),
    read: (kind, where) => ({ firmware: readFirmwareKind(kind, where) }),
    snapshot: 'own',
    saved: { firmware: SavedFirmware },
    stageKey: ({ firmware }) => (firmware?.secureBoot ? 'secure' : (firmware?.uefi ?? false)),
    column: ({ firmware }) => (firmware?.secureBoot ? 'UEFI Secure Boot' : firmware?.uefi ? 'UEFI' : undefined),
  },
  engine: {
    flag: {
      long: '--engine',
      value: '<engine>',
      help: 'auto, kvm or soft (default: auto)',
      choices: () => ENGINES,
      qemu: { accel: (value) => value.split(',')[0].replace(/^tcg$/, 'soft') },
    },
    // On what a guest is run is asked of who runs it.
    guest: false,
    schema: z.string().describe('auto, kvm or soft'),
    fromText: (text, where) => (readEngine(text, where) === 'auto' ? undefined : (text as EngineName)),
    read: (engine, where) => ({ engine: readEngine(engine, where) }),
    snapshot: 'may change',
    saved: { engine: z.enum(ENGINES) },
  },
  cpu: {
    flag: {
      long: '--cpu',
      value: '<model>',
      help: "the soft engine's CPU: a model and changes to it, as in pentium3,+sse2 (default: max)",
      qemu: { cpu: same },
    },
    schema: z.string().describe("a CPU model, as in 'pentium3,+sse2'"),
    read(cpu, where) {
      try {
        parseCpu(cpu)
      } catch (error) {
        if (error instanceof CpuModelError) throw new OptionError(`${where} '${cpu}': ${error.message}`)
        throw error
      }
      return { cpu }
    },
    snapshot: 'own',
    saved: { cpu: Text },
  },
  smp: {
    flag: {
      long: '--smp',
      value: '<n>',
      help: 'how many CPUs (default: 1; several run on the soft engine)',
      qemu: { smp: same },
    },
    guest: 'cpus',
    schema: z.number().describe(`a whole number from 1 to ${MAX_CPUS}`),
    fromText: parseSmp,
    read(cpus, where) {
      if (!Number.isInteger(cpus) || cpus < 1 || cpus > MAX_CPUS)
        throw new OptionError(`${where} '${cpus}' is no number of CPUs; give 1 to ${MAX_CPUS}`)
      return { cpus }
    },
    snapshot: 'own',
    saved: { cpus: z.int().min(1).max(MAX_CPUS) },
  },
  memory: {
    flag: {
      long: '--memory',
      short: '-m',
      value: '<size>',
      help: 'RAM: MiB, or with a unit as in 512M or 1G (default: 128M)',
      qemu: { m: (value) => value.replace(/^size=/, '').split(',')[0] },
    },
    schema: z.union([z.string(), z.number()]).describe("MiB as a number, or with a unit as in '512M' or '1G'"),
    read(size, where) {
      try {
        return { memory: parseMemorySize(size, where) }
      } catch (error) {
        throw new OptionError((error as Error).message)
      }
    },
    snapshot: 'own',
    saved: {
      memory: z
        .int()
        .min(1 << 20)
        .max(3 * 2 ** 30)
        .multipleOf(1 << 20),
    },
  },
  overlayLimit: {
    flag: {
      long: '--overlay-limit',
      value: '<size>',
      help: 'most that the guest may change on a medium that is not written in place, as in 2G (default: what there is room for)',
    },
    schema: z.union([z.string(), z.number()]).describe("MiB as a number, or with a unit as in '512M' or '2G'"),
    read(size, where) {
      try {
        return { overlayLimit: parseByteSize(size, where) }
      } catch (error) {
        throw new OptionError((error as Error).message)
      }
    },
    snapshot: 'may change',
    saved: { overlayLimit: z.number().min(0) },
  },
  vga: {
    flag: {
      long: '--vga',
      value: '<adapter>',
      help: "display adapter: std, none or a type of 'bootwright devices' (default: std)",
      choices: vgaNames,
      qemu: { vga: same },
    },
    schema: z.string().describe("a display adapter, as in 'std' or 'none'"),
    read: (word, where) => ({ vga: readVga(word, where) }),
    snapshot: 'own',
    saved: { vga: z.string().max(64) },
    column: ({ vga }) => (vga === undefined || vga === 'VGA' ? undefined : vga === 'none' ? 'no display' : vga),
  },
  devices: {
    flag: {
      long: '--device',
      value: '<device>',
      help: "a device to plug in, as in isa-debug-exit,iobase=0x501; several times; 'bootwright devices' lists them",
      many: true,
      qemu: { device: same },
    },
    schema: z
      .union([DeviceValue, z.array(DeviceValue)])
      .describe("a list of devices as in 'isa-debug-exit,iobase=0x501'"),
    read(value, where) {
      const devices = list(value).map((device) => readDevice(device, where))
      const ids = devices.flatMap(({ id }) => id ?? [])
      const twice = ids.find((id, i) => ids.indexOf(id) !== i)
      if (twice !== undefined) throw new OptionError(`${where}: two devices have the id '${twice}'; give one another`)
      return { devices }
    },
    snapshot: 'own',
    saved: { devices: z.array(SavedDevice).max(64) },
    column: ({ devices = [] }) => devices.map(deviceName).join(', ') || undefined,
  },
  nic: {
    flag: {
      long: '--nic',
      value: '<card>',
      help: 'a network card on a LAN of its own: TYPE, and after commas net=user (with a way out; hostfwd=, guestfwd=, allow=, restrict=on) or net=none, mac=, pcap=FILE, link=off, ipv4=off, ipv6=off, id=; several times',
      many: true,
    },
    schema: z.union([NicValue, z.array(NicValue)]).describe("a list of network cards as in 'e1000,net=lan'"),
    read: (value, where) => ({ nics: readNics(list(value), where) }),
    snapshot: 'own',
    saved: { nics: z.array(SavedNic).max(64) },
    stageKey: ({ nics }) => nics?.map(({ pcap: _, ...nic }) => nic),
    column: ({ nics = [] }) => nics.map(({ type }) => type).join(', ') || undefined,
  },
  network: {
    flag: {
      long: '--http',
      value: '<path=file>',
      help: 'a file or a folder that the LAN serves at http://10.0.2.2, as in /preseed.cfg=preseed.cfg; several times',
      many: true,
    },
    schema: NetworkValue,
    read: (value, where) => ({ network: readNetwork(value, where) }),
    snapshot: 'may change',
    saved: { network: SavedNetwork },
    // Files are in the key by their contents, wherever they are.
    stageKey: ({ network }) =>
      network && {
        http: Object.entries(network.http ?? {}).map(([path, served]) => [path, 'path' in served ? 'files' : served]),
        bootFiles: network.bootFiles,
      },
  },
  epoch: {
    flag: {
      long: '--epoch',
      value: '<time>',
      help: "the clock's time at power-on, UTC: seconds since 1970, or as in 2026-01-31T12:00:00",
      qemu: { rtc: (value) => /(?:^|,)base=([^,]*)/.exec(value)?.[1] ?? 'utc' },
    },
    schema: z.number().describe('seconds since 1970 UTC'),
    fromText: parseEpoch,
    read(epoch, where) {
      if (!Number.isFinite(epoch) || Math.abs(epoch) > 2 ** 40)
        throw new OptionError(`${where} '${epoch}' is no time; give seconds since 1970 UTC`)
      return { epoch }
    },
    snapshot: 'own',
    saved: {
      epoch: z
        .number()
        .min(-(2 ** 40))
        .max(2 ** 40),
    },
  },
  symbols: {
    flag: {
      long: '--symbols',
      value: '<file>',
      help: 'names and source lines for what fails: ELF, PE, System.map or kallsyms; FILE@ADDRESS where the guest has it; several times',
      many: true,
    },
    schema: z
      .union([SymbolValue, z.array(SymbolValue)])
      .describe("a list of files with symbols, as in 'vmlinux' or 'kernel.elf@0x100000'"),
    read: (value, where) => ({ symbols: list(value).map((one) => readSymbolWords(one, where)) }),
    snapshot: 'may change',
    saved: { symbols: z.array(SavedSymbols).max(64) },
  },
  coverage: {
    flag: {
      long: '--coverage',
      value: '<elf>',
      help: "keep which lines of this program the guest executes, for 'bootwright coverage'; ELF with line tables; several times",
      many: true,
    },
    schema: z
      .union([SymbolValue, z.array(SymbolValue)])
      .describe("a list of ELF files with line tables, as in 'vmlinux' or 'module.elf@0x200000'"),
    read: (value, where) => ({ coverage: list(value).map((one) => readSymbolWords(one, where)) }),
    snapshot: 'may change',
    saved: { coverage: z.array(SavedSymbols).max(64) },
  },
}

export type MachineOptionName = keyof MachineValues

/** The rows in their order, by name. */
export const MACHINE_ROWS = Object.entries(MACHINE_OPTIONS) as [MachineOptionName, MachineOption][]

function readFirmwareKind(kind: string, where: string): { uefi?: boolean; secureBoot?: boolean } {
  if (kind === 'uefi') return { uefi: true }
  if (kind === 'uefi-secure') return { uefi: true, secureBoot: true }
  if (kind === 'bios') return {}
  const near = nearest(kind, FIRMWARE)
  throw new OptionError(
    `${where} '${kind}' is unknown; ${near ? `did you mean '${near}'? ` : ''}it is bios, uefi or uefi-secure`,
  )
}

function readEngine(text: string, where: string): EngineName {
  const engine = ENGINES.find((known) => known === text)
  if (engine) return engine
  const near = nearest(text, ENGINES)
  throw new OptionError(
    `${where} '${text}' is unknown; ${near ? `did you mean '${near}'? ` : ''}engines are auto, kvm and soft`,
  )
}

/** `4`, or QEMU's `cpus=4` and `4,sockets=1,cores=4`; how they are grouped is nothing that guests see here. */
function parseSmp(text: string, where: string): number {
  const wrong = () => new OptionError(`${where} '${text}' is no number of CPUs; give 1 to ${MAX_CPUS}`)
  const given = new Map<string, number>()
  for (const part of text.split(',')) {
    const [, name = 'cpus', count] = /^(?:(cpus|maxcpus|sockets|dies|clusters|cores|threads)=)?(\d+)$/.exec(part) ?? []
    if (count === undefined || given.has(name)) throw wrong()
    given.set(name, Number(count))
  }
  const groups = ['sockets', 'dies', 'clusters', 'cores', 'threads']
  const cpus = given.get('cpus') ?? groups.reduce((product, name) => product * (given.get(name) ?? 1), 1)
  if (cpus < 1 || cpus > MAX_CPUS) throw wrong()
  return cpus
}

function parseEpoch(text: string, where: string): number | undefined {
  if (text === 'utc') return undefined
  if (text === 'localtime')
    throw new OptionError(`${where} localtime would be another time in every run; give a date as 2026-01-31T12:00:00`)
  if (/^-?\d+(\.\d+)?$/.test(text)) return Number(text)
  const ms = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?)?$/.test(text)
    ? Date.parse(text.length > 10 ? `${text}Z` : text)
    : Number.NaN
  if (Number.isNaN(ms))
    throw new OptionError(
      `${where} '${text}' is no time; give seconds since 1970 UTC, or a date as 2026-01-31T12:00:00`,
    )
  return ms / 1000
}

/** `isa-debug-exit,iobase=1281`. */
function deviceName({ type, options = {} }: DeviceSpec): string {
  return [type, ...Object.entries(options).map(([name, value]) => `${name}=${value}`)].join(',')
}
