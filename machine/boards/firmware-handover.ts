/** What the firmware is told of a PC: fw_cfg's items, CMOS, and the kernel that it is to boot. */
import type { Piix4Pm } from '../chipset/piix4-pm.js'
import type { Device } from '../device.js'
import type { FwCfg } from '../devices/firmware/fw-cfg.js'
import { AtaDisk } from '../devices/storage/ata-disk.js'
import type { FloppyDrive, FloppyDriveType } from '../devices/storage/floppy-drive.js'
import type { IdeDrive } from '../devices/storage/ide-drive.js'
import { Hpet } from '../devices/timer/hpet.js'
import type { Mc146818 } from '../devices/timer/mc146818.js'
import { BootImageError } from '../firmware/boot-rom.js'
import { configureFirmware } from '../firmware/configure.js'
import { kernelProtocol } from '../firmware/kernel-protocol.js'
import { FIRST_HARD_DISK } from '../firmware/multiboot.js'
import { describeMachine, type FloppyType } from '../firmware/tables/cmos.js'
import type { MachineOptions } from '../machine.js'

const DRIVE_KIB: { [type in FloppyDriveType]: FloppyType } = {
  '360K': 360,
  '1.2M': 1200,
  '720K': 720,
  '1.44M': 1440,
  '2.88M': 2880,
}
const BOOT_DEVICES = { a: 'floppy', c: 'disk', d: 'cdrom', n: 'network' } as const

/** By which OVMF is told how many MiB of addresses above 4 GiB PCI has: none, since no register of this board lies there. */
const OVMF_WINDOW_ABOVE_4_GIB = 'opt/ovmf/X-PciMmio64Mb'

export interface FirmwareView {
  devices: readonly Device[]
  fwCfg: FwCfg
  rtc: Mc146818
  pm: Piix4Pm
  /** By unit. */
  floppies: readonly (FloppyDrive | undefined)[]
  disks: readonly (IdeDrive | undefined)[]
}

/** Throws a BootImageError for a kernel that cannot be booted. */
export function describeToFirmware(
  options: MachineOptions,
  { devices, fwCfg, rtc, pm, floppies, disks }: FirmwareView,
): void {
  const { cpus = 1, kernel } = options
  const order = options.bootOrder ?? defaultBootOrder(options)
  const floppyTypes = [0, 1].map((unit) => {
    const drive = floppies[unit]
    return drive ? DRIVE_KIB[drive.type] : 'none'
  })
  const multiboot = kernel !== undefined && kernelProtocol(kernel.image) !== undefined
  if (kernel?.modules && !multiboot)
    throw new BootImageError(
      'Modules are for Multiboot and PVH kernels, and this kernel is none; give Linux an initrd.',
    )
  const append = kernel?.append
  const uefi = isFirmwareVolume(options.firmware.bios)
  configureFirmware({
    fwCfg,
    memoryBytes: options.memory,
    cpus,
    bootOrder: order,
    bootMenu: options.bootMenu,
    acpi: () => {
      const acpi = devices.flatMap((device) => device.acpi?.() ?? [])
      return {
        isa: acpi.filter(({ scope }) => scope === 'isa').map(({ aml }) => aml),
        pci: acpi.filter(({ scope }) => scope === 'pci').map(({ aml }) => aml),
        hpet: devices.some((device) => device instanceof Hpet),
        uefi,
      }
    },
    pmBase: () => pm.base,
    files: uefi ? { [OVMF_WINDOW_ABOVE_4_GIB]: new TextEncoder().encode('0') } : {},
    multiboot: multiboot
      ? {
          image: kernel.image,
          name: kernel.name,
          append,
          bootDrive: bootDrive(order, options),
          modules: kernel.modules ?? (kernel.initrd && [{ data: kernel.initrd, commandLine: 'initrd' }]),
        }
      : undefined,
    linux: kernel && !multiboot ? { kernel: kernel.image, initrd: kernel.initrd, append } : undefined,
  })
  const geometryOf = (drive: IdeDrive | undefined) => (drive instanceof AtaDisk ? drive.geometry : undefined)
  describeMachine(rtc, {
    memoryBytes: options.memory,
    floppyTypes,
    bootOrder: [...order].map((letter) => BOOT_DEVICES[letter as keyof typeof BOOT_DEVICES]),
    cpus,
    disks: [geometryOf(disks[0]), geometryOf(disks[1])],
    checkFloppySignature: options.floppyCheck,
  })
}

/** Whether an image begins as UEFI's do (Platform Initialization 1.7, vol. 3, 3.2.1). */
function isFirmwareVolume(image: Uint8Array): boolean {
  return new TextDecoder('latin1').decode(image.subarray(40, 44)) === '_FVH'
}

/** The BIOS's number of the first drive of the boot order that holds something; undefined for a CD or the network. */
function bootDrive(order: string, { floppies, disks, cdrom }: MachineOptions): number | undefined {
  const numbers: { [letter: string]: number | undefined } = { a: 0, c: FIRST_HARD_DISK }
  const held: { [letter: string]: unknown } = { a: floppies[0], c: disks[0], d: cdrom }
  const first = [...order].find((letter) => held[letter])
  return first === undefined ? undefined : numbers[first]
}

function defaultBootOrder(options: MachineOptions): string {
  const order = `${options.floppies[0] ? 'a' : ''}${options.disks.length ? 'c' : ''}${options.cdrom ? 'd' : ''}`
  return order || 'cad'
}
