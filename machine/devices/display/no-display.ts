import type { Display } from './display.js'

/** Of a machine without a display adapter. */
export const NO_DISPLAY: Display = {
  mode: () => ({ kind: 'off', width: 0, height: 0, columns: 0, rows: 0, depth: 0 }),
  frame: () => ({ width: 0, height: 0, data: new Uint8Array(0) }),
  text: () => undefined,
  generation: () => 0,
}
