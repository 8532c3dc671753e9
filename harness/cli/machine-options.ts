/** The options that make up a machine, as `run` and `codegen` have them, and what is checked before it starts. */
import type { Command } from 'commander'
import { type MediumKind, openMedium } from '../../machine/media/open-medium.js'
import { withModules } from '../config/boot-modules.js'
import { checkBootFile, type MachineConfig, type MediumConfig } from '../config/machine-config.js'
import { UsageError } from './errors.js'
import { ensureFirmware } from './firmware.js'
import { applyGuest } from './guest-argument.js'
import { checkOutputs } from './outputs.js'
import { checkBootOrder, type RunRequest } from './run-options.js'

const collect = (value: string, before: string[] | undefined) => [...(before ?? []), value]

export function machineOptions(command: Command): Command {
  return command
    .argument('[guest]', 'a guest by name or path, or an image: a floppy, an ISO or a disk by what is in it')
    .option('--floppy <file>', 'floppy image for A:, the second one for B:', collect)
    .option('--cdrom <file>', 'ISO image')
    .option('--disk <file>', 'hard disk image, up to three times', collect)
    .option('--kernel <file>', 'Linux bzImage or Multiboot image to start directly')
    .option(
      '--initrd <file>',
      'initial RAM disk for the kernel; for a Multiboot kernel its modules: FILE ARGUMENTS,FILE …',
    )
    .option('--append <string>', "the kernel's command line")
    .option(
      '--boot <order>',
      "drives to boot from: letters of a (floppy), c (disk), d (CD), n (network); with the firmware's menu: order=adc,menu=on; fd-check=off starts a floppy without 55AAh",
    )
    .option('--no-fd-check', 'start a floppy also where its first sector does not end in 55AAh')
    .option('--engine <engine>', 'auto, kvm or soft', 'auto')
    .option('--cpu <model>', "the soft engine's CPU: a model and changes to it, as in pentium3,+sse2 (default: max)")
    .option('--smp <n>', 'how many CPUs (default: 1; several run on the soft engine)')
    .option(
      '--overlay-limit <size>',
      'most that the guest may change on a medium that is not written in place, as in 2G (default: what there is room for)',
    )
    .option('-m, --memory <size>', 'RAM: MiB, or with a unit as in 512M or 1G (default: 128M)')
}

/** Completes the request's machine. Rejects with what is wrong with it, before anything has started. */
export async function prepareMachine(request: RunRequest): Promise<void> {
  await applyGuest(request)
  const { machine } = request
  machine.kernel &&= withModules(machine.kernel)
  checkBootOrder(request.machine)
  checkMedia(request.machine)
  checkWrite(request)
  checkOutputs(request)
  const { bios, vgaBios } = await ensureFirmware()
  // A snapshot has its own in memory.
  if (request.snapshot === undefined) request.machine.firmware = { bios: bios.path, vgaBios: vgaBios.path }
}

function checkWrite({ write, machine }: RunRequest): void {
  const isAny = [...(machine.floppies ?? []), ...(machine.disks ?? [])].some((medium) => medium.write)
  if (write && !isAny) throw new UsageError('--write needs an image to write to; give a --disk or a --floppy')
}

/** Here rather than in the machine's thread alone, so that a wrong path is told at once and before firmware is sought. */
function checkMedia({ floppies = [], cdrom, disks = [], kernel }: MachineConfig): void {
  const check = ({ path, write }: MediumConfig, as: MediumKind) => {
    const { device, warning } = openMedium(path, { as, write })
    if (warning !== undefined) process.stderr.write(`bootwright: ${warning}\n`)
    device.close()
  }
  for (const floppy of floppies) check(floppy, 'floppy')
  if (cdrom) check(cdrom, 'cdrom')
  for (const disk of disks) check(disk, 'disk')
  if (kernel) checkBootFile(kernel.path, 'kernel')
  if (kernel?.initrd !== undefined) checkBootFile(kernel.initrd, 'initrd')
  for (const { path } of kernel?.modules ?? []) checkBootFile(path, 'module')
}
