/**
 * Watches screen and serial lines for what systems say when they cannot go on. Said is not yet over: a test may wait for
 * what comes next, and a page of a manual looks alike. So it counts when nothing has come since for a while.
 */
import type { Pattern } from '../../keys/boot-command.js'
import { PANICS, type Panic } from '../../protocol/panics.js'

/** Guest time without a sign of life after which nothing more is to be expected, ns. */
const SILENCE = 2e9
/** Of a serial line that is kept: a line feed may never come. */
const LONGEST_LINE = 1024
/** Lines and corners of a dialog, beside which its title stands. */
const FRAME = /\s*[\u2500-\u257f]+\s*/g

interface Kind {
  readonly what: string
  readonly pattern: RegExp
  readonly last: boolean
}

interface Seen {
  readonly sentence: string
  /** The row that is to stay the last one. */
  readonly prompt: string | undefined
  /** The guest's last sign of life, ns. */
  since: number
}

function kindOf({ what, pattern, last }: Panic): Kind {
  return { what, pattern: new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, '')), last: last === true }
}

const KNOWN = PANICS.map(kindOf)

export class PanicWatch {
  private kinds: readonly Kind[] = KNOWN
  private readonly lines: string[] = []
  private screen = ''
  /** What was on the screen when a wait ended well: it is what was waited for, or of no account. */
  private accepted: string | undefined = ''
  private seen: Seen | undefined

  /** @param failOn Patterns beside the known ones; false: nothing is looked for. */
  configure(failOn: false | readonly Pattern[] = []): void {
    const own = failOn === false ? [] : failOn.map((pattern) => kindOf({ what: 'the guest failed', pattern }))
    this.kinds = failOn === false ? [] : [...own, ...KNOWN]
    if (failOn === false) this.seen = undefined
  }

  serialByte(port: number, byte: number, now: number): void {
    if (this.seen) this.seen.since = now
    const line = this.lines[port] ?? ''
    if (byte === 0x0a || byte === 0x0d) {
      if (line !== '') this.look(line, false, now)
      this.lines[port] = ''
    } else if (line.length < LONGEST_LINE) this.lines[port] = line + String.fromCharCode(byte)
  }

  /** At a frame: the screen's text where it has one. */
  atFrame(text: string | undefined, now: number): void {
    if (text === undefined || text === this.screen || this.kinds.length === 0) return
    this.screen = text
    this.accepted ??= text
    if (this.seen) this.seen.since = now
    const rows = text.trimEnd().split('\n')
    const last = rows.length - 1
    // A prompt that is no longer the last line was answered.
    if (this.seen?.prompt !== undefined && this.seen.prompt !== rows[last]) this.forget()
    const known = new Set(this.accepted.split('\n'))
    for (const [i, row] of rows.entries()) if (!known.has(row)) this.look(row, i === last, now)
  }

  private look(line: string, isLast: boolean, now: number): void {
    if (this.seen) return
    const kind = this.kinds.find(({ pattern, last }) => (isLast || !last) && pattern.test(line))
    const said = line.replace(FRAME, ' ').trim()
    if (kind) this.seen = { sentence: `${kind.what}: "${said}"`, prompt: kind.last ? line : undefined, since: now }
  }

  /** What was waited for came: what is to be seen then is no failure any more. */
  waitMet(): void {
    this.accepted = this.screen
    this.forget()
  }

  /** The machine was reset, and begins anew. */
  forget(): void {
    this.seen = undefined
  }

  /** The machine went back to a snapshot: what it shows then is of no account. */
  load(): void {
    this.lines.length = 0
    this.screen = ''
    this.accepted = undefined
    this.forget()
  }

  /** What was said, as the beginning of a sentence, be it over or not. */
  get said(): string | undefined {
    return this.seen?.sentence
  }

  /** Why nothing more is to be expected, as the beginning of a sentence. */
  verdict(now: number): string | undefined {
    const { seen } = this
    return seen && now - seen.since >= SILENCE ? seen.sentence : undefined
  }
}
