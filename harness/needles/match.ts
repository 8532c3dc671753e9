/**
 * Whether a screen shows a needle, as os-autoinst decides it (tinycv): every area of the type match is looked for
 * around its place, in grey and smoothed; the mean squared error at the best place gives the similarity, which must
 * reach the area's `match`.
 */
import type { Frame } from '../../machine/devices/display/display.js'
import type { Area } from '../picture/screenshot.js'
import { blurredCut } from './grey.js'
import type { MatchArea, Needle } from './needle.js'
import { PatchSearch } from './search.js'

export interface AreaMatch {
  ok: boolean
  /** 0 to 1. */
  similarity: number
  /** What the needle asks for, 0 to 1. */
  wanted: number
  /** Where it was found, or came nearest to it, or is expected where nothing is similar; pixels of the screen. */
  x: number
  y: number
  w: number
  h: number
}

export interface NeedleMatch {
  /** The needle's name. */
  needle: string
  /** Every area was found. */
  ok: boolean
  areas: AreaMatch[]
  /** Mean of the squared dissimilarities; 0 is perfect. For the choice between needles. */
  error: number
  /**
   * Where to click, in pixels of the screen; without one in the needle the middle of its last area. Of several the last
   * one counts where none is asked for by its id, as in openQA.
   */
  clickPoints: { x: number; y: number; id?: string }[]
  /** Areas whose text may be read now. */
  ocr: Area[]
}

export interface MatchOptions {
  /** 0 to 1: how much of the way from its margin to the whole screen an area is looked for. Default 0. */
  searchRatio?: number
  /**
   * Whether the needle is there is all that matters: the first good place is taken for the best, and areas that are
   * not found have a similarity of 0 instead of the place where they came nearest.
   */
  quick?: boolean
}

/** os-autoinst widens a margin to this. */
const WIDEST_MARGIN = 1024

export function matchNeedle(screen: Frame, needle: Needle, options: MatchOptions = {}): NeedleMatch {
  const areas: AreaMatch[] = []
  for (const area of needle.areas) {
    const found = matchArea(screen, needle, area, options)
    areas.push(found)
    if (!found.ok && options.quick) break
  }
  const ok = areas.every((area) => area.ok)
  return {
    needle: needle.name,
    ok,
    areas,
    error: areas.reduce((sum, { similarity }) => sum + (1 - similarity) ** 2, 0) / areas.length,
    clickPoints: ok ? clickPoints(needle, areas) : [],
    ocr: ok ? needle.ocr.map(({ x, y, width, height }) => ({ x, y, width, height })) : [],
  }
}

/**
 * The needle that the screen shows best: the first one that is found, with workarounds before others where two are
 * equally good; where none is found, the one that came nearest, with `ok` false. undefined without needles.
 */
export function bestMatch(
  screen: Frame,
  needles: readonly Needle[],
  options: MatchOptions = {},
): NeedleMatch | undefined {
  return needles
    .map((needle) => ({ needle, match: matchNeedle(screen, needle, options) }))
    .sort(
      (a, b) =>
        Number(b.match.ok) - Number(a.match.ok) ||
        a.match.error - b.match.error ||
        Number(isWorkaround(b.needle)) - Number(isWorkaround(a.needle)) ||
        (a.needle.name < b.needle.name ? -1 : 1),
    )[0]?.match
}

function isWorkaround({ properties }: Needle): boolean {
  return properties.some(({ name }) => name === 'workaround')
}

/** A mean squared error of 2 and less is 1, of 40 is 0.9, and so on in a straight line. */
function similarityOf(meanError: number): number {
  return Math.min(1, Math.max(0, 0.9 + (40 - meanError) / 380))
}

/** The greatest mean squared error that reaches a similarity. */
function errorFor(similarity: number): number {
  return 40 - (similarity - 0.9) * 380
}

function matchArea(scene: Frame, needle: Needle, area: MatchArea, options: MatchOptions): AreaMatch {
  const { width, height } = area
  const wanted = area.match / 100
  const none: AreaMatch = { ok: false, similarity: 0, wanted, x: area.x, y: area.y, w: width, h: height }
  if (area.x + width > scene.width || area.y + height > scene.height) return none

  // On a screen of another size the area is expected at the same part of it, at its own size.
  const x = Math.floor((area.x * scene.width) / needle.width)
  const y = Math.floor((area.y * scene.height) / needle.height)
  const margin = Math.floor(area.margin + (options.searchRatio ?? 0) * (WIDEST_MARGIN - area.margin))
  const left = Math.max(0, x - margin)
  const top = Math.max(0, y - margin)
  const cut = {
    x: left,
    y: top,
    width: Math.min(scene.width, x + width + margin) - left,
    height: Math.min(scene.height, y + height + margin) - top,
  }
  if (cut.width < width || cut.height < height) return none

  const window = blurredCut(scene, cut, needle.exclude)
  const search = new PatchSearch(window, { width, height, pixels: area.pixels })
  const start = { x: x - left, y: y - top }
  const pixels = width * height
  const limit = errorFor(wanted) * pixels
  const found = options.quick ? search.from(start, limit, true) : search.from(start, errorFor(0) * pixels)
  if (!found) return none
  const similarity = similarityOf(found.error / pixels)
  return { ok: found.error <= limit, similarity, wanted, x: found.x + left, y: found.y + top, w: width, h: height }
}

function clickPoints(needle: Needle, areas: readonly AreaMatch[]): NeedleMatch['clickPoints'] {
  const points = needle.areas.flatMap(({ clickPoint }, i) => {
    const { x, y, w, h } = areas[i]
    if (clickPoint === undefined) return []
    if (clickPoint === 'center') return [middle(areas[i])]
    const { id } = clickPoint
    const inside = { x: x + Math.min(w, clickPoint.x), y: y + Math.min(h, clickPoint.y) }
    return [{ x: Math.floor(inside.x), y: Math.floor(inside.y), ...(id !== undefined && { id }) }]
  })
  return points.length > 0 ? points : [middle(areas[areas.length - 1])]
}

function middle({ x, y, w, h }: AreaMatch): { x: number; y: number } {
  return { x: x + Math.floor(w / 2), y: y + Math.floor(h / 2) }
}
