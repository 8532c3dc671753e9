/**
 * A needle set of an openQA distribution, as it lies in its checkout: does it load, and does every needle match the
 * screen it was made from, and no other? `name.test.png` beside a needle, as os-autoinst's own tests have them, is a
 * screen that another run made.
 */
import { existsSync } from 'node:fs'
import { matchNeedle } from '../../../harness/needles/match.js'
import type { Needle } from '../../../harness/needles/needle.js'
import { NeedleError, type NeedleFile } from '../../../harness/needles/needle-file.js'
import { openNeedles } from '../../../harness/needles/needle-set.js'
import { readPng } from '../../../harness/picture/screenshot.js'
import type { Frame } from '../../../machine/devices/display/display.js'
import { EXPECTED } from './expected.js'

const NOISE = 4
const USAGE = 'usage: npm run conformance -- needles FOLDER [--limit N] [--others N] [--show N]'

interface Tally {
  passed: number
  failed: string[]
}

/** @returns Whether something failed. */
export async function needles(args: readonly string[]): Promise<boolean> {
  const { folder, limit, others, show } = options(args)
  const set = openNeedles(folder)
  console.log(`${set.files.length} needles load, ${set.problems.length} do not`)
  for (const { message } of set.problems.slice(0, show)) console.log(`  ${message}`)

  const stride = Math.max(1, set.files.length / limit)
  const files = Array.from({ length: Math.min(limit, set.files.length) }, (_, i) => set.files[Math.floor(i * stride)])
  const [own, noise, moved] = [tally(), tally(), tally()]
  const other = { pairs: 0, matched: 0, sharesTag: 0, sameArea: 0, unexplained: [] as string[] }
  const recent: { file: NeedleFile; frame: Frame }[] = []
  let milliseconds = 0
  let searches = 0
  for (const file of files) {
    let needle: Needle
    try {
      needle = await set.load(file)
    } catch (error) {
      if (!(error instanceof NeedleError)) throw error
      own.failed.push(error.message)
      continue
    }
    const frame = await readPng(file.png)
    const started = performance.now()
    const match = matchNeedle(frame, needle)
    milliseconds += performance.now() - started
    searches++
    const atHome = match.areas.every(({ x, y }, i) => x === needle.areas[i].x && y === needle.areas[i].y)
    count(own, match.ok && match.error === 0 && atHome, file.file)
    count(noise, matchNeedle(noisy(frame), needle).ok, file.file)
    const shift = shiftFor(needle, frame)
    if (shift && needle.exclude.length === 0) {
      const there = matchNeedle(shifted(frame, shift.x, shift.y), needle)
      count(moved, there.ok, file.file)
    }
    for (const screen of recent) {
      if (screen.frame.width !== frame.width || screen.frame.height !== frame.height) continue
      other.pairs++
      if (!matchNeedle(screen.frame, needle, { quick: true }).ok) continue
      other.matched++
      if (screen.file.tags.some((tag) => needle.tags.includes(tag))) other.sharesTag++
      else if (showsIt(screen.frame, frame, needle)) other.sameArea++
      else other.unexplained.push(`${file.file} on ${screen.file.png}`)
    }
    recent.push({ file, frame })
    if (recent.length > others) recent.shift()
  }
  report('on the screen it was made from, to the pixel', own, show)
  report(`with noise of ±${NOISE}`, noise, show)
  report('moved within its margin', moved, show)
  console.log(
    `on ${other.pairs} screens of other needles: ${other.matched} match, of which ${other.sharesTag} have a tag in ` +
      `common, ${other.sameArea} show the same area in the same colours, ${other.unexplained.length} in other colours or ` +
      "with other details, within the needle's match",
  )
  for (const pair of other.unexplained.slice(0, show)) console.log(`  ${pair}`)
  console.log(`${(milliseconds / searches).toFixed(1)} ms a needle`)

  const made = await madeScreens(set.files)
  if (made.passed + made.failed.length > 0) report('on screens of other runs, as os-autoinst decides', made, show)
  return [own, noise, moved, made].some(({ failed }) => failed.length > 0)
}

function options(args: readonly string[]) {
  const read = { folder: '', limit: Number.POSITIVE_INFINITY, others: 5, show: 5 }
  for (let i = 0; i < args.length; i++) {
    const name = /^--(limit|others|show)$/.exec(args[i])?.[1] as 'limit' | 'others' | 'show' | undefined
    if (!name) read.folder ||= args[i]
    else if (Number(args[++i]) >= 0) read[name] = Number(args[i])
    else throw new Error(USAGE)
  }
  if (read.folder === '') throw new Error(USAGE)
  return read
}

function tally(): Tally {
  return { passed: 0, failed: [] }
}

function count(to: Tally, passed: boolean, name: string): void {
  if (passed) to.passed++
  else to.failed.push(name)
}

function report(what: string, { passed, failed }: Tally, show: number): void {
  console.log(`${what}: ${passed} pass, ${failed.length} fail`)
  for (const name of failed.slice(0, show)) console.log(`  ${name}`)
}

/** What os-autoinst's own tests say of its `.test.png` screens. */
async function madeScreens(files: readonly NeedleFile[]): Promise<Tally> {
  const result = tally()
  for (const { needle: name, screen, searchRatio, ok, area } of EXPECTED) {
    const file = files.find((candidate) => candidate.name === name)
    const png = file?.file.replace(/[^/\\]+$/, `${screen}.test.png`)
    if (!file || !png || !existsSync(png)) continue
    const { loadNeedle } = await import('../../../harness/needles/needle.js')
    const match = matchNeedle(await readPng(png), await loadNeedle(file), { searchRatio })
    const last = match.areas[match.areas.length - 1]
    const placed =
      !area ||
      ((area.x === undefined || (area.x === last.x && area.y === last.y)) &&
        (area.similarity === undefined || Math.abs(area.similarity - last.similarity) < 0.01))
    count(result, match.ok === ok && placed, `${name}: ${JSON.stringify(last)}`)
  }
  return result
}

/** Repeatable, up to NOISE on every channel. */
function noisy(frame: Frame): Frame {
  const data = frame.data.slice()
  let state = 1
  for (let i = 0; i < data.length; i++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    if (i % 4 !== 3) data[i] = Math.min(255, Math.max(0, data[i] + ((state >>> 16) % (2 * NOISE + 1)) - NOISE))
  }
  return { ...frame, data }
}

/** As far as the margins allow and no area leaves the screen; undefined where that is nowhere. */
function shiftFor(needle: Needle, { width, height }: Frame): { x: number; y: number } | undefined {
  const reach = Math.min(...needle.areas.map(({ margin }) => margin))
  const fits = (x: number, y: number) =>
    needle.areas.every(
      // A pixel more, for what smooths into the area.
      (area) =>
        area.x + x > 0 &&
        area.y + y > 0 &&
        area.x + area.width + x < width &&
        area.y + area.height + y < height &&
        area.x > 0 &&
        area.y > 0 &&
        area.x + area.width < width &&
        area.y + area.height < height,
    )
  for (const [x, y] of [
    [31, -23],
    [-31, 23],
    [7, 5],
    [-7, -5],
    [3, 0],
    [-3, 0],
    [0, 3],
    [0, -3],
  ])
    if (Math.max(Math.abs(x), Math.abs(y)) <= reach && fits(x, y)) return { x, y }
  return undefined
}

function shifted({ width, height, data }: Frame, right: number, down: number): Frame {
  const to = new Uint8Array(data.length)
  for (let y = Math.max(0, down); y < Math.min(height, height + down); y++) {
    const [from, length] = [Math.max(0, -right), width - Math.abs(right)]
    const start = ((y - down) * width + from) * 4
    to.set(data.subarray(start, start + length * 4), (y * width + from + right) * 4)
  }
  return { width, height, data: to }
}

/** Every area lies somewhere on the other screen with a mean difference a person would not see as another picture. */
function showsIt(screen: Frame, home: Frame, needle: Needle): boolean {
  return needle.areas.every((area) => {
    const { x, y } = matchNeedle(screen, { ...needle, areas: [area] }).areas[0]
    let sum = 0
    for (let v = 0; v < area.height; v++) {
      for (let u = 0; u < area.width * 4; u++) {
        const a = home.data[((area.y + v) * home.width + area.x) * 4 + u]
        const b = screen.data[((y + v) * screen.width + x) * 4 + u]
        sum += (a - b) ** 2
      }
    }
    // The area's own `match`, at least as strict as on the smoothed grey picture where the colours are the same.
    return sum / (area.width * area.height * 3) <= 3 * (40 - (area.match / 100 - 0.9) * 380)
  })
}
