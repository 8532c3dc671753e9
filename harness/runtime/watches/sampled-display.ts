/**
 * The machine's display as all who look at it in a script share it: asked at most once at each moment of guest time, since a
 * look at whether something changed is a pass over the visible memory, and a picture is drawn anew.
 */
import type { Display, DisplayMode, Frame, TextScreen } from '../../../machine/devices/display/display.js'

/** What was asked for at this moment. */
interface FrameSample {
  generation?: number
  mode?: DisplayMode
  frame?: Frame
  text?: { cells: TextScreen | undefined }
}

export class SampledDisplay implements Display {
  private sample: FrameSample = {}
  /** Text is taken apart only when something changed. */
  private last: FrameSample = {}

  constructor(private readonly display: Display) {}

  /** Guest time has passed, or something was done to the machine. */
  passed(): void {
    if (this.sample.text && this.sample.generation !== undefined) this.last = this.sample
    this.sample = {}
  }

  generation(): number {
    this.sample.generation ??= this.display.generation()
    return this.sample.generation
  }

  mode(): DisplayMode {
    this.sample.mode ??= this.display.mode()
    return this.sample.mode
  }

  /** The cursor blinks in it without anything else having changed: it is of this very moment. */
  frame(): Frame {
    this.sample.frame ??= this.display.frame()
    return this.sample.frame
  }

  text(): TextScreen | undefined {
    const isSame = this.last.text !== undefined && this.last.generation === this.generation()
    this.sample.text ??= isSame ? this.last.text : { cells: this.display.text() }
    return this.sample.text?.cells
  }
}
