/** Which drive an image is for, by what is in it. */
import { closeSync, readSync } from 'node:fs'
import { HEAD, probeFormat } from '../../machine/media/disk-format.js'
import { floppyGeometry } from '../../machine/media/floppy-geometry.js'
import type { MediumKind } from '../../machine/media/open-medium.js'
import { openRegular } from '../../machine/media/regular-file.js'

const DESCRIPTOR_AT = 16 * 2048 + 1

/** By its contents: a CD has a volume descriptor, a floppy a floppy's size; all else is a disk. */
export function probeImage(path: string): MediumKind {
  let head: Buffer
  let isImage: boolean
  let size: number
  try {
    const { fd, size: bytes } = openRegular(path)
    try {
      size = bytes
      head = Buffer.alloc(5)
      readSync(fd, head, 0, 5, DESCRIPTOR_AT)
      const first = Buffer.alloc(HEAD)
      readSync(fd, first, 0, HEAD, 0)
      isImage = probeFormat(first, first).name !== 'raw'
    } finally {
      closeSync(fd)
    }
  } catch {
    // Opening it as a medium says in a sentence why it cannot be read.
    return /\.iso$/i.test(path) ? 'cdrom' : 'disk'
  }
  if (isImage) return 'disk'
  const magic = head.toString('latin1')
  if (magic === 'CD001' || magic === 'BEA01') return 'cdrom'
  return floppyGeometry(size) ? 'floppy' : 'disk'
}
