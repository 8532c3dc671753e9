/** The 82077AA's command set: opcodes and how many parameter bytes each has. Intel 290166, section 5, table 5-1. */
import {
  FORMAT_TRACK,
  READ_DATA,
  READ_DELETED,
  READ_TRACK,
  SCAN_EQUAL,
  SCAN_HIGH_OR_EQUAL,
  SCAN_LOW_OR_EQUAL,
  VERIFY,
  WRITE_DATA,
  WRITE_DELETED,
} from './fdc-transfer.js'

// Commands without an execution phase of data
export const SPECIFY = 0x03
export const SENSE_DRIVE_STATUS = 0x04
export const RECALIBRATE = 0x07
export const SENSE_INTERRUPT = 0x08
export const READ_ID = 0x0a
export const DUMPREG = 0x0e
export const SEEK = 0x0f
export const VERSION = 0x10
export const PERPENDICULAR = 0x12
export const CONFIGURE = 0x13
export const LOCK = 0x14
export const PART_ID = 0x18

export const VERSION_ENHANCED = 0x90
export const PART_ID_STEPPING_1 = 0x41

export const RELATIVE = 0x80
export const RELATIVE_IN = 0x40

/** Opcode's low five bits: bits that must match (mask), and parameter bytes. Opcodes that are not here are invalid. */
export const COMMANDS: { readonly [opcode: number]: { readonly mask: number; readonly parameters: number } } = {
  [READ_TRACK]: { mask: 0xbf, parameters: 8 },
  [SPECIFY]: { mask: 0xff, parameters: 2 },
  [SENSE_DRIVE_STATUS]: { mask: 0xff, parameters: 1 },
  [WRITE_DATA]: { mask: 0x3f, parameters: 8 },
  [READ_DATA]: { mask: 0x1f, parameters: 8 },
  [RECALIBRATE]: { mask: 0xff, parameters: 1 },
  [SENSE_INTERRUPT]: { mask: 0xff, parameters: 0 },
  [WRITE_DELETED]: { mask: 0x3f, parameters: 8 },
  [READ_ID]: { mask: 0xbf, parameters: 1 },
  [READ_DELETED]: { mask: 0x1f, parameters: 8 },
  [FORMAT_TRACK]: { mask: 0xbf, parameters: 5 },
  [DUMPREG]: { mask: 0xff, parameters: 0 },
  [SEEK]: { mask: 0x3f, parameters: 2 },
  [VERSION]: { mask: 0xff, parameters: 0 },
  [SCAN_EQUAL]: { mask: 0x1f, parameters: 8 },
  [PERPENDICULAR]: { mask: 0xff, parameters: 1 },
  [CONFIGURE]: { mask: 0xff, parameters: 3 },
  [LOCK]: { mask: 0x7f, parameters: 0 },
  [VERIFY]: { mask: 0x1f, parameters: 8 },
  [PART_ID]: { mask: 0xff, parameters: 0 },
  [SCAN_LOW_OR_EQUAL]: { mask: 0x1f, parameters: 8 },
  [SCAN_HIGH_OR_EQUAL]: { mask: 0x1f, parameters: 8 },
}
