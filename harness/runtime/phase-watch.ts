/** Which phase of a long piece of work the guest shows, and how far it has come in it: for the progress report and failures. */
import type { PhasePattern, PhaseReached } from '../protocol/script.js'

interface Kind {
  readonly name: string
  readonly pattern: RegExp
}

export class PhaseWatch {
  private given: readonly PhasePattern[] | undefined
  private kinds: readonly Kind[] = []
  private readonly seen: PhaseReached[] = []
  private screen: string | undefined

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
    for (const { name, pattern } of this.kinds) {
      const match = pattern.exec(screen)
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
