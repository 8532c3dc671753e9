/** The GUEST of `bootwright run`: one of the guests, or an image whose drive is found out from what is in it. */
import { statSync } from 'node:fs'
import { probeImage } from '../guest/probe-image.js'
import { UsageError } from './errors.js'
import { MAX_DISKS, MAX_FLOPPIES, type RunRequest } from './run-options.js'

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
  const own = await guestMachine(await loadGuest(guest))
  request.machine = {
    ...machine,
    cpu: machine.cpu ?? own.cpu,
    cpus: machine.cpus ?? own.cpus,
    memory: request.memoryGiven ? machine.memory : own.memory,
    floppies: machine.floppies?.length ? machine.floppies : own.floppies,
    cdrom: machine.cdrom ?? own.cdrom,
    disks: machine.disks?.length ? machine.disks : own.disks,
    kernel: machine.kernel ?? own.kernel,
    bootOrder: machine.bootOrder ?? own.bootOrder,
  }
}

function addImage({ machine, write }: RunRequest, path: string): void {
  const { floppies = [], disks = [], cdrom } = machine
  const medium = write ? { path, write } : { path }
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

/** A file that is no program text: guests are folders, or files that end in .js or .ts. */
function isImage(path: string): boolean {
  if (/\.[cm]?[jt]s$/.test(path)) return false
  const stats = statSync(path, { throwIfNoEntry: false })
  if (stats !== undefined) return !stats.isDirectory()
  // What looks like an image's name is told as a missing image, not as an unknown guest.
  return /\.(img|ima|iso|raw|bin|flp|vfd|dsk|hdd)$/i.test(path)
}
