/**
 * `npm run conformance -- screens [GUEST...] [--out DIR]`: boots guests in our machine and in QEMU side by side, and
 * compares the screens of their levels, pixel by pixel.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Guest, guestNames, type Level, loadGuest } from '../../../harness/guest/guest.js'
import { MissingMediaError } from '../../../harness/guest/guest-media.js'
import { screenRows } from '../../../harness/picture/screen-text.js'
import { comparePictures, writePng } from '../../../harness/picture/screenshot.js'
import { type Difference, differenceOf, rowsOf, type Screen } from './compare.js'
import { RULES, rulesFor } from './exceptions.js'
import { Pair } from './pair.js'
import { haveQemu, QEMU, qemuVersion } from './qemu.js'

const DEFAULT_OUT = 'out/screens'
/** Rows that are printed where text differs. */
const SHOWN_ROWS = 8

export interface ScreenResult {
  guest: string
  level: string
  /** `equal`, `different`, or `failed` where a machine did not come there. */
  status: 'equal' | 'different' | 'failed'
  /** One line for people. */
  words: string
}

export interface ScreensOptions {
  /** A folder for pictures. */
  out: string
  say?: (line: string) => void
}

/** Runs the suite; returns how many screens differ or were not reached. */
export async function screens(args: string[]): Promise<number> {
  const { names, out } = parseArguments(args)
  if (!haveQemu()) throw new Error(`${QEMU} is needed for this comparison (Debian's package qemu-system-x86)`)
  const loaded = await Promise.all((names.length > 0 ? names : guestNames()).map(loadGuest))
  const guests = loaded.filter((guest) => guest.heavy === undefined || names.length > 0)
  // So that QEMU is ended, and its folder taken away, when this is interrupted.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(130))
  console.log(qemuVersion())
  const results: ScreenResult[] = []
  for (const guest of guests) {
    try {
      results.push(...(await compareGuest(guest, { out, say: console.log })))
    } catch (error) {
      if (!(error instanceof MissingMediaError)) throw error
      console.log(`${guest.name}: skipped: ${error.message}`)
    }
  }
  const wrong = results.filter(({ status }) => status !== 'equal').length
  console.log(`${results.length - wrong} of ${results.length} screens equal; pictures in ${out}`)
  return wrong
}

function parseArguments(args: string[]): { names: string[]; out: string } {
  const names: string[] = []
  let out = DEFAULT_OUT
  for (let i = 0; i < args.length; i++) {
    if (args[i] === '--out' && args[i + 1] !== undefined) out = args[++i]
    else if (args[i].startsWith('-')) throw new Error(`screens takes guests and --out DIR, not '${args[i]}'`)
    else names.push(args[i])
  }
  return { names, out }
}

/** Rejects with a MissingMediaError where the guest's media are not here. */
export async function compareGuest(guest: Guest, options: ScreensOptions): Promise<ScreenResult[]> {
  const { out, say = () => {} } = options
  mkdirSync(out, { recursive: true })
  const pair = await Pair.start(guest, RULES[guest.name]?.qemu)
  const results: ScreenResult[] = []
  const tell = (level: Level, status: ScreenResult['status'], words: string) => {
    results.push({ guest: guest.name, level: level.name, status, words })
    say(`${guest.name.padEnd(24)} ${level.name.padEnd(10)} ${words}`)
  }
  try {
    for (const level of guest.levels) {
      try {
        const rules = rulesFor(guest.name, level.name)
        await pair.climb(level, rules.until)
        if (rules.passing) continue
        const [ours, theirs] = await pair.look(rules.settle ?? 'still')
        const found = differenceOf(ours, theirs, rules.except ?? [])
        await writePictures(join(out, `${guest.name}-${level.name}`), ours, theirs, found)
        tell(level, found.pixels === 0 ? 'equal' : 'different', words(found, ours, theirs))
      } catch (error) {
        tell(level, 'failed', `not reached: ${(error as Error).message}`)
        break
      }
    }
  } finally {
    await pair.end()
  }
  return results
}

async function writePictures(base: string, ours: Screen, theirs: Screen, { pixels, mask }: Difference): Promise<void> {
  await writePng(`${base}.actual.png`, ours.frame)
  await writePng(`${base}.expected.png`, theirs.frame)
  if (pixels === 0) return
  const { diff } = comparePictures(ours.frame, theirs.frame, { mask })
  if (diff) await writePng(`${base}.diff.png`, diff)
}

function words(found: Difference, ours: Screen, theirs: Screen): string {
  const { width, height } = ours.frame
  const shape = ours.cells ? `text ${ours.cells.columns}x${ours.cells.rows}` : `${width}x${height}`
  const left = found.left.filter(({ pixels }) => pixels > 0).map(({ why, pixels }) => `${pixels} pixels (${why})`)
  const but = left.length > 0 ? `; left out: ${left.join(', ')}` : ''
  if (found.size) return `${found.size}`
  const { box } = found
  if (!box) return `${shape}: equal${but}`
  const where = `(${box.x}, ${box.y}) to (${box.x + box.width - 1}, ${box.y + box.height - 1})`
  return `${shape}: ${found.pixels} pixels differ, ${where}${but}${rowWords(found, ours, theirs)}`
}

/** The rows of text that differ, ours and QEMU's. */
function rowWords({ box }: Difference, ours: Screen, theirs: Screen): string {
  if (!box || !ours.cells || !theirs.cells) return ''
  const [a, b] = [screenRows(ours.cells), screenRows(theirs.cells)]
  const rows = (rowsOf(box, ours) ?? []).filter((row) => a[row] !== b[row])
  const lines = rows.slice(0, SHOWN_ROWS).map((row) => `\n  row ${row}: ${a[row]}\n    QEMU: ${b[row]}`)
  return lines.join('') + (rows.length > SHOWN_ROWS ? `\n  and ${rows.length - SHOWN_ROWS} more rows` : '')
}
