/** Input events as a machine takes them. Keys are physical: the W3C `KeyboardEvent.code` values (`KeyA`, `Enter`, `F1`). */

export interface KeyEvent {
  code: string
  down: boolean
}

export interface MouseEvent {
  /** Relative movement in mickeys, right and down positive. */
  dx: number
  dy: number
  /** Wheel clicks, down (towards the user) positive. */
  dz: number
  /** Bit 0 left, 1 right, 2 middle. */
  buttons: number
}
