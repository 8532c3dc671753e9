/**
 * Direct boot of a Linux kernel image (bzImage, zImage, and what borrows the format: memtest86+, iPXE's .lkrn).
 * Specification: Linux Documentation/arch/x86/boot.rst, "The Linux/x86 Boot Protocol".
 */
import { BootImageError, type BootPlan, type BootSegment } from './boot-rom.js'

export interface LinuxBootOptions {
  /** The kernel image. */
  readonly kernel: Uint8Array
  readonly initrd?: Uint8Array
  /** The kernel's command line; `vga=` in it is obeyed as a boot loader does. */
  readonly append?: string
  /** Bytes of RAM below 4 GiB. */
  readonly lowMemory: number
}

/** The real-mode part's header, by the names of the boot protocol. */
export interface SetupHeader {
  /** Bytes of the real-mode part, boot sector included. */
  readonly setupBytes: number
  /** Protocol version, 0x0200 and up. */
  readonly version: number
  readonly loadflags: number
  /** Highest address an initrd may occupy. */
  readonly initrdAddrMax: number
  /** Longest command line without its NUL. */
  readonly cmdlineSize: number
  readonly relocatable: boolean
  /** Where the kernel decompresses itself to, and how much memory it needs there; 0 before protocol 2.10. */
  readonly prefAddress: number
  readonly initSize: number
}

/** Where the parts go, besides the plan for the boot ROM: what the fixed fw_cfg kernel items (0x07 to 0x18) tell. */
export interface LinuxBootPlan extends BootPlan {
  readonly header: SetupHeader
  readonly setup: BootSegment
  readonly kernel: BootSegment
  readonly cmdline: BootSegment
  readonly initrd?: BootSegment
}

const AT_CMD_LINE_MAGIC = 0x20
const AT_CMD_LINE_OFFSET = 0x22
const AT_SETUP_SECTS = 0x1f1
const AT_VID_MODE = 0x1fa
const AT_BOOT_FLAG = 0x1fe
const AT_HEADER = 0x202
const AT_VERSION = 0x206
const AT_TYPE_OF_LOADER = 0x210
const AT_LOADFLAGS = 0x211
const AT_RAMDISK_IMAGE = 0x218
const AT_RAMDISK_SIZE = 0x21c
const AT_HEAP_END_PTR = 0x224
const AT_CMD_LINE_PTR = 0x228
const AT_INITRD_ADDR_MAX = 0x22c
const AT_RELOCATABLE_KERNEL = 0x234
const AT_CMDLINE_SIZE = 0x238
const AT_PREF_ADDRESS = 0x258
const AT_INIT_SIZE = 0x260

const LOADED_HIGH = 0x01
const CAN_USE_HEAP = 0x80
const CMD_LINE_MAGIC = 0xa33f
const TYPE_UNDEFINED = 0xff
const HIGH_LOAD_ADDRESS = 0x100000
const LOW_LOAD_ADDRESS = 0x10000
/** The top of low RAM, which SeaBIOS keeps for ACPI tables and its own data; it takes 256 KiB at most. */
const FIRMWARE_RESERVE = 0x100000
const PAGE = 4096
/** Programs and modules pack no better; a larger size is no size. */
const MOST_PACKED = 10

/** Whether a file has a Linux setup header. To be asked before looking for a Multiboot header: some images have both. */
export function isLinuxKernel(image: Uint8Array): boolean {
  return (
    image.length >= 0x268 &&
    image[AT_BOOT_FLAG] === 0x55 &&
    image[AT_BOOT_FLAG + 1] === 0xaa &&
    hasText(image, AT_HEADER, 'HdrS')
  )
}

/** Reads and checks the setup header. Throws a BootImageError for what is no Linux kernel image. */
export function parseSetupHeader(kernel: Uint8Array): SetupHeader {
  const view = new DataView(kernel.buffer, kernel.byteOffset, kernel.byteLength)
  if (!isLinuxKernel(kernel))
    throw new BootImageError(`The kernel file is not a Linux/x86 kernel image (bzImage): ${whatItIs(kernel)}.`)
  const version = view.getUint16(AT_VERSION, true)
  if (version < 0x200)
    throw new BootImageError(
      `The kernel's boot protocol 0x${version.toString(16)} is older than 2.00 and not supported.`,
    )
  const setupBytes = ((kernel[AT_SETUP_SECTS] || 4) + 1) * 512
  if (kernel.length <= setupBytes)
    throw new BootImageError(
      `The kernel file is cut short: ${kernel.length} bytes, and its setup alone has ${setupBytes}.`,
    )
  return {
    setupBytes,
    version,
    loadflags: kernel[AT_LOADFLAGS],
    initrdAddrMax: version >= 0x203 ? view.getUint32(AT_INITRD_ADDR_MAX, true) : 0x37ffffff,
    cmdlineSize: (version >= 0x206 && view.getUint32(AT_CMDLINE_SIZE, true)) || 255,
    relocatable: version >= 0x205 && kernel[AT_RELOCATABLE_KERNEL] !== 0,
    prefAddress: version >= 0x20a ? Number(view.getBigUint64(AT_PREF_ADDRESS, true)) : 0,
    initSize: version >= 0x20a ? view.getUint32(AT_INIT_SIZE, true) : 0,
  }
}

/** Lays a kernel out in memory. Throws a BootImageError for an image that is none, or that does not fit. */
export function planLinuxBoot(options: LinuxBootOptions): LinuxBootPlan {
  const { kernel, append = '', lowMemory } = options
  const header = parseSetupHeader(kernel)
  const { version, setupBytes } = header
  const high = (header.loadflags & LOADED_HIGH) !== 0
  const line = new TextEncoder().encode(`${append}\0`)
  if (line.length - 1 > header.cmdlineSize)
    throw new BootImageError(
      `The kernel command line has ${line.length - 1} bytes, and this kernel takes ${header.cmdlineSize} at most.`,
    )

  // A zImage goes to 0x10000 and an old kernel addresses its command line by a 16-bit offset from 0x90000.
  const modern = high && version >= 0x202
  const setupAddress = modern ? 0x10000 : 0x90000
  const cmdlineAddress = modern ? 0x20000 : (0x9a000 - line.length) & ~0xf
  const stack = Math.min(cmdlineAddress - setupAddress, 0x10000) - 16
  const kernelAddress = high ? HIGH_LOAD_ADDRESS : LOW_LOAD_ADDRESS

  const setup = kernel.slice(0, setupBytes)
  const view = new DataView(setup.buffer)
  setup[AT_TYPE_OF_LOADER] = TYPE_UNDEFINED
  const vidMode = videoMode(append)
  if (vidMode !== undefined) view.setUint16(AT_VID_MODE, vidMode, true)
  if (version >= 0x201) {
    setup[AT_LOADFLAGS] |= CAN_USE_HEAP
    view.setUint16(AT_HEAP_END_PTR, stack - 0x200, true)
  }
  if (version >= 0x202) {
    view.setUint32(AT_CMD_LINE_PTR, cmdlineAddress, true)
  } else {
    view.setUint16(AT_CMD_LINE_MAGIC, CMD_LINE_MAGIC, true)
    view.setUint16(AT_CMD_LINE_OFFSET, cmdlineAddress - setupAddress, true)
  }

  const body: BootSegment = { name: 'kernel', address: kernelAddress, data: kernel.subarray(setupBytes) }
  const kernelEnd = kernelAddress + body.data.length
  if (high ? kernelEnd > lowMemory - FIRMWARE_RESERVE : kernelEnd > setupAddress)
    throw new BootImageError(`The kernel has ${mib(body.data.length)} and does not fit the machine's memory.`)

  const initrd = placeInitrd(options.initrd, header, kernelEnd, lowMemory)
  if (initrd) checkUnpacked(initrd.data, header, append, lowMemory)
  if (initrd) {
    view.setUint32(AT_RAMDISK_IMAGE, initrd.address, true)
    view.setUint32(AT_RAMDISK_SIZE, initrd.data.length, true)
  }
  const real: BootSegment = { name: 'kernel setup', address: setupAddress, data: setup }
  const cmdline: BootSegment = { name: 'kernel command line', address: cmdlineAddress, data: line }
  return {
    entry: {
      mode: 'real',
      dataSegment: setupAddress >> 4,
      codeSegment: (setupAddress >> 4) + 0x20,
      stack,
    },
    segments: [real, cmdline, body, ...(initrd ? [initrd] : [])],
    header,
    setup: real,
    kernel: body,
    cmdline,
    initrd,
  }
}

/** As high as the kernel and the firmware allow, on a page of its own. */
function placeInitrd(
  data: Uint8Array | undefined,
  header: SetupHeader,
  kernelEnd: number,
  lowMemory: number,
): BootSegment | undefined {
  if (data === undefined || data.length === 0) return undefined
  const end = Math.min(header.initrdAddrMax + 1, lowMemory - FIRMWARE_RESERVE)
  const address = Math.floor((end - data.length) / PAGE) * PAGE
  // The kernel unpacks itself over what it needs at its preferred address, or above where it was loaded.
  const needed = Math.max(kernelEnd, header.prefAddress + header.initSize)
  if (address < needed)
    throw new BootImageError(
      `The initrd has ${mib(data.length)} and does not fit above the kernel: ` +
        `the machine needs at least ${mib(needed + data.length + PAGE + FIRMWARE_RESERVE)} of memory.`,
    )
  return { name: 'initrd', address, data }
}

/**
 * A kernel that finds no room for the initrd's contents panics minutes later. While it unpacks, packed and unpacked data
 * are both there; and without a `root=` they go to a tmpfs, which takes half of the memory (kernels from 3.13 on).
 */
function checkUnpacked(data: Uint8Array, header: SetupHeader, append: string, lowMemory: number): void {
  const unpacked = unpackedSize(data)
  const whole = header.initSize + data.length + unpacked + FIRMWARE_RESERVE
  const isTmpfs = header.version >= 0x20c && !/(^|\s)root(fstype)?=/.test(append)
  const needed = isTmpfs ? Math.max(whole, 2 * unpacked) : whole
  if (needed <= lowMemory) return
  throw new BootImageError(
    `The initrd (${mib(data.length)}, ${mib(unpacked)} unpacked) does not fit in ${mib(lowMemory)} of memory beside the ` +
      `kernel, which would panic; give the machine more than ${mib(needed)}, e.g. ${mib(roomy(needed))}.`,
  )
}

/** The next power of two that leaves the guest something to work with. */
function roomy(bytes: number): number {
  return 2 ** Math.ceil(Math.log2(bytes * 1.5))
}

/** What gzip's trailer says that its data unpack to (RFC 1952, ISIZE); 0 for what is packed otherwise, or not to be believed. */
function unpackedSize(data: Uint8Array): number {
  if (data.length < 18 || data[0] !== 0x1f || data[1] !== 0x8b) return 0
  const size = new DataView(data.buffer, data.byteOffset + data.length - 4, 4).getUint32(0, true)
  return size >= data.length && size <= data.length * MOST_PACKED ? size : 0
}

/** `vga=`: what boot loaders turn into vid_mode. */
function videoMode(append: string): number | undefined {
  const value = /(?:^|\s)vga=(\S+)/.exec(append)?.[1]
  if (value === undefined) return undefined
  const named: { [name: string]: number } = { normal: 0xffff, ext: 0xfffe, ask: 0xfffd }
  const number = named[value] ?? Number(value)
  return Number.isInteger(number) && number >= 0 && number <= 0xffff ? number : undefined
}

/** A few words on what a file is that is no kernel. */
export function whatItIs(data: Uint8Array): string {
  if (data.length === 0) return 'it is empty'
  if (data[0] === 0x7f && hasText(data, 1, 'ELF'))
    return "it is an ELF file with no header of Multiboot 1 or 2 and no PVH note of Xen's; it may be cut short"
  if (data[0] === 0x1f && data[1] === 0x8b)
    return 'it is gzip-compressed data, to be unpacked first (gunzip -k FILE.gz)'
  if (hasText(data, 0, 'MZ')) return 'it is an EFI or DOS program without a Linux setup header'
  if (hasText(data, 0x8001, 'CD001')) return 'it is a CD image'
  if (hasText(data, 0, 'QFI')) return 'it is a qcow2 disk image'
  return "there is no 'HdrS' setup header in it"
}

function hasText(data: Uint8Array, at: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) if (data[at + i] !== text.charCodeAt(i)) return false
  return true
}

function mib(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20)} MiB`
}
