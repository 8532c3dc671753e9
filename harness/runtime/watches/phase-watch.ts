/**
 * Which phase of a long piece of work the guest shows on its screen or in a log on a serial line, and how far it has come in
 * it: for the progress report and failures.
 */
import type { PhasePattern, PhaseReached } from '../../protocol/script.js'

interface Kind {
  readonly name: string
  readonly pattern: RegExp
}

/** Of a serial line that is kept: a line feed may never come. */
const LONGEST_LINE = 1024

export class PhaseWatch {
  private given: readonly PhasePattern[] | undefined
  private kinds: readonly Kind[] = []
  private readonly seen: PhaseReached[] = []
  private screen: string | undefined
  private readonly lines: string[] = []

  configure(phases: readonly PhasePattern[] = []): void {
    if (phases === this.given) return
    this.given = phases
    this.kinds = phases.map(({ name, pattern: { source, flags } }) => ({
      name,
      pattern: new RegExp(source, flags.replace(/[gy]/g, '')),
    }))
  }

  /** At a frame. The first of the phases whose pattern the screen matches is the one; where none does, the last one stays. */
  atFrame(screen: string | undefined, guestTimeNs: number): void {
    if (screen === undefined || screen === this.screen || this.kinds.length === 0) return
    this.screen = screen
    this.look(screen, guestTimeNs)
  }

  /** The same by a line of a log. */
  serialByte(port: number, byte: number, guestTimeNs: number): void {
    if (this.kinds.length === 0) return
    const line = this.lines[port] ?? ''
    if (byte === 0x0a || byte === 0x0d) {
      if (line !== '') this.look(line, guestTimeNs)
      this.lines[port] = ''
    } else if (line.length < LONGEST_LINE) this.lines[port] = line + String.fromCharCode(byte)
  }

  private look(said: string, guestTimeNs: number): void {
    for (const { name, pattern } of this.kinds) {
      const match = pattern.exec(said)
      if (!match) continue
      const percent = match[1] === undefined ? undefined : Number(match[1])
      const last = this.seen.at(-1)
      if (last?.name === name) last.percent = percent ?? last.percent
      else this.seen.push({ name, percent, guestTimeNs })
      return
    }
  }

  /** In order. */
  get reached(): readonly PhaseReached[] {
    return this.seen
  }
}
