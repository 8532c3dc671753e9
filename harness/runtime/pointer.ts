/**
 * Puts the mouse pointer on a pixel of the screen, on guests that know only movements: the pointer is found by what
 * changes in the picture when it moves, and what the guest's acceleration adds is measured and corrected.
 *
 * In text modes the pointer is a cell, and the picture is the cells.
 */
import type { Display } from '../../machine/devices/display/display.js'
import type { Area } from '../picture/compare-pictures.js'
import type { Typist } from './typist.js'

/** Guest time for the guest to draw the pointer after a movement, ns. */
const SETTLE = 80e6
/** What changes within this time without any movement is not the pointer, ns. */
const NOISE_TIME = 600e6
const NOISE_LOOKS = 4
/** Enough to bring the pointer to the upper left corner of any screen. */
const HOME = 4000
/** Counts in one event, always the same, so that all are accelerated alike. */
const EVENT = 4
/** Pixels, or cells, from which on the pointer is moved count by count. */
const NEAR = 8
/** Before each of those counts, ns: KolibriOS triples what comes within less than 100 ms. */
const REST = 120e6
/** How often the pointer may get lost on its way. */
const LOST = 8
/** Pixels; guests that take no smaller steps are taken to be there. */
const CLOSE = 2
/** How often the pointer is corrected before it is given up. */
const TRIES = 40
/** Movements away from the corner until the pointer is seen apart from it. */
const PROBES = 8
const PROBE = 32
/** Blobs of changed pixels whose tiles touch are one. */
const TILE = 8
/** No pointer is larger; what is has been redrawn for other reasons. */
const LARGEST = 80
/** Pixels by which two pictures of the pointer may differ in size, as some may be like what is below it. */
const SAME_SIZE = 4

interface Picture {
  width: number
  height: number
  pixels: Uint32Array
  /** Pixels of the screen for one of the picture. */
  scaleX: number
  scaleY: number
}

interface Point {
  x: number
  y: number
}

export type PointerResult =
  | { outcome: 'there' }
  /** Nothing moves on the screen when the mouse does. */
  | { outcome: 'unseen' }
  /** It is seen, but came no nearer than this. */
  | { outcome: 'missed'; at: Point }

export class Pointer {
  /** The screen as it would be without the pointer. */
  private background: Picture | undefined
  private noise: Uint8Array = new Uint8Array(0)
  private size: Size = { width: 0, height: 0 }
  private at: Point = { x: 0, y: 0 }
  /** `typist.moved` when it was there. */
  private movedTo = -1
  /** Pixels for a count that comes with rests before it. */
  private slowGain = 1

  /** @param advance Runs the machine for some ns of guest time. */
  constructor(
    private readonly display: Display,
    private readonly typist: Typist,
    private readonly advance: (ns: number) => void,
  ) {}

  /** @param x Pixels from the left. */
  moveTo(x: number, y: number): PointerResult {
    const result = this.typist.isHolding && this.movedTo === this.typist.moved ? this.carry(x, y) : this.bring(x, y)
    if (result.outcome === 'there') this.movedTo = this.typist.moved
    return result
  }

  /**
   * With a button held, windows and their outlines go along with the pointer, so that it is not seen apart from them: it
   * is moved as slow counts were seen to move it.
   */
  private carry(x: number, y: number): PointerResult {
    const { at, slowGain } = this
    const { scaleX, scaleY } = this.background as Picture
    const target = { x: Math.floor(x / scaleX), y: Math.floor(y / scaleY) }
    const counts = (axis: 'x' | 'y') =>
      Math.max(-EVENT, Math.min(EVENT, Math.round((target[axis] - at[axis]) / slowGain)))
    for (let [dx, dy] = [counts('x'), counts('y')]; dx !== 0 || dy !== 0; [dx, dy] = [counts('x'), counts('y')]) {
      this.advance(REST)
      this.typist.move(dx, dy, EVENT)
      at.x += dx * slowGain
      at.y += dy * slowGain
    }
    this.at = { x: Math.round(at.x), y: Math.round(at.y) }
    this.advance(SETTLE)
    return { outcome: 'there' }
  }

  private bring(x: number, y: number): PointerResult {
    if (!this.stillKnown() && !this.find()) return { outcome: 'unseen' }
    const { scaleX, scaleY } = this.background as Picture
    const target = { x: Math.floor(x / scaleX), y: Math.floor(y / scaleY) }
    const reached = this.steer(target)
    if (reached) return { outcome: 'there' }
    // The picture may have changed under it: once more from the corner.
    if (!this.find()) return { outcome: 'unseen' }
    if (this.steer(target)) return { outcome: 'there' }
    return { outcome: 'missed', at: { x: this.at.x * scaleX, y: this.at.y * scaleY } }
  }

  /** The pointer is where it was left, on a screen of the same size. */
  private stillKnown(): boolean {
    const { background } = this
    if (!background) return false
    const now = this.look()
    if (now.width !== background.width || now.height !== background.height) return false
    const before = { ...this.at }
    const seen = this.observe(now, before)
    return seen !== undefined && Math.abs(seen.x - before.x) <= 1 && Math.abs(seen.y - before.y) <= 1
  }

  /** From the upper left corner until it is seen apart from there. */
  private find(): boolean {
    this.typist.move(-HOME, -HOME)
    this.advance(SETTLE)
    const home = this.look()
    this.noise = this.changing(home)
    for (let probe = 1; probe <= PROBES; probe++) {
      this.typist.move(PROBE, PROBE, EVENT)
      this.advance(SETTLE)
      const now = this.look()
      if (now.width !== home.width || now.height !== home.height) return false
      const blobs = this.changes(home, now).filter((blob) => blob.width <= LARGEST && blob.height <= LARGEST)
      // What left the corner came up elsewhere with the same size; a clock that ticks has another.
      const corner = blobs.find(isAtCorner)
      if (!corner) continue
      const away = blobs
        .filter((blob) => !isAtCorner(blob) && sizeDifference(blob, corner) <= SAME_SIZE)
        .sort((a, b) => sizeDifference(a, corner) - sizeDifference(b, corner))[0]
      if (!away) continue
      // The corner is as it is now, everything else as it was.
      this.background = { ...home, pixels: home.pixels.slice() }
      copyArea(now, this.background, corner)
      this.size = { width: away.width, height: away.height }
      this.at = { x: away.x, y: away.y }
      this.measureSlowGain()
      return true
    }
    return false
  }

  private measureSlowGain(): void {
    const from = { ...this.at }
    this.advance(REST)
    this.typist.move(EVENT, 0, EVENT)
    this.advance(SETTLE)
    const seen = this.observe(this.look(), from)
    if (seen && seen.x > from.x) this.slowGain = (seen.x - from.x) / EVENT
  }

  /**
   * Corrects what is left of the way until nothing is: first in bursts of events as long as the gain measured before
   * says, then, near the target, one count at a time with rests between, as guests accelerate by speed.
   */
  private steer(target: Point): boolean {
    const { scaleX } = this.background as Picture
    // A cell of a text mode takes as many counts as it has pixels.
    let gain = 1 / scaleX
    let [lost, least] = [0, 1]
    for (let i = 0; i < TRIES; i++) {
      const left = { x: target.x - this.at.x, y: target.y - this.at.y }
      const far = Math.max(Math.abs(left.x), Math.abs(left.y))
      if (far === 0) return true
      const near = far <= NEAR
      const fine = Math.max(least, Math.round(0.5 / gain))
      const counts = near
        ? { x: Math.sign(left.x) * fine, y: Math.sign(left.y) * fine }
        : { x: Math.round(left.x / gain), y: Math.round(left.y / gain) }
      const before = { ...this.at }
      if (near) this.advance(REST)
      this.typist.move(counts.x, counts.y, EVENT)
      this.advance(SETTLE)
      const expected = near ? before : { x: before.x + counts.x * gain, y: before.y + counts.y * gain }
      const seen = this.observe(this.look(), expected)
      if (!seen) {
        // What is below it changes as well, as a menu's line does that lights up.
        if (++lost > LOST || !this.nudge()) return false
        continue
      }
      // Guests that halve counts drop single ones.
      if (near && this.at.x === before.x && this.at.y === before.y) least = Math.min(16, 2 * least)
      const axis = Math.abs(counts.x) > Math.abs(counts.y) ? 'x' : 'y'
      const measured = (this.at[axis] - before[axis]) / counts[axis]
      // Half at most at once: at the screen's edge the pointer stops short.
      if (!near) gain = Math.min(10, Math.max(gain / 2, 0.02, measured))
    }
    const close = scaleX > 1 ? 0 : CLOSE
    return Math.abs(target.x - this.at.x) <= close && Math.abs(target.y - this.at.y) <= close
  }

  /** Finds the pointer by a small step to the side, which changes nothing but the pointer itself. */
  private nudge(): boolean {
    for (const side of [1, -1]) {
      const before = this.look()
      this.advance(REST)
      // So far that both places are blobs of their own.
      this.typist.move(side * (this.size.width + 2 * TILE), 0, EVENT)
      this.advance(SETTLE)
      const after = this.look()
      if (after.pixels.length !== before.pixels.length) return false
      const pointers = this.changes(before, after)
        .filter((blob) => sizeDifference(blob, this.size) <= SAME_SIZE)
        .sort((a, b) => side * (b.x - a.x))
      const [here, there] = pointers
      if (!here || !there || Math.abs(here.y - there.y) > 2) continue
      this.background = { ...after, pixels: after.pixels.slice() }
      copyArea(before, this.background, here)
      this.at = { x: here.x, y: here.y }
      return true
    }
    return false
  }

  /** Finds the pointer near where it is expected, and takes what else has changed into the background. */
  private observe(now: Picture, expected: Point): Point | undefined {
    const background = this.background as Picture
    if (now.width !== background.width || now.height !== background.height) return undefined
    const blobs = this.changes(background, now)
    const strangeness = (blob: Area) =>
      sizeDifference(blob, this.size) + (Math.abs(blob.x - expected.x) + Math.abs(blob.y - expected.y)) / 4
    const pointers = blobs
      .filter((blob) => blob.width <= 2 * this.size.width + 2 && blob.height <= 2 * this.size.height + 2)
      .sort((a, b) => strangeness(a) - strangeness(b))
    const found = pointers[0]
    for (const blob of blobs) if (blob !== found) copyArea(now, background, blob)
    if (!found) return undefined
    this.at = { x: found.x, y: found.y }
    return this.at
  }

  /** 1 where the picture changes though the mouse does not move. */
  private changing(first: Picture): Uint8Array {
    const noise = new Uint8Array(first.pixels.length)
    for (let i = 0; i < NOISE_LOOKS; i++) {
      this.advance(NOISE_TIME / NOISE_LOOKS)
      const now = this.look()
      if (now.pixels.length !== noise.length) break
      for (let at = 0; at < noise.length; at++) if (now.pixels[at] !== first.pixels[at]) noise[at] = 1
    }
    return noise
  }

  private changes(before: Picture, after: Picture): Area[] {
    return blobsOf(before, after, this.noise)
  }

  private look(): Picture {
    const { display } = this
    const text = display.text()
    const mode = display.mode()
    if (text) {
      const pixels = Uint32Array.from(
        text.cells,
        ({ code, foreground, background }) => code | (foreground << 8) | (background << 12),
      )
      const { columns, rows } = text
      return { width: columns, height: rows, pixels, scaleX: mode.width / columns, scaleY: mode.height / rows }
    }
    const { width, height, data } = display.frame()
    const pixels = new Uint32Array(data.slice().buffer, 0, width * height)
    return { width, height, pixels, scaleX: 1, scaleY: 1 }
  }
}

type Size = Pick<Area, 'width' | 'height'>

function sizeDifference(a: Size, b: Size): number {
  return Math.abs(a.width - b.width) + Math.abs(a.height - b.height)
}

function isAtCorner(blob: Area): boolean {
  return blob.x < 4 && blob.y < 4
}

function copyArea(from: Picture, to: Picture, area: Area): void {
  for (let y = area.y; y < area.y + area.height; y++) {
    const start = y * from.width + area.x
    to.pixels.set(from.pixels.subarray(start, start + area.width), start)
  }
}

/** The boxes around what differs, blobs that are near each other as one; in the order of their upper edges. */
function blobsOf(before: Picture, after: Picture, noise: Uint8Array): Area[] {
  const { width, height } = before
  // A cell of a text mode is a blob of its own.
  const tile = before.scaleX > 1 ? 1 : TILE
  const columns = Math.ceil(width / tile)
  const rows = Math.ceil(height / tile)
  const boxes: ({ left: number; top: number; right: number; bottom: number } | undefined)[] = new Array(columns * rows)
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at++) {
      if (before.pixels[at] === after.pixels[at] || noise[at] === 1) continue
      const index = Math.floor(y / tile) * columns + Math.floor(x / tile)
      const box = boxes[index]
      if (!box) boxes[index] = { left: x, top: y, right: x, bottom: y }
      else {
        box.left = Math.min(box.left, x)
        box.right = Math.max(box.right, x)
        box.bottom = y
      }
    }
  }
  const blobs: Area[] = []
  for (let start = 0; start < boxes.length; start++) {
    const first = boxes[start]
    if (!first) continue
    boxes[start] = undefined
    const waiting = [start]
    while (waiting.length > 0) {
      const index = waiting.pop() as number
      const [column, row] = [index % columns, Math.floor(index / columns)]
      for (let y = Math.max(0, row - 1); y <= Math.min(rows - 1, row + 1); y++) {
        for (let x = Math.max(0, column - 1); x <= Math.min(columns - 1, column + 1); x++) {
          const box = boxes[y * columns + x]
          if (!box) continue
          boxes[y * columns + x] = undefined
          first.left = Math.min(first.left, box.left)
          first.top = Math.min(first.top, box.top)
          first.right = Math.max(first.right, box.right)
          first.bottom = Math.max(first.bottom, box.bottom)
          waiting.push(y * columns + x)
        }
      }
    }
    const { left, top, right, bottom } = first
    blobs.push({ x: left, y: top, width: right - left + 1, height: bottom - top + 1 })
  }
  return blobs
}
