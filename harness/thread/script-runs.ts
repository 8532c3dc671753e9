/** Scripts that a machine's thread runs, one after the other, and what becomes of one that it does not end when it should. */
import type { RunResult, Script } from '../protocol/script.js'
import type { Correspondence } from './correspondence.js'
import type { LastWords } from './last-words.js'
import { losePatience } from './patience.js'

interface Run {
  id: number
  script: Script
  /** The host's time at which it began. */
  started: number
  timer?: NodeJS.Timeout
  patience?: NodeJS.Timeout
}

/** The longest that a timer of the host's takes, ms. */
const LONGEST_TIMER = 2 ** 31 - 1

export class ScriptRuns {
  /** The request of the last one. */
  lastId = 0
  /** Those that have not ended, by request. */
  private readonly runs = new Map<number, Run>()
  private lastReply: Promise<void> = Promise.resolve()

  /** @param lose Ends the thread, which does not answer. */
  constructor(
    private readonly letters: Correspondence,
    private readonly lastWords: LastWords,
    private readonly lose: () => void,
  ) {}

  get areUnderWay(): boolean {
    return this.runs.size > 0
  }

  async run(script: Script): Promise<RunResult> {
    const before = this.lastReply
    const reply = this.letters.ask<RunResult>({ method: 'run', script })
    const run: Run = { id: this.letters.lastId, script, started: performance.now() }
    this.lastId = run.id
    this.runs.set(run.id, run)
    this.lastReply = reply.then(ignore, ignore)
    before.then(() => {
      run.started = performance.now()
      const limit = script.hostTimeoutMs ?? Number.POSITIVE_INFINITY
      if (this.runs.has(run.id) && limit <= LONGEST_TIMER)
        run.timer = setTimeout(() => this.expectEnd(run, 'timeout'), limit)
    })
    try {
      return await reply
    } finally {
      this.runs.delete(run.id)
      clearTimeout(run.timer)
      clearInterval(run.patience)
      this.letters.askAgain()
    }
  }

  /** Ends the last one, which then has the outcome `interrupted`. */
  stop(): void {
    this.letters.tell({ kind: 'stop', id: this.lastId })
    const run = this.runs.get(this.lastId)
    if (run) this.expectEnd(run, 'interrupted')
  }

  /** Its end was asked for: it comes soon, or by force. */
  private expectEnd(run: Run, outcome: 'timeout' | 'interrupted'): void {
    run.patience ??= losePatience((why) => this.giveUp(run, outcome, why))
  }

  private giveUp({ id, script, started }: Run, outcome: 'timeout' | 'interrupted', why: string): void {
    const waiting = this.letters.settle(id)
    const how = outcome === 'timeout' ? `the time-out of ${(script.hostTimeoutMs ?? 0) / 1000} s came` : 'a stop came'
    const error = `${how} and the machine's thread did not answer, so it was ended: ${why}`
    const result = this.lastWords.result(script, outcome, error, performance.now() - started)
    waiting?.resolve(result as never)
    this.lose()
  }
}

function ignore(): void {}
