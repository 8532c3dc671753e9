/**
 * The machine's screen as a script sees it: its text, exact in text modes and read by the fonts that are known in graphics
 * modes, and what it showed last before a reset blanked it.
 */
import type { State } from '../../../machine/device.js'
import type { Display } from '../../../machine/devices/display/display.js'
import type { MachineExit } from '../../../machine/machine.js'
import { type BitmapFont, withFont } from '../../picture/bitmap-font.js'
import type { Area } from '../../picture/compare-pictures.js'
import { GlyphReader } from '../../picture/glyph-reader.js'
import { readCells, type ScreenReading } from '../../picture/screen-reading.js'
import { screenRows, screenText } from '../../picture/screen-text.js'
import type { Look } from '../../protocol/script.js'

type Seen = Pick<Look, 'mode' | 'text' | 'cells'>

/** A screen in a snapshot; `shown` is what the display itself shows then. */
type Kept = Seen | 'shown' | null

export class WatchedScreen {
  private reader: GlyphReader | undefined
  /** What was read off the last picture, by area. */
  private readonly readings = new Map<string, ScreenReading>()
  private readGeneration = -1
  /** The screen at the last frame that was looked at. */
  private seen: Seen | undefined
  private seenGeneration = -1
  /** What a snapshot's screen showed has not been looked at yet. */
  private isUnseen = false
  /** The same, of the moment when the machine last reset itself, which blanks the screen before anyone can look. */
  private seenBeforeReset: Seen | undefined

  /** @param fonts Those that graphics modes are read with; asked for when the first is. */
  constructor(
    private readonly display: Display,
    private readonly fonts: () => readonly BitmapFont[],
  ) {}

  /** The screen as it is. Text is taken apart only when something changed. */
  fresh(): Seen {
    const { display } = this
    const generation = display.generation()
    if (this.seen && generation === this.seenGeneration) return this.seen
    const mode = display.mode()
    const cells = display.text()
    this.seenGeneration = generation
    this.seen = { mode, cells, text: cells && screenText(cells) }
    this.isUnseen = false
    return this.seen
  }

  /** The screen's text and where it is, in text modes exactly, in graphics modes as far as the fonts go. */
  read(area?: Area): ScreenReading {
    const { display } = this
    const generation = display.generation()
    if (generation !== this.readGeneration) this.readings.clear()
    this.readGeneration = generation
    const key = area ? `${area.x} ${area.y} ${area.width} ${area.height}` : ''
    const known = this.readings.get(key)
    if (known) return known
    const cells = display.text()
    const reading = cells ? readCells(cells, display.mode(), area) : this.glyphs().read(display.frame(), area)
    this.readings.set(key, reading)
    return reading
  }

  /** What a condition sees; undefined where a picture has no text that can be read. */
  text(area?: Area): string | undefined {
    return (area ? undefined : this.fresh().text) ?? this.legible(area)
  }

  private legible(area?: Area): string | undefined {
    const { text } = this.read(area)
    return text === '' && this.display.mode().kind !== 'text' ? undefined : text
  }

  /** Its last line with something on it, for the progress report. */
  lastLine(): string {
    const { mode, cells } = this.fresh()
    if (!cells) return mode.kind === 'off' ? 'screen off' : `graphics ${mode.width}x${mode.height}`
    const row = screenRows(cells).findLast((text) => text !== '')
    return row?.trim() ?? ''
  }

  learn(font: BitmapFont): void {
    this.reader = new GlyphReader(withFont(this.glyphs().fonts, font))
    this.readGeneration = -1
  }

  private glyphs(): GlyphReader {
    this.reader ??= new GlyphReader(this.fonts())
    return this.reader
  }

  /** The guest runs on: what a snapshot's screen showed has to be looked at before. Forks do not wait for it. */
  begin(): void {
    if (this.isUnseen) this.fresh()
  }

  /** The machine was reset: what the last frame showed is kept. */
  keepLast(): void {
    this.seenBeforeReset = this.seen
  }

  /** For the result. After a triple fault the display has been reset: then what the last frame showed. */
  last(exit: MachineExit | undefined): Seen {
    const now = this.fresh()
    const wasReset = exit?.reason === 'triple-fault' || exit?.reason === 'reset'
    return wasReset && isBlank(now) ? (this.seenBeforeReset ?? now) : now
  }

  /** What the display shows itself is left out: its thousands of cells are looked at again sooner than they are copied. */
  save(): State {
    const isShown = this.isUnseen || this.seenGeneration === this.display.generation()
    const seen: Kept = isShown ? 'shown' : (this.seen ?? null)
    return { seen, seenBeforeReset: this.seenBeforeReset ?? null } as unknown as State
  }

  load(state: State): void {
    const screens = state as unknown as { seen: Kept; seenBeforeReset: Seen | null }
    this.seenGeneration = -1
    this.readGeneration = -1
    this.isUnseen = screens.seen === 'shown'
    this.seen = screens.seen === 'shown' ? undefined : (screens.seen ?? undefined)
    this.seenBeforeReset = screens.seenBeforeReset ?? undefined
  }
}

function isBlank({ mode, text }: Seen): boolean {
  return mode.kind === 'off' || (text !== undefined && text.trim() === '')
}
