/**
 * Where the beam is: Input Status 1 from guest time, the dot clock and the CRT controller's totals.
 *
 * The frame runs from guest time 0 on. Registers that make no frame (power-on, half-programmed, VBE modes whose
 * totals nobody sets) get the usual proportions at 70 or 60 Hz, so that software that waits for an edge gets it.
 */
import type { VgaExtension } from './vga-extension.js'
import * as vga from './vga-registers.js'

const DOT_CLOCKS = [25_175_000, 28_322_000, 25_175_000, 25_175_000]

export class VgaTiming {
  /** A register that the timing depends on has changed. */
  stale = true
  /** In ns. */
  private line = 0
  /** The visible part of a line, in ns. */
  private visible = 0
  private frame = 0
  /** In ns from the top of the frame. */
  private displayEnd = 0
  private retraceStart = 0
  private retraceEnd = 0

  constructor(
    private readonly registers: vga.VgaRegisters,
    private readonly extension: VgaExtension,
  ) {}

  /** Bits 0 and 3 of Input Status 1 at guest time `now` (ns). */
  status(now: number): number {
    if (this.stale) this.compute()
    const t = now % this.frame
    if (t < this.displayEnd) return t % this.line < this.visible ? 0 : vga.ST01_DISPLAY_OFF
    if (t >= this.retraceStart && t < this.retraceEnd) return vga.ST01_DISPLAY_OFF | vga.ST01_V_RETRACE
    return vga.ST01_DISPLAY_OFF
  }

  /** ns. */
  framePeriod(): number {
    if (this.stale) this.compute()
    return this.frame
  }

  private compute(): void {
    this.stale = false
    const { cr, sr, misc } = this.registers
    if (this.extension.enabled) {
      const lines = this.extension.height
      const total = Math.ceil(lines * 1.05) + 3
      this.set(1e9 / 60 / total, 0.8, lines, lines + 1, lines + 3, total)
      return
    }
    const overflow = cr[vga.CR_OVERFLOW]
    const total = (cr[vga.CR_V_TOTAL] | ((overflow & 0x01) << 8) | ((overflow & 0x20) << 4)) + 2
    const lines = this.registers.displayLines()
    const start = cr[vga.CR_V_RETRACE_START] | ((overflow & 0x04) << 6) | ((overflow & 0x80) << 2)
    const length = (cr[vga.CR_V_RETRACE_END] - start) & 0x0f || 16
    const characters = cr[vga.CR_H_TOTAL] + 5
    const columns = cr[vga.CR_H_DISPLAY_END] + 1
    if (start < lines || start >= total || columns >= characters) {
      this.set(1e9 / 70 / 449, 0.8, 400, 412, 414, 449)
      return
    }
    let dots = sr[vga.SR_CLOCKING] & vga.SR01_DOTS_8 ? 8 : 9
    if (sr[vga.SR_CLOCKING] & vga.SR01_DOT_CLOCK_HALF) dots *= 2
    if (cr[vga.CR_MODE] & vga.CR17_HALF_VERTICAL_CLOCK) dots *= 2
    const line = (characters * dots * 1e9) / DOT_CLOCKS[(misc >>> 2) & 3]
    this.set(line, columns / characters, lines, start, Math.min(start + length, total), total)
  }

  private set(line: number, visible: number, lines: number, start: number, end: number, total: number): void {
    this.line = line
    this.visible = line * visible
    this.frame = line * total
    this.displayEnd = line * lines
    this.retraceStart = line * start
    this.retraceEnd = line * end
  }
}
