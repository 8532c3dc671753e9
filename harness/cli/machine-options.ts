/** The options that make up a machine, as `run` and `codegen` have them, and what is checked before it starts. */
import type { Command } from 'commander'
import { type MediumKind, openMedium } from '../../machine/media/open-medium.js'
import { withModules } from '../config/boot-modules.js'
import { driveDevices } from '../config/drive-devices.js'
import {
  checkBios,
  checkBootFile,
  firmwarePaths,
  type MachineConfig,
  networkContents,
} from '../config/machine-config.js'
import type { MediumConfig } from '../options/media-config.js'
import { checkKernel, checkNetwork, FLAGS, flagName } from '../options/read-options.js'
import { UsageError } from './errors.js'
import { ensureFirmware } from './firmware.js'
import { applyGuest } from './guest-argument.js'
import { checkOutputs } from './outputs.js'
import { checkBootOrder, inWords, type RunRequest } from './run-options.js'

const collect = (value: string, before: string[] | undefined) => [...(before ?? []), value]

/** The table's options with a guest, and what of a run is the same for the commands that boot one. */
export function machineOptions(command: Command): Command {
  command.argument('[guest]', 'a guest by name or path, or an image: a floppy, an ISO or a disk by what is in it')
  return machineFlags(command)
}

export function machineFlags(command: Command): Command {
  for (const { long, short, value, help, many } of FLAGS) {
    const flag = [short, value === undefined ? long : `${long} ${value}`]
      .filter((part) => part !== undefined)
      .join(', ')
    if (many) command.option(flag, help, collect)
    else command.option(flag, help)
  }
  return command
    .option('--fail-on <regex>', 'fail when the guest says this on its screen or a serial line; several times', collect)
    .option('--no-fail-on', 'do not fail by itself when the guest says that it panicked')
}

/** Completes the request's machine. Rejects with what is wrong with it, before anything has started. */
export async function prepareMachine(request: RunRequest): Promise<void> {
  await applyGuest(request)
  const { machine } = request
  if (request.snapshot === undefined) inWords(() => checkKernel(request.values, machine.kernel !== undefined, flagName))
  if (request.snapshot === undefined) inWords(() => checkNetwork(machine, flagName))
  machine.kernel &&= withModules(machine.kernel)
  checkBootOrder(request.machine)
  checkMedia(request.machine)
  checkWrite(request)
  checkOutputs(request)
  if (machine.firmware?.bios !== undefined) checkBios(machine.firmware.bios)
  if (machine.firmware?.uefi && machine.firmware.bios !== undefined)
    throw new UsageError('--bios and --firmware uefi contradict each other: each is the firmware; leave one out')
  const { bios, vgaBios } = await ensureFirmware()
  // A snapshot has its own in memory.
  if (request.snapshot === undefined)
    request.machine.firmware = machine.firmware?.uefi
      ? firmwarePaths(machine.firmware)
      : { bios: bios.path, vgaBios: vgaBios.path, ...machine.firmware }
}

function checkWrite({ write, machine }: RunRequest): void {
  const isAny = [...(machine.floppies ?? []), ...(machine.disks ?? [])].some((medium) => medium.write)
  if (write && !isAny) throw new UsageError('--write needs an image to write to; give a --disk or a --floppy')
}

/** Here rather than in the machine's thread alone, so that a wrong path is told at once and before firmware is sought. */
function checkMedia({ floppies = [], cdrom, disks = [], devices, kernel, network }: MachineConfig): void {
  const check = ({ path, write, readonly, format }: MediumConfig, as: MediumKind) => {
    const { device, warning } = openMedium(path, { as, write, readonly, format, briefly: true })
    if (warning !== undefined) process.stderr.write(`bootwright: ${warning}\n`)
    device.close()
  }
  for (const floppy of floppies) check(floppy, 'floppy')
  if (cdrom) check(cdrom, 'cdrom')
  for (const disk of disks) if (disk.path !== undefined) check(disk, 'disk')
  inWords(() => driveDevices({ disks, cdrom, devices }))
  if (kernel) checkBootFile(kernel.path, 'kernel')
  if (kernel?.initrd !== undefined) checkBootFile(kernel.initrd, 'initrd')
  for (const { path } of kernel?.modules ?? []) checkBootFile(path, 'module')
  if (network) networkContents(network)
}
