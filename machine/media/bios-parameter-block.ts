/** The BIOS parameter block in the boot sector of a FAT volume (Microsoft, "FAT: General Overview of On-Disk Format"). */

export interface BiosParameterBlock {
  /** Sectors of the volume. */
  readonly sectors: number
  readonly sectorsPerTrack: number
  readonly heads: number
  /** Those before the volume, as on its disk's partition. */
  readonly hiddenSectors: number
}

/** undefined where the sector holds none, or one with numbers that no disk can have. */
export function readBpb(sector: Uint8Array): BiosParameterBlock | undefined {
  if (sector.length < 64) return undefined
  const view = new DataView(sector.buffer, sector.byteOffset, sector.length)
  const [clusterSize, fats, media] = [sector[13], sector[16], sector[21]]
  const isFat =
    view.getUint16(11, true) === 512 &&
    clusterSize !== 0 &&
    (clusterSize & (clusterSize - 1)) === 0 &&
    view.getUint16(14, true) !== 0 &&
    (fats === 1 || fats === 2) &&
    (media === 0xf0 || media >= 0xf8)
  if (!isFat) return undefined
  const sectors = view.getUint16(19, true) || view.getUint32(32, true)
  const [sectorsPerTrack, heads] = [view.getUint16(24, true), view.getUint16(26, true)]
  if (sectors === 0 || sectorsPerTrack < 1 || sectorsPerTrack > 63 || heads < 1 || heads > 255) return undefined
  return { sectors, sectorsPerTrack, heads, hiddenSectors: view.getUint32(28, true) }
}
