/** The GUEST of `bootwright run`: one of the guests, or an image whose drive is found out from what is in it. */
import { closeSync, readSync, statSync } from 'node:fs'
import { KERNEL_HEAD_BYTES, kernelProtocol } from '../../machine/firmware/kernel-protocol.js'
import { openRegular } from '../../machine/media/regular-file.js'
import { probeImage } from '../guest/probe-image.js'
import { toFailPatterns } from '../keys/patterns.js'
import { MAX_DISKS, MAX_FLOPPIES } from '../options/machine-spec.js'
import { withPart } from '../options/read-options.js'
import { UsageError } from './errors.js'
import type { RunRequest } from './run-options.js'

/** Puts the guest's machine under what the options ask for: what is given by an option counts. */
export async function applyGuest(request: RunRequest): Promise<void> {
  const { guest, machine } = request
  if (guest === undefined) return
  if (guest === '') throw new UsageError("GUEST is empty; name a guest, a guest's folder or an image")
  if (isImage(guest)) {
    addImage(request, guest)
    return
  }
  const { guestMachine, loadGuest } = await import('../guest/guest.js')
  const loaded = await loadGuest(guest)
  const own = await guestMachine(loaded)
  request.machine = { ...withPart({ ...machine, ...own }, request.given), engine: machine.engine }
  request.failOn ??= toFailPatterns(loaded.failOn)
}

function addImage({ machine, write }: RunRequest, path: string): void {
  const { floppies = [], disks = [], cdrom } = machine
  const medium = write ? { path, write } : { path }
  checkIsNoKernel(path)
  const kind = probeImage(path)
  const clash = (option: string) =>
    new UsageError(`'${path}' looks like a ${kind} image, and there is no drive left for it beside ${option}`)
  switch (kind) {
    case 'floppy':
      if (floppies.length >= MAX_FLOPPIES) throw clash('--floppy')
      machine.floppies = [medium, ...floppies]
      break
    case 'cdrom':
      if (cdrom) throw clash('--cdrom')
      machine.cdrom = { path }
      break
    case 'disk':
      if (disks.length >= MAX_DISKS) throw clash('--disk')
      machine.disks = [medium, ...disks]
  }
}

/** QEMU, too, takes its bare argument for a disk. */
function checkIsNoKernel(path: string): void {
  const what = kernelKind(path)
  if (what) throw new UsageError(`'${path}' is ${what}, and no drive's image; start it by --kernel ${path}`)
}

/** What kernel the file is, in words; undefined where it is none, or cannot be read. */
export function kernelKind(path: string): string | undefined {
  const head = Buffer.alloc(KERNEL_HEAD_BYTES)
  try {
    const { fd } = openRegular(path)
    try {
      readSync(fd, head, 0, head.length, 0)
    } finally {
      closeSync(fd)
    }
  } catch {
    // Opening it as a medium says in a sentence why it cannot be read.
    return undefined
  }
  const is = (at: number, magic: string) => head.toString('latin1', at, at + magic.length) === magic
  if (is(0, '\x7fELF')) return 'an ELF file'
  // Linux's boot protocol (setup header, offset 0x202).
  if (is(0x202, 'HdrS')) return 'a Linux kernel'
  // A drive's image may hold a boot loader that has such a header, too.
  return !is(510, '\x55\xaa') && kernelProtocol(head) ? 'a Multiboot kernel' : undefined
}

/** A file that is no program text: guests are folders, or files that end in .js or .ts. */
export function isImage(path: string): boolean {
  if (/\.[cm]?[jt]s$/.test(path)) return false
  try {
    return !statSync(path).isDirectory()
  } catch {
    // What looks like an image's name is told as an image that is missing or cannot be reached, not as an unknown guest.
  }
  return /\.(img|ima|iso|raw|bin|flp|vfd|dsk|hdd|qcow2?|vmdk|vdi|vhdx?)$/i.test(path)
}
