/** The drives of a machine by their names: in its table of devices, its states, snapshots, recordings and messages. */

/** Drives whose medium can be changed while the machine runs. */
export const REMOVABLE_DRIVES = ['floppy0', 'floppy1', 'cdrom'] as const
export type RemovableDrive = (typeof REMOVABLE_DRIVES)[number]

/** A: and B:, the CD drive, and the hard disks in their order. */
export type DriveId = RemovableDrive | `disk${number}`

const FLOPPIES = ['floppy0', 'floppy1'] as const

export const floppyDrive = (unit: number): RemovableDrive => FLOPPIES[unit]
export const floppyUnit = (drive: (typeof FLOPPIES)[number]): number => FLOPPIES.indexOf(drive)

/** As people call it: `floppy A`, `CD`, `disk 1`. */
export function driveWords(drive: DriveId): string {
  switch (drive) {
    case 'floppy0':
      return 'floppy A'
    case 'floppy1':
      return 'floppy B'
    case 'cdrom':
      return 'CD'
    default:
      return `disk ${Number(drive.slice('disk'.length)) + 1}`
  }
}
