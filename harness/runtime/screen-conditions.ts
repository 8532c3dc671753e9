/** Conditions on pictures: the screen's mode, and areas that show exactly what they should. */
import { createHash } from 'node:crypto'
import type { Display, Frame } from '../../machine/devices/display/display.js'
import { matchNeedle } from '../needles/match.js'
import type { Needle } from '../needles/needle.js'
import { type Area, comparePictures } from '../picture/compare-pictures.js'
import type { Watch } from '../protocol/condition.js'

export interface ModeCondition {
  kind: 'mode'
  mode: 'text' | 'graphics'
  /** Pixels; any by default. */
  width?: number
  height?: number
}

/** Every area shows exactly these pixels. */
export interface PictureCondition {
  kind: 'picture'
  /** What is to be seen, for messages: `the desktop`. */
  title: string
  /** Pixels of the whole screen. */
  width: number
  height: number
  /** `sha256` as `areaHash` gives it. */
  areas: readonly (Area & { sha256: string })[]
}

/** The screen shows one of the needles. */
export interface NeedleCondition {
  kind: 'needle'
  needles: readonly Needle[]
  /** See `MatchOptions` of needles/match.ts. */
  searchRatio?: number
}

/** The screen, or an area of it, looks like a picture. */
export interface ScreenshotCondition {
  kind: 'screenshot'
  /** What is to be seen, for messages: `login.png`. */
  title: string
  expected: Frame
  area?: Area
  /** Areas of the screen that are left out. */
  mask?: readonly Area[]
  /** Colour distance from 0 to 1 up to which two pixels are the same; default 0, exact. */
  threshold?: number
  /** How many pixels may differ; default none. */
  maxDiffPixels?: number
}

/** An area of a frame as a frame; what lies outside of the frame is black. */
export function cropFrame(frame: Frame, area: Area): Frame {
  const data = new Uint8Array(area.width * area.height * 4)
  for (let at = 3; at < data.length; at += 4) data[at] = 255
  const left = Math.max(0, area.x)
  const right = Math.min(frame.width, area.x + area.width)
  for (let y = Math.max(0, area.y); right > left && y < Math.min(frame.height, area.y + area.height); y++) {
    const from = (y * frame.width + left) * 4
    data.set(frame.data.subarray(from, from + (right - left) * 4), ((y - area.y) * area.width + left - area.x) * 4)
  }
  return { width: area.width, height: area.height, data }
}

/** The bytes of an area, or of all. */
export function cutOut(frame: Frame, area: Area | undefined): Uint8Array {
  return area ? cropFrame(frame, area).data : frame.data
}

/** How the screen differs from what is expected, masks and area applied. */
export function compareScreen(frame: Frame, condition: Omit<ScreenshotCondition, 'kind' | 'title'>) {
  const { area, expected, mask = [], threshold } = condition
  const actual = area ? cropFrame(frame, area) : frame
  const moved = area ? mask.map((part) => ({ ...part, x: part.x - area.x, y: part.y - area.y })) : mask
  const comparison = comparePictures(expected, actual, { mask: moved, threshold })
  const equal = comparison.sameSize && comparison.differentPixels <= (condition.maxDiffPixels ?? 0)
  return { ...comparison, equal, actual }
}

/** SHA-256 in hexadecimal of an area's pixels: red, green and blue, row by row. The area must lie within the frame. */
export function areaHash(frame: Frame, area: Area): string {
  const rgb = new Uint8Array(area.width * area.height * 3)
  let to = 0
  for (let y = area.y; y < area.y + area.height; y++) {
    let from = (y * frame.width + area.x) * 4
    for (let x = 0; x < area.width; x++, from += 4) {
      rgb[to++] = frame.data[from]
      rgb[to++] = frame.data[from + 1]
      rgb[to++] = frame.data[from + 2]
    }
  }
  return createHash('sha256').update(rgb).digest('hex')
}

/** A condition that only the screen decides; it is looked at again only when something visible may have changed. */
abstract class ScreenWatch implements Watch {
  private generation = -1
  private met = false

  constructor(protected readonly display: Display) {}

  protected abstract look(): boolean

  atFrame(): boolean {
    const generation = this.display.generation()
    if (generation !== this.generation) {
      this.generation = generation
      this.met = this.look()
    }
    return this.met
  }

  atByte(): boolean {
    return false
  }

  atExit(): boolean {
    return this.atFrame()
  }
}

export class ModeWatch extends ScreenWatch {
  constructor(
    private readonly condition: ModeCondition,
    display: Display,
  ) {
    super(display)
  }

  protected look(): boolean {
    const { mode, width, height } = this.condition
    const now = this.display.mode()
    return now.kind === mode && (width ?? now.width) === now.width && (height ?? now.height) === now.height
  }
}

export class PictureWatch extends ScreenWatch {
  constructor(
    private readonly condition: PictureCondition,
    display: Display,
  ) {
    super(display)
  }

  protected look(): boolean {
    const { width, height, areas } = this.condition
    const mode = this.display.mode()
    if (mode.width !== width || mode.height !== height) return false
    const frame = this.display.frame()
    return areas.every((area) => areaHash(frame, area) === area.sha256)
  }
}

export class NeedleWatch extends ScreenWatch {
  constructor(
    private readonly condition: NeedleCondition,
    display: Display,
  ) {
    super(display)
  }

  protected look(): boolean {
    if (this.display.mode().kind === 'off') return false
    const { needles, searchRatio } = this.condition
    const screen = this.display.frame()
    return needles.some((needle) => matchNeedle(screen, needle, { searchRatio, quick: true }).ok)
  }
}

export class ScreenshotWatch extends ScreenWatch {
  constructor(
    private readonly condition: ScreenshotCondition,
    display: Display,
  ) {
    super(display)
  }

  protected look(): boolean {
    const { expected, area } = this.condition
    const mode = this.display.mode()
    if (!area && (mode.width !== expected.width || mode.height !== expected.height)) return false
    return compareScreen(this.display.frame(), this.condition).equal
  }
}

export function describeScreenCondition(
  condition: ModeCondition | PictureCondition | NeedleCondition | ScreenshotCondition,
): string {
  if (condition.kind === 'needle')
    return `the needle ${condition.needles.map(({ name }) => name).join(' or ')} on the screen`
  if (condition.kind !== 'mode') return `${condition.title} on the screen`
  const { mode, width, height } = condition
  const size = width === undefined && height === undefined ? '' : ` of ${width ?? 'any'}×${height ?? 'any'} pixels`
  return `a ${mode} mode${size}`
}
