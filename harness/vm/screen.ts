/** `vm.screen`: what the machine shows, as text and as a picture, whole or in part, and what can be waited for on it. */
import type { Frame, TextScreen } from '../../machine/devices/display/display.js'
import type { Pattern } from '../keys/boot-command.js'
import { toPattern } from '../keys/patterns.js'
import type { NeedleSet } from '../needles/needle-set.js'
import { type BitmapFont, FontError, type LearnOptions, learnFont, withFont } from '../picture/bitmap-font.js'
import type { Area } from '../picture/compare-pictures.js'
import { recognizeText } from '../picture/ocr.js'
import { cropFrame } from '../picture/screen-areas.js'
import { allText } from '../picture/screen-reading.js'
import { encodePng } from '../picture/screenshot.js'
import { type Condition, compilePattern } from '../protocol/condition.js'
import { parseDuration } from '../units/durations.js'
import type { Duration, TimeoutOptions, VmDriver } from './driver.js'
import { NeedleLocator } from './needle-locator.js'
import { TextLocator } from './text-locator.js'

export interface TextOptions {
  /** Recognize text by tesseract.js, an optional package, where no font is known; never exact. */
  ocr?: boolean | string
}

export interface PngOptions {
  /** Areas of the screen that are painted black. */
  mask?: readonly Area[]
}

/** The screen, or an area of it. */
export class Region {
  /** @param area undefined: the whole screen. */
  constructor(
    readonly driver: VmDriver,
    readonly area: Area | undefined,
  ) {}

  /**
   * The text: in text modes exact; in graphics modes what the VGA's fonts and those learnt make out, pixel by pixel.
   * Rows are joined by line feeds, without the spaces at their ends.
   */
  async text(options: TextOptions = {}): Promise<string> {
    const { ocr } = options
    if (ocr) return recognizeText(await this.png(), ocr === true ? undefined : ocr)
    return (await this.driver.ask((thread) => thread.read(this.area))).text
  }

  /** The picture, RGBA at the guest's own resolution. */
  async frame(): Promise<Frame> {
    const frame = await this.driver.ask((thread) => thread.frame())
    return this.area ? cropFrame(frame, this.area) : frame
  }

  /** The picture as a PNG file's bytes. */
  async png({ mask = [] }: PngOptions = {}): Promise<Uint8Array> {
    const frame = await this.frame()
    const { x, y } = this.area ?? { x: 0, y: 0 }
    for (const area of mask) paintBlack(frame, { ...area, x: area.x - x, y: area.y - y })
    return encodePng(frame)
  }

  /** Waits until nothing has changed for so long in guest time, one second by default; a blinking cursor does not count. */
  async waitForStill(duration: Duration = '1s', options?: TimeoutOptions): Promise<void> {
    await this.driver.until({ kind: 'still', ns: parseDuration(duration), area: this.area }, options)
  }

  /** Text by its words or a pattern; `^` and `$` are the ends of rows. */
  getByText(expression: RegExp | string): TextLocator {
    return new TextLocator(this, toPattern(expression))
  }

  /** Where a text is now, all places of it. */
  async places(pattern: Pattern): Promise<{ text: string; area: Area }[]> {
    const reading = await this.driver.ask((thread) => thread.read(this.area))
    return [...allText(reading, compilePattern(pattern))]
  }

  /** The condition that this text is here. */
  shows(expression: RegExp | string | Pattern): Condition {
    const pattern = typeof expression === 'object' && !(expression instanceof RegExp) ? expression : undefined
    return { kind: 'text', pattern: pattern ?? toPattern(expression as RegExp | string), area: this.area }
  }
}

export class Screen extends Region {
  /** Fonts that were learnt: a fork of the machine learns them again. */
  fonts: BitmapFont[] = []

  constructor(
    driver: VmDriver,
    private readonly needles: NeedleSet | undefined,
  ) {
    super(driver, undefined)
  }

  /** The cells of a text mode with their attributes; undefined in graphics modes. */
  async cells(): Promise<TextScreen | undefined> {
    return (await this.driver.ask((thread) => thread.look())).cells
  }

  /** An area in pixels from the upper left corner. */
  region(area: Area): Region {
    return new Region(this.driver, area)
  }

  /** A needle by its name, or the best of those with a tag. */
  needle(nameOrTag: string): NeedleLocator {
    return new NeedleLocator(this, this.needles, nameOrTag)
  }

  /**
   * Learns a font of a graphics mode from one line of it: from then on its characters are read everywhere. Samples that
   * have the same name and size add to each other.
   * @param area Of the line; for a font of fixed width exactly its cells.
   * @throws FontError
   */
  async learnFont(area: Area, text: string, options?: LearnOptions): Promise<void> {
    if ((await this.cells()) !== undefined)
      throw new FontError('the screen is in a text mode, which is read exactly without any font')
    await this.useFont(learnFont(await this.frame(), area, text, options))
  }

  /** Reads with a font that was learnt before, on this machine or another. */
  async useFont(font: BitmapFont): Promise<void> {
    this.fonts = withFont(this.fonts, font)
    await this.driver.run([{ kind: 'learn-font', font }])
  }
}

function paintBlack(frame: Frame, area: Area): void {
  const right = Math.min(frame.width, area.x + area.width)
  for (let y = Math.max(0, area.y); y < Math.min(frame.height, area.y + area.height); y++) {
    for (let x = Math.max(0, area.x); x < right; x++)
      frame.data.fill(0, (y * frame.width + x) * 4, (y * frame.width + x) * 4 + 3)
  }
}
