/** cpio archives in the "new ASCII" format, as Linux unpacks them to its first root (Documentation/driver-api/early-userspace/buffer-format.rst). */

export interface CpioEntry {
  name: string
  /** st_mode: type and permissions. */
  mode: number
  data?: Uint8Array
  /** A device's major and minor number. */
  device?: [major: number, minor: number]
}

export const S_IFDIR = 0o040000
export const S_IFCHR = 0o020000
export const S_IFREG = 0o100000

export function cpioArchive(entries: readonly CpioEntry[]): Uint8Array {
  const parts: Uint8Array[] = []
  const pad = (length: number) => parts.push(new Uint8Array((4 - (length & 3)) & 3))
  for (const [i, { name, mode, data = new Uint8Array(), device = [0, 0] }] of [
    ...entries,
    { name: 'TRAILER!!!', mode: 0 } as CpioEntry,
  ].entries()) {
    // Inode, mode, uid, gid, links, time, size, device, rdev, length of the name, checksum (not used).
    const fields = [i + 1, mode, 0, 0, 1, 0, data.length, 0, 0, ...device, name.length + 1, 0]
    const header = `070701${fields.map((n) => n.toString(16).padStart(8, '0')).join('')}${name}\0`
    parts.push(new TextEncoder().encode(header))
    pad(header.length)
    parts.push(data)
    pad(data.length)
  }
  return Buffer.concat(parts)
}
