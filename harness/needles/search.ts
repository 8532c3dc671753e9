/**
 * Looks for a small grey picture in a larger one: the place with the least sum of squared differences, exactly as
 * trying every place would find it, but most places are ruled out by a few additions.
 *
 * Over any block of n pixels the sum of squared differences of a and b is at least n (mean a - mean b)² plus
 * (√A - √B)², where A and B are the sums of squared differences from the means (the triangle inequality). Tables of
 * sums give means and A of any block of the scene at once, so a place is measured pixel by pixel only while the bounds
 * of its blocks leave it a chance.
 */
import type { Plane } from './grey.js'

export interface Found {
  x: number
  y: number
  /** Sum of squared differences. */
  error: number
}

/** Of two places whose errors differ by no more than this, the nearer one to the start is taken. */
const SAME = 10
const BLOCK = 12

export class PatchSearch {
  private readonly sums: Float64Array
  private readonly squares: Float64Array
  private readonly whole: Block
  /** Those that tell most first. */
  private readonly blocks: Block[]

  constructor(
    private readonly scene: Plane,
    private readonly patch: Plane,
  ) {
    const tables = sumTables(scene)
    this.sums = tables.sums
    this.squares = tables.squares
    const own = sumTables(patch)
    const stride = patch.width + 1
    const across = divide(patch.width)
    this.whole = blockOf(own, stride, 0, 0, patch.width, patch.height)
    this.blocks = divide(patch.height)
      .flatMap(([y, height]) => across.map(([x, width]) => blockOf(own, stride, x, y, width, height)))
      .sort((a, b) => b.deviation - a.deviation)
  }

  /**
   * @param start Where the patch is expected; places near it come first, in rings.
   * @param limit Places with a greater error do not count: the smaller, the faster.
   * @param first The first place within the limit will do.
   */
  from(start: { x: number; y: number }, limit: number, first = false): Found | undefined {
    const lastX = this.scene.width - this.patch.width
    const lastY = this.scene.height - this.patch.height
    let best: Found | undefined
    // An error must be below this.
    let below = limit + 1e-6
    const look = (x: number, y: number) => {
      const error = this.errorAt(x, y, below)
      if (error >= below) return
      best = { x, y, error }
      below = first ? 0 : error - SAME
    }
    const likely = this.likeliest(below)
    if (!likely) return undefined
    // A good place known early rules out the others at once; it is looked at again in its ring, for those nearer.
    below = Math.min(below, this.errorAt(likely.x, likely.y, below) + SAME)
    const reach = Math.max(start.x, start.y, lastX - start.x, lastY - start.y)
    for (let ring = 0; ring <= reach && below > 0; ring++) {
      const [left, right, top, bottom] = [start.x - ring, start.x + ring, start.y - ring, start.y + ring]
      for (let y = Math.max(0, top); y <= Math.min(lastY, bottom); y++) {
        const whole = y === top || y === bottom
        if (whole) for (let x = Math.max(0, left); x <= Math.min(lastX, right); x++) look(x, y)
        else {
          if (left >= 0 && left <= lastX) look(left, y)
          if (right <= lastX && right >= 0) look(right, y)
        }
      }
    }
    return best
  }

  /** Where the bounds at a glance are least; undefined where none is below `below`. */
  private likeliest(below: number): { x: number; y: number } | undefined {
    const { whole, blocks, scene, patch } = this
    const telling = blocks[0]
    let place: { x: number; y: number } | undefined
    let least = below
    for (let y = 0; y <= scene.height - patch.height; y++) {
      for (let x = 0; x <= scene.width - patch.width; x++) {
        const bound = Math.max(this.boundOf(whole, x, y), this.boundOf(telling, x, y))
        if (bound >= least) continue
        least = bound
        place = { x, y }
      }
    }
    return place
  }

  /**
   * The error there, or something not below `below` as soon as that is certain: by the bound of the whole patch, then
   * by its most telling block, which settles most places of most screens, then by the bounds of the others.
   */
  private errorAt(x: number, y: number, below: number): number {
    const { whole, blocks } = this
    let bound = this.boundOf(whole, x, y)
    if (bound >= below) return bound
    let error = this.blockError(blocks[0], x, y)
    if (error >= below) return error
    bound = error
    for (let i = 1; i < blocks.length; i++) {
      bound += this.boundOf(blocks[i], x, y)
      if (bound >= below) return bound
    }
    for (let i = 1; i < blocks.length; i++) {
      error += this.blockError(blocks[i], x, y)
      if (error >= below) return error
    }
    return error
  }

  /** No more than the error over the block. */
  private boundOf(block: Block, atX: number, atY: number): number {
    const { sums, squares } = this
    const { count, width } = block
    const stride = this.scene.width + 1
    const from = (atY + block.y) * stride + atX + block.x
    const to = from + block.height * stride
    const sum = sums[to + width] - sums[to] - sums[from + width] + sums[from]
    const square = squares[to + width] - squares[to] - squares[from + width] + squares[from]
    const mean = sum / count
    const apart = mean - block.mean
    const spread = Math.sqrt(Math.max(0, square - sum * mean)) - block.deviation
    // The root is not exact to the last bit.
    return (count * apart * apart + spread * spread) * (1 - 1e-9)
  }

  private blockError({ x, y, width, height }: Block, atX: number, atY: number): number {
    const { scene, patch } = this
    const [a, b] = [scene.pixels, patch.pixels]
    let error = 0
    for (let row = y; row < y + height; row++) {
      let p = (atY + row) * scene.width + atX + x
      let q = row * patch.width + x
      const end = q + width
      while (q < end) {
        const difference = a[p++] - b[q++]
        error += difference * difference
      }
    }
    return error
  }
}

interface Block {
  x: number
  y: number
  width: number
  height: number
  /** Pixels. */
  count: number
  mean: number
  /** Root of the sum of squared differences from the mean. */
  deviation: number
}

interface Tables {
  sums: Float64Array
  squares: Float64Array
}

/** At (x, y): the sums over all pixels above and left of it. A column and a row longer than the plane. */
function sumTables({ width, height, pixels }: Plane): Tables {
  const stride = width + 1
  const sums = new Float64Array(stride * (height + 1))
  const squares = new Float64Array(stride * (height + 1))
  for (let y = 0, from = 0; y < height; y++) {
    let sum = 0
    let square = 0
    let to = (y + 1) * stride
    for (let x = 0; x < width; x++) {
      const value = pixels[from++]
      sum += value
      square += value * value
      to++
      sums[to] = sums[to - stride] + sum
      squares[to] = squares[to - stride] + square
    }
  }
  return { sums, squares }
}

function blockOf({ sums, squares }: Tables, stride: number, x: number, y: number, width: number, height: number) {
  const from = y * stride + x
  const to = from + height * stride
  const over = (table: Float64Array) => table[to + width] - table[to] - table[from + width] + table[from]
  const count = width * height
  const sum = over(sums)
  const deviation = Math.sqrt(Math.max(0, over(squares) - (sum * sum) / count))
  return { x, y, width, height, count, mean: sum / count, deviation }
}

/** A length in parts of about a block: their starts and lengths. */
function divide(length: number): [start: number, length: number][] {
  const parts = Math.max(1, Math.round(length / BLOCK))
  return Array.from({ length: parts }, (_, i) => {
    const start = Math.floor((i * length) / parts)
    return [start, Math.floor(((i + 1) * length) / parts) - start]
  })
}
