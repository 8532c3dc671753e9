/** What a display adapter shows: a frame on demand, exact text cells in text modes, and a change signal. */

export interface DisplayMode {
  kind: 'text' | 'graphics' | 'off'
  /** Pixels. */
  width: number
  height: number
  /** Text cells; 0 in graphics modes. */
  columns: number
  rows: number
  /** Bits a pixel; 0 in text modes. */
  depth: number
}

/** RGBA, 8 bits each, rows top down, alpha 255. */
export interface Frame {
  width: number
  height: number
  data: Uint8Array
}

export interface TextCell {
  /** Code in the character generator (0 to 255, code page 437 with the usual fonts). */
  code: number
  /** Foreground and background, 0 to 15. */
  foreground: number
  background: number
  blink: boolean
}

export interface TextScreen {
  columns: number
  rows: number
  /** rows × columns, row by row. */
  cells: TextCell[]
  /** Cell of the cursor, or undefined while it is off. */
  cursor?: { column: number; row: number }
}

export interface Display {
  mode(): DisplayMode
  frame(): Frame
  /** undefined in graphics modes. */
  text(): TextScreen | undefined
  /** Grows whenever something visible may have changed. */
  generation(): number
}
