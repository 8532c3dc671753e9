/**
 * The register file of a VGA (IBM PS/2 Hardware Interface Technical Reference, "Video Subsystem"; the FreeVGA text
 * gives the same names), shared by the ports, the memory window, the timing and the picture.
 */
import type { Stateful, StateTable } from '../../device.js'
import { bytes, flag, starts, u8 } from '../../state/fields.js'
import { resetState } from '../../state/state-table.js'

/** Sequencer (index 3C4, data 3C5). */
export const SR_RESET = 0
export const SR_CLOCKING = 1
export const SR_MAP_MASK = 2
export const SR_CHARACTER_MAP = 3
export const SR_MEMORY_MODE = 4

export const SR01_DOTS_8 = 0x01
export const SR01_DOT_CLOCK_HALF = 0x08
export const SR04_CHAIN_4 = 0x08

/** Graphics controller (index 3CE, data 3CF). */
export const GR_SET_RESET = 0
export const GR_ENABLE_SET_RESET = 1
export const GR_COLOR_COMPARE = 2
export const GR_DATA_ROTATE = 3
export const GR_READ_MAP = 4
export const GR_MODE = 5
export const GR_MISC = 6
export const GR_COLOR_DONT_CARE = 7
export const GR_BIT_MASK = 8

export const GR05_READ_MODE_1 = 0x08
export const GR05_ODD_EVEN = 0x10
/** Bits 6:5: 0 planar, 1 two-bit interleave, 2 and 3 256 colours. */
export const GR05_SHIFT = 5
export const GR06_GRAPHICS = 0x01

/** CRT controller (index 3x4, data 3x5). */
export const CR_H_TOTAL = 0x00
export const CR_H_DISPLAY_END = 0x01
export const CR_V_TOTAL = 0x06
export const CR_OVERFLOW = 0x07
export const CR_PRESET_ROW_SCAN = 0x08
export const CR_MAX_SCAN_LINE = 0x09
export const CR_CURSOR_START = 0x0a
export const CR_CURSOR_END = 0x0b
export const CR_START_HIGH = 0x0c
export const CR_START_LOW = 0x0d
export const CR_CURSOR_HIGH = 0x0e
export const CR_CURSOR_LOW = 0x0f
export const CR_V_RETRACE_START = 0x10
export const CR_V_RETRACE_END = 0x11
export const CR_V_DISPLAY_END = 0x12
export const CR_OFFSET = 0x13
export const CR_UNDERLINE = 0x14
export const CR_MODE = 0x17
export const CR_LINE_COMPARE = 0x18

export const CR09_DOUBLE_SCAN = 0x80
export const CR0A_CURSOR_OFF = 0x20
/** Protects CR00 to CR07, save bit 4 of CR07. */
export const CR11_PROTECT = 0x80
/** Clear: bit 0 of the row scan counter replaces address bit 13 (CGA). */
export const CR17_CMS0 = 0x01
/** Clear: bit 1 of the row scan counter replaces address bit 14 (Hercules). */
export const CR17_SELECT_ROW_SCAN = 0x02
export const CR17_HALF_VERTICAL_CLOCK = 0x04
export const CR17_BYTE_MODE = 0x40

/** Attribute controller (index and data 3C0, read 3C1). */
export const AR_MODE = 0x10
export const AR_OVERSCAN = 0x11
export const AR_PLANE_ENABLE = 0x12
export const AR_PANNING = 0x13
export const AR_COLOR_SELECT = 0x14

export const AR10_MONO = 0x02
export const AR10_LINE_GRAPHICS = 0x04
export const AR10_BLINK = 0x08
export const AR10_PANNING_COMPATIBLE = 0x20
export const AR10_P54S = 0x80
/** In the index: palette address source, the display is on. */
export const AR_INDEX_PAS = 0x20

/** Miscellaneous output (write 3C2, read 3CC). */
export const MISC_COLOR = 0x01

/** Input status 1 (3xA). */
export const ST01_DISPLAY_OFF = 0x01
export const ST01_V_RETRACE = 0x08

const STATE: StateTable = {
  ...{ sr: starts(bytes(8), 0), gr: starts(bytes(16), 0), ar: starts(bytes(0x20), 0), cr: starts(bytes(256), 0) },
  ...{ palette: starts(bytes(768), 0), pelMask: starts(u8, 0xff), dac8: starts(flag, false) },
  ...{ misc: starts(u8, 0), featureControl: starts(u8, 0), arIndex: starts(u8, 0) },
}

export class VgaRegisters implements Stateful {
  readonly state = STATE
  readonly sr = new Uint8Array(8)
  readonly gr = new Uint8Array(16)
  readonly ar = new Uint8Array(0x20)
  /** All 256 indices keep what is written, as in QEMU; 0x19 and up do nothing. */
  readonly cr = new Uint8Array(256)
  /** Red, green, blue of 256 DAC entries, as written. */
  readonly palette = new Uint8Array(768)
  pelMask = 0xff
  /** The DAC takes 8 bits a colour instead of 6 (VBE only). */
  dac8 = false
  misc = 0
  featureControl = 0
  /** Attribute index with the PAS bit. */
  arIndex = 0

  reset(): void {
    resetState(this)
  }

  /** Lines of the active display: CR12 with its bits 8 and 9. */
  displayLines(): number {
    const overflow = this.cr[CR_OVERFLOW]
    return (this.cr[CR_V_DISPLAY_END] | ((overflow & 0x02) << 7) | ((overflow & 0x40) << 3)) + 1
  }

  /** The last scan line of the upper part of a split screen: CR18 with its bits 8 and 9. */
  lineCompare(): number {
    return this.cr[CR_LINE_COMPARE] | ((this.cr[CR_OVERFLOW] & 0x10) << 4) | ((this.cr[CR_MAX_SCAN_LINE] & 0x40) << 3)
  }
}
