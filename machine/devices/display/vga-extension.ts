/**
 * What makes a VGA more than a VGA: registers of its own among the VGA's, a picture of packed pixels with its own start
 * and line offset, banks, a pointer. `vbe.ts` (Bochs) and `cirrus-vga.ts` implement it; the core asks it first.
 */
import type { AccessSize, Stateful } from '../../device.js'
import type { Frame } from './display.js'

/** Sequencer, graphics controller, CRT controller. */
export type RegisterFile = 'sr' | 'gr' | 'cr'

export interface VgaExtension extends Stateful {
  /** It shows a picture of its own; the VGA's registers do not say what is on the screen. */
  readonly enabled: boolean
  /** Of that picture: pixels, bits a pixel (4 is planar), first byte shown (a multiple of 4), bytes from line to line. */
  readonly width: number
  readonly height: number
  readonly bpp: number
  readonly start: number
  readonly lineOffset: number
  /** Byte offset of the 64 KiB window at A0000 (times four in planar modes). */
  readonly bankOffset: number
  /** Accesses to the window at A0000 to BFFFF while it takes them itself. */
  readonly window?: ExtensionWindow | undefined
  /** Bits of the index registers; default the VGA's 7 and 0Fh. */
  readonly indexMask?: { sr: number; gr: number }
  /** A VGA register was written: what the picture is made of may have to be put right. */
  overrideVga?(): void
  /** undefined: the VGA's own register. */
  readRegister?(file: RegisterFile, index: number): number | undefined
  /** True: it took the value; else the VGA's own register has it. */
  writeRegister?(file: RegisterFile, index: number, value: number): boolean
  /** Port 3C6, where a hidden register may lie behind the pel mask. undefined and false: the pel mask. */
  readPelMask?(): number | undefined
  writePelMask?(value: number): boolean
  /** Another port of the DAC was touched. */
  dacTouched?(): void
  /** Colours that the DAC's data port reaches now instead of the palette; as many as there are, from 0 on again. */
  readonly hiddenPalette?: Uint8Array | undefined
  /** Draws what lies over the picture, such as a pointer. */
  drawOver?(frame: Frame): void
  /** Video memory that this is made from. */
  readonly overlay?: { from: number; length: number } | undefined
}

export interface ExtensionWindow {
  read(offset: number, size: AccessSize): number
  write(offset: number, value: number, size: AccessSize): void
}
