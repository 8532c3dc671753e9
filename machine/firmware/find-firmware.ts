/** Finds the firmware a machine runs: SeaBIOS and its VGABIOS, as Linux distributions and QEMU ship them. */

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { HostError } from '../errors.js'

export const BIOS_FILE = 'bios-256k.bin'
export const VGA_BIOS_FILE = 'vgabios-stdvga.bin'

export interface FirmwareFile {
  readonly path: string
  /** As the image says, e.g. `1.16.2-debian-1.16.2-1`; `unknown` where it says nothing. */
  readonly version: string
}

export interface Firmware {
  readonly bios: FirmwareFile
  readonly vgaBios: FirmwareFile
}

/** What the search reads of the host, so that a test can set it up. */
export interface FirmwareHost {
  readonly env: { readonly [name: string]: string | undefined }
  readonly home: string
  exists(path: string): boolean
  read(path: string): Uint8Array
  /** Names in a folder; empty where there is none. */
  list(path: string): string[]
}

/** A firmware file is nowhere to be found, or what is there is no firmware; the message is one sentence. */
export class FirmwareMissingError extends HostError {
  override readonly name = 'FirmwareMissingError'

  constructor(
    message: string,
    readonly file: string,
    /** Folders that were searched. */
    readonly searched: readonly string[],
  ) {
    super(message)
  }
}

const SYSTEM_FOLDERS = [
  '/usr/share/seabios', // Debian, Ubuntu, Fedora (SeaBIOS)
  '/usr/share/seavgabios', // Fedora (VGABIOS)
  '/usr/share/qemu', // Arch, Alpine, openSUSE
  '/usr/share/kvm',
  '/usr/local/share/qemu',
  '/opt/homebrew/share/qemu',
  '/home/linuxbrew/.linuxbrew/share/qemu',
  '/run/current-system/sw/share/qemu', // NixOS
  '/usr/share/vgabios', // last: here it is the older VGABIOS of Bochs
]

/** `$XDG_CACHE_HOME/bootwright`, or `~/.cache/bootwright`. */
export function cacheFolder(host: Pick<FirmwareHost, 'env' | 'home'> = realHost): string {
  return join(host.env.XDG_CACHE_HOME || join(host.home, '.cache'), 'bootwright')
}

/** The folders that are searched, in order. With BOOTWRIGHT_FIRMWARE set, only that one. */
export function firmwareFolders(host: FirmwareHost = realHost): string[] {
  const own = host.env.BOOTWRIGHT_FIRMWARE
  if (own) return [own]
  const cache = cacheFolder(host)
  const nixStore = host
    .list('/nix/store')
    .filter((name) => /^[a-z0-9]{32}-qemu-[0-9.]+$/.test(name))
    .sort((a, b) => b.slice(33).localeCompare(a.slice(33), undefined, { numeric: true }))
    .map((name) => `/nix/store/${name}/share/qemu`)
  return [
    join(cache, 'firmware'),
    join(cache, 'packages/seabios/usr/share/seabios'),
    ...SYSTEM_FOLDERS,
    join(host.home, '.nix-profile/share/qemu'),
    ...nixStore,
  ]
}

/** Throws a FirmwareMissingError when one of the files is missing. */
export function findFirmware(host: FirmwareHost = realHost): Firmware {
  const folders = firmwareFolders(host)
  return {
    bios: find(host, folders, 'SeaBIOS', BIOS_FILE, isBios),
    vgaBios: find(host, folders, 'VGABIOS', VGA_BIOS_FILE, isVgaBios),
  }
}

/** Debian's package of the adapters' ROMs. */
export const ROM_PACKAGE = "Debian's package seabios or your distribution's SeaBIOS"

/** A further ROM by its name in SeaBIOS's packages, such as `vgabios-cirrus`. Throws a FirmwareMissingError. */
export function findOptionRom(name: string, host: FirmwareHost = realHost): FirmwareFile {
  return find(host, firmwareFolders(host), name, `${name}.bin`, isVgaBios, `install ${ROM_PACKAGE}, which has it,`)
}

export interface UefiFirmware {
  /** What is executed. */
  readonly code: string
  /** Its variables as they are on a new machine. */
  readonly variables: string
}

type UefiPlace = readonly [folder: string, code: string, variables: string]

/** Where distributions have OVMF, its code and its variables; of its builds the one that does without a chipset's protected SMM. */
const UEFI_FILES: readonly UefiPlace[] = [
  ['/usr/share/OVMF', 'OVMF_CODE_4M.fd', 'OVMF_VARS_4M.fd'], // Debian, Ubuntu
  ['/usr/share/OVMF', 'OVMF_CODE.fd', 'OVMF_VARS.fd'], // older ones, Fedora, Alpine
  ['/usr/share/edk2/ovmf', 'OVMF_CODE.fd', 'OVMF_VARS.fd'], // Fedora
  ['/usr/share/edk2/x64', 'OVMF_CODE.4m.fd', 'OVMF_VARS.4m.fd'], // Arch
  ['/usr/share/edk2-ovmf/x64', 'OVMF_CODE.fd', 'OVMF_VARS.fd'], // Arch, before
  ['/usr/share/qemu', 'ovmf-x86_64-code.bin', 'ovmf-x86_64-vars.bin'], // openSUSE
]

/**
 * The same where Microsoft's keys are among the variables and Secure Boot is on. Other builds that check signatures wait for
 * SMM, in which they would keep the variables from the guest's system as well.
 */
const SECURE_FILES: readonly UefiPlace[] = [
  ['/usr/share/OVMF', 'OVMF_CODE_4M.fd', 'OVMF_VARS_4M.ms.fd'], // Debian, Ubuntu
  ['/usr/share/qemu', 'ovmf-x86_64-ms-code.bin', 'ovmf-x86_64-ms-vars.bin'], // openSUSE
]

/**
 * @param secure That refuses what nobody signed.
 * Throws a FirmwareMissingError where the host has no such UEFI firmware.
 */
export function findUefi(secure = false, host: FirmwareHost = realHost): UefiFirmware {
  const own = host.env.BOOTWRIGHT_FIRMWARE
  const files = secure ? SECURE_FILES : UEFI_FILES
  const [[, ...debian]] = files
  // As 'bootwright setup --guests' unpacks it where it may not install it.
  const unpacked = [join(cacheFolder(host), 'packages/ovmf/usr/share/OVMF'), ...debian] as const
  const places = own ? files.map(([, ...names]) => [own, ...names] as const) : [...files, unpacked]
  for (const [folder, ...names] of places) {
    const [code, variables] = names.map((name) => join(folder, name))
    if (host.exists(code) && host.exists(variables)) return { code, variables }
  }
  const folders = [...new Set(places.map(([folder]) => folder))]
  const what = `UEFI firmware${secure ? ' with Secure Boot' : ''} (${debian.join(' with ')})`
  throw new FirmwareMissingError(
    `${what} was not found in ${folders.join(', ')}: install Debian's package ovmf${secure ? '' : " or your distribution's OVMF"}${own ? ', or unset BOOTWRIGHT_FIRMWARE' : ''}.`,
    debian[0],
    folders,
  )
}

/** Where distributions and QEMU have iPXE's ROMs. */
const CARD_ROM_FOLDERS = ['/usr/lib/ipxe/qemu', '/usr/share/ipxe/qemu', '/usr/share/ipxe']

/** A network card's ROM by its name in iPXE's packages, such as `efi-e1000.rom`; undefined where the host has none. */
export function findCardRom(name: string, host: FirmwareHost = realHost): string | undefined {
  const own = host.env.BOOTWRIGHT_FIRMWARE
  const folders = own ? [own] : [...firmwareFolders(host), ...CARD_ROM_FOLDERS]
  return folders.map((folder) => join(folder, name)).find((path) => host.exists(path))
}

/** The version string in a SeaBIOS or SeaVGABIOS image: `rel-1.16.3-0-ga6ed6b7` without its `rel-`, or a package's own. */
export function firmwareVersion(image: Uint8Array): string {
  const text = Buffer.from(image.buffer, image.byteOffset, image.byteLength).toString('latin1')
  return /(?:^|\0)(?:rel-)?(\d+\.\d+\.\d+(?:-[\w.+~-]+)?)\0/.exec(text)?.[1] ?? 'unknown'
}

function find(
  host: FirmwareHost,
  folders: readonly string[],
  what: string,
  file: string,
  isIt: (image: Uint8Array) => boolean,
  get = "run 'bootwright setup'",
): FirmwareFile {
  let broken: string | undefined
  for (const folder of folders) {
    const path = join(folder, file)
    if (!host.exists(path)) continue
    let image: Uint8Array
    try {
      image = host.read(path)
    } catch {
      broken ??= `${path} cannot be read`
      continue
    }
    const found = image
    // Few ask for it, and it takes longer than all else here.
    if (isIt(found))
      return {
        path,
        get version() {
          return firmwareVersion(found)
        },
      }
    broken ??= `${path} is not ${what}`
  }
  const own = host.env.BOOTWRIGHT_FIRMWARE
  const where = own ? `the folder ${own} that BOOTWRIGHT_FIRMWARE names` : folders.join(', ')
  const mend = own ? `correct it, or unset it and ${get.replace(/,$/, '')}` : `${get} or set BOOTWRIGHT_FIRMWARE`
  throw new FirmwareMissingError(
    `The firmware ${what} (${file}) was not found in ${where}${broken ? ` (${broken})` : ''}: ${mend}.`,
    file,
    folders,
  )
}

/** Whole 64 KiB, with the reset vector's jump 16 bytes before the end. */
function isBios(image: Uint8Array): boolean {
  return image.length >= 65536 && image.length % 65536 === 0 && image[image.length - 16] === 0xea
}

function isVgaBios(image: Uint8Array): boolean {
  return image.length >= 512 && image[0] === 0x55 && image[1] === 0xaa && image[2] * 512 <= image.length
}

const realHost: FirmwareHost = {
  env: process.env,
  home: homedir(),
  exists: existsSync,
  read: (path) => readFileSync(path),
  list: (path) => {
    try {
      return readdirSync(path)
    } catch {
      return []
    }
  },
}
