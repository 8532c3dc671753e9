/** Conditions on pictures: the screen's mode, and areas that show exactly what they should. */
import { createHash } from 'node:crypto'
import type { Display, Frame } from '../machine/devices/display/display.js'
import type { Watch } from './condition.js'
import { matchNeedle } from './needles/match.js'
import type { Needle } from './needles/needle.js'
import type { Area } from './screenshot.js'

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

export function describeScreenCondition(condition: ModeCondition | PictureCondition | NeedleCondition): string {
  if (condition.kind === 'needle')
    return `the needle ${condition.needles.map(({ name }) => name).join(' or ')} on the screen`
  if (condition.kind === 'picture') return `${condition.title} on the screen`
  const { mode, width, height } = condition
  const size = width === undefined && height === undefined ? '' : ` of ${width ?? 'any'}×${height ?? 'any'} pixels`
  return `a ${mode} mode${size}`
}
