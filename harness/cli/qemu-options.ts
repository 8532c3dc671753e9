/**
 * QEMU's own options for what `run` and `codegen` have as well, so that what its users' hands know works:
 * `bootwright run -hda disk.img -cdrom install.iso -boot d -m 512 -nographic`.
 */
import { commaParts, joined } from '../options/device-words.js'
import { nicFromQemu, oldNicFromQemu, type QemuNic } from '../options/qemu-nic-words.js'
import { FLAGS } from '../options/read-options.js'
import { UsageError } from './errors.js'
import { GDB_PORT } from './gdb-options.js'
import { inWords } from './run-options.js'

const toFloppy = (file: string) => ['--floppy', file]
const toDisk = (file: string) => ['--disk', file]

/** The machine's options: what QEMU's are, the table says. */
const OF_TABLE: { readonly [name: string]: (value: string) => string[] } = Object.fromEntries(
  FLAGS.flatMap(({ long, short, qemu = {} }) =>
    Object.entries(qemu).map(([name, translate]) => [name, (value: string) => [short ?? long, translate(value)]]),
  ),
)
/** This command's own with two dashes. */
const OWN = [...FLAGS.map(({ long }) => long.slice(2)), 'vnc', 'gdb', 'serial', 'debugcon', 'snapshot']

/** By name without its dash: what stands for the option and its value. */
const WITH_VALUE: { readonly [name: string]: (value: string) => string[] } = {
  ...{ fda: toFloppy, fdb: toFloppy, hda: toDisk, hdb: toDisk, hdc: toDisk, hdd: toDisk },
  ...OF_TABLE,
  vnc: (value) => ['--vnc', value],
  gdb: (value) => ['--gdb', value],
  d: (value) => ['--log', value],
  D: (value) => ['--log-file', value],
  dfilter: (value) => ['--log-range', value],
  debugcon: (value) => ['--debugcon', value],
  display: (value) => display(value),
  k: (value) => ['--layout', value],
  virtfs: (value) => sharedFolder(value, folderOf('-virtfs', value)),
  nic: (value) => card(inWords(() => nicFromQemu(value, '-nic'))),
  net: (value) => card(inWords(() => oldNicFromQemu(value, '-net'))),
  // What a run's host and its reports are called is nothing that the guest sees.
  ...{ name: nothing, pidfile: nothing, icount: nothing },
  machine: (value) => machine('machine', value),
  M: (value) => machine('M', value),
  monitor: (value) => (value === 'none' ? [] : ['--monitor', value]),
  qmp: (value) => ['--qmp', value],
}

const NO_MONITOR = '--monitor unix:PATH is a monitor, and --qmp unix:PATH the same for programs'
const NO_TRACE = '--log io,irq,int tells what the machine does; --log help lists what there is'
const NO_SOUND = 'this machine has no sound card yet; leave it out'
const NO_USB = 'this machine has no USB; its keyboard and mouse are PS/2, so leave it out'
const NO_WINDOW = '--ui shows the screen in the browser, --vnc to a VNC viewer'
const NO_MIGRATION = '--snapshot F goes on from what --save-snapshot F wrote'
const FIRMWARE =
  '--bios FILE is another BIOS, and BOOTWRIGHT_FIRMWARE names a folder with bios-256k.bin and vgabios-stdvga.bin'
const SAME_HARDWARE = 'the machine is the same one in every run; leave it out'
const LINUX_ALONE = 'a kernel is started directly by --kernel, --initrd and --append'

/** QEMU's options that nothing here stands for: what to do in their place. */
const REFUSED: { readonly [name: string]: string } = {
  ...{ trace: NO_TRACE, msg: NO_TRACE },
  ...{ L: FIRMWARE, pflash: FIRMWARE, 'option-rom': FIRMWARE },
  ...{ soundhw: NO_SOUND, audio: NO_SOUND, audiodev: NO_SOUND },
  ...{ usb: NO_USB, usbdevice: NO_USB },
  ...{ sdl: NO_WINDOW, gtk: NO_WINDOW, curses: NO_WINDOW, 'full-screen': NO_WINDOW, spice: NO_WINDOW },
  ...{ loadvm: NO_MIGRATION, incoming: NO_MIGRATION },
  'qmp-pretty': NO_MONITOR,
  ...{ dtb: LINUX_ALONE, shim: LINUX_ALONE },
  ...{ singlestep: NO_TRACE, global: 'a device takes its properties by --device TYPE,PROPERTY=VALUE' },
  ...{
    uuid: SAME_HARDWARE,
    smbios: SAME_HARDWARE,
    fw_cfg: SAME_HARDWARE,
    acpitable: SAME_HARDWARE,
    numa: SAME_HARDWARE,
  },
  ...{ 'no-acpi': SAME_HARDWARE, 'no-hpet': SAME_HARDWARE, 'mem-path': SAME_HARDWARE, 'mem-prealloc': SAME_HARDWARE },
  'watchdog-action': 'a watchdog ends the run, and --device i6300esb,action=… says how it may do otherwise',
  sd: 'this machine has no SD card; give the image by --disk',
  mtdblock: 'this machine has no flash memory; give the image by --disk',
  blockdev: 'give the image by -drive file=PATH, --disk, --cdrom or --floppy',
  object: "a card's frames are kept by its pcap=FILE, as in --nic e1000,pcap=FILE; of other objects leave it out",
  parallel: 'what a guest prints is not kept; leave it out',
  'no-shutdown': "a guest's power-off ends the run; --screenshot keeps its last picture, --save-snapshot the machine",
  daemonize: "add '&' for the background",
  smb: 'there is no way out of the machine; give the guest its files on an image: --disk or --cdrom',
}

const ALONE: { readonly [name: string]: readonly string[] } = {
  s: ['--gdb', `:${GDB_PORT}`],
  S: ['--paused'],
  nographic: ['--serial', 'stdio'],
  nodefaults: [],
  'no-user-config': [],
  'enable-kvm': ['--engine', 'kvm'],
  'no-reboot': ['--until-exit'],
  'no-fd-bootchk': ['--no-fd-check'],
  // Nothing is written without --write.
  snapshot: [],
}

/** What options name and others use: folders of `-fsdev`, and where the characters of `-chardev` go. */
class Named {
  private readonly folders = new Map<string, string>()
  private readonly places = new Map<string, string>()

  readonly options: { readonly [name: string]: (value: string) => string[] } = {
    ...{ fsdev: nothing, chardev: nothing },
    device: (value) => this.device(value),
    serial: (value) => ['--serial', value.startsWith('chardev:') ? this.place(value, value.slice(8)) : value],
    mon: (value) => this.monitor(value),
  }

  /** Wherever it stands among the arguments, as in QEMU. */
  define(option: string | undefined, value: string): void {
    const id = partOf(value, 'id') ?? ''
    if (option === 'fsdev') this.folders.set(id, folderOf('-fsdev', value))
    if (option === 'chardev') this.places.set(id, placeOf(value))
  }

  private place(value: string, id: string): string {
    const place = this.places.get(id)
    if (place === undefined)
      throw new UsageError(`${value} names chardev '${id}', which is not there; add -chardev stdio,id=${id}`)
    return place
  }

  /** The debug console's characters go to what it names; a device of 9p has the folder of what it names. */
  private device(value: string): string[] {
    const [type, ...rest] = commaParts(value)
    const [fsdev, chardev] = [partOf(value, 'fsdev'), partOf(value, 'chardev')]
    if (type === 'isa-debugcon' && chardev !== undefined) return ['--debugcon', this.place(`-device ${value}`, chardev)]
    if (fsdev === undefined) return ['--device', value]
    const path = this.folders.get(fsdev)
    if (path === undefined)
      throw new UsageError(
        `-device ${value} names fsdev '${fsdev}', which is not there; add -fsdev local,id=${fsdev},path=FOLDER`,
      )
    return ['--device', joined([type, ...rest.map((part) => (part === `fsdev=${fsdev}` ? `path=${path}` : part))])]
  }

  private monitor(value: string): string[] {
    const place = this.place(`-mon ${value}`, partOf(value, 'chardev') ?? commaParts(value)[0])
    const option = partOf(value, 'mode') === 'control' ? '--qmp' : '--monitor'
    // Of a terminal that several share, QEMU's Ctrl-A C changes to the monitor: here it is COM1's alone.
    return place === 'stdio' || place === 'null' ? [] : [option, place]
  }
}

/** `stdio,id=…`, `file,path=…`, `socket,path=…,server=on` as `--serial` has them. */
function placeOf(value: string): string {
  const [kind, ...rest] = commaParts(value)
  const [path, host, port] = ['path', 'host', 'port'].map((name) => partOf(value, name))
  if (kind === 'file' && path !== undefined) return `file:${path}`
  if (kind !== 'socket') return kind
  const words = rest.filter((part) => /^(?:no)?(?:server|wait)(?:=|$)/.test(part))
  return [path === undefined ? `tcp:${host ?? ''}:${port}` : `unix:${path}`, ...words].join(',')
}

/**
 * The arguments with QEMU's options in this command's words. Throws a UsageError for a value that this machine has not.
 *
 * @param takesValue Of this command's own options, by name with its dashes: what follows them is left alone.
 */
export function fromQemu(args: readonly string[], takesValue: (option: string) => boolean): string[] {
  const translated: string[] = []
  const named = new Named()
  for (let i = 0; i + 1 < args.length; i++) {
    const name = nameOf(args[i])
    if (own(named.options, name) || own(WITH_VALUE, name)) named.define(name, args[++i])
    else if (takesValue(args[i])) i++
  }
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]
    const name = nameOf(arg)
    const translate = own(named.options, name) ?? own(WITH_VALUE, name)
    const instead = own(REFUSED, name)
    const alone = own(ALONE, name)
    if (instead !== undefined) refused(`${name}`, instead)
    else if (alone) translated.push(...alone)
    else if (translate) {
      const value = args[++i]
      if (value === undefined)
        throw new UsageError(`${arg} needs a value, as in QEMU; 'bootwright run --help' shows what there is`)
      translated.push(...translate(value))
    } else {
      translated.push(arg)
      if (takesValue(arg) && i + 1 < args.length) translated.push(args[++i])
    }
  }
  return translated
}

function own<T>(table: { readonly [name: string]: T }, name: string | undefined): T | undefined {
  return name !== undefined && Object.hasOwn(table, name) ? table[name] : undefined
}

/** QEMU takes one dash or two; with two, a name that is this command's own is that. */
function nameOf(arg: string): string | undefined {
  const [, dashes, name] = /^(--?)([a-zA-Z][\w-]*)$/.exec(arg) ?? []
  return dashes === '--' && OWN.includes(name) ? undefined : name
}

function refused(option: string, instead: string): never {
  throw new UsageError(`-${option} is QEMU's; ${instead}`)
}

function card({ nic, tftp }: QemuNic): string[] {
  return [...(nic === undefined ? [] : ['--nic', nic]), ...(tftp === undefined ? [] : ['--tftp', tftp])]
}

function nothing(): string[] {
  return []
}

const partOf = (value: string, name: string) =>
  commaParts(value)
    .find((part) => part.startsWith(`${name}=`))
    ?.slice(name.length + 1)

/** The host's folder of `local,path=…`. */
function folderOf(option: string, value: string): string {
  const path = partOf(value, 'path')
  if (commaParts(value)[0] !== 'local' || path === undefined)
    throw new UsageError(`${option} ${value} is not known here; it takes local,path=FOLDER, which the guest may read`)
  return path
}

function sharedFolder(value: string, path: string): string[] {
  const tag = partOf(value, 'mount_tag')
  if (tag === undefined) throw new UsageError(`-virtfs ${value} lacks mount_tag=TAG, by which the guest mounts it`)
  return ['--device', joined(['virtio-9p-pci', `path=${path}`, `mount_tag=${tag}`])]
}

function display(value: string): string[] {
  if (value.startsWith('vnc=')) return ['--vnc', value.slice(4)]
  return value === 'none' ? [] : refused(`display ${value}`, NO_WINDOW)
}

/** What this machine is anyway; of `accel=kvm` the accelerator. */
function machine(option: string, value: string): string[] {
  const [type, ...parts] = value.replace(/^type=/, '').split(',')
  const engine = parts.find((part) => part.startsWith('accel='))?.slice('accel='.length)
  if (!/^(pc|pc-i440fx-[\d.]+)$/.test(type))
    throw new UsageError(`-${option} ${value} is nothing that this machine has; leave it out`)
  return engine === undefined ? [] : WITH_VALUE.accel(engine.split(':')[0])
}
