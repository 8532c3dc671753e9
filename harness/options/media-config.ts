/** Media as a machine's configuration names them: plain data. */

/** What a disk is plugged into; `none`: a device that names it by `drive=`. */
export const DISK_BUSES = ['ide', 'virtio', 'scsi', 'ahci', 'none'] as const

/** Image formats by QEMU's names. */
export const IMAGE_FORMATS = ['raw', 'qcow2', 'vmdk', 'vdi', 'vpc', 'vhdx'] as const
export type ImageFormat = (typeof IMAGE_FORMATS)[number]

/** Primary master and slave, secondary master and slave; the CD drive is secondary master unless somebody says otherwise. */
export const IDE_PLACES = 4
export const CDROM_PLACE = 2

export interface MediumConfig {
  path: string
  /** The guest's writes go to the file. By default they go to an overlay that ends with the machine. */
  write?: boolean
  /** The guest finds it write-protected: a floppy, or a disk that is no ATA one. */
  readonly?: boolean
  /** The image's; by default what its first bytes say. */
  format?: ImageFormat
}

/** A disk of `size` bytes without a file, which ends with the machine. */
export interface EmptyDisk {
  size: number
  path?: undefined
  write?: undefined
}

/** Where a disk is plugged in. */
export interface DiskPlace {
  /** Default IDE; `none`: a device names it by `drive`. */
  if?: (typeof DISK_BUSES)[number]
  /** What devices call it; its DriveId does always. */
  id?: string
  /** On IDE, 0 to 3, AHCI, 0 to 5, or SCSI, 0 to 31. */
  index?: number
  serial?: string
}

export type DiskConfig = (MediumConfig | EmptyDisk) & DiskPlace

export interface CdConfig extends MediumConfig {
  /** On IDE, in place of secondary master. */
  index?: number
}
