/**
 * A run's end of the queue: it puts tasks in, hears how they get on, and takes each result once. What it has put in it knows
 * itself, so that a queue that forgets, or a worker that dies, costs nothing but time.
 */
import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { Queue, QueueEvents } from 'bullmq'
import type { Redis } from 'ioredis'
import { parseQueueAddress } from './queue-address.js'
import { CARD_EVERY, PREFIX, putRun, queueName, takeDown, takePart, workersAt } from './queue-board.js'
import { connectQueue, QueueError } from './queue-connection.js'
import { Answer, type Task, type WorkerCard, Working, whyNot } from './queue-data.js'

/** How often it is looked what has become of tasks, ms; events tell most of it sooner. */
const LOOK_EVERY = 1000
/** At so many tasks at a time. */
const LOOK_AT = 100
/** A queue that has been away for so long is given up, ms. */
const LONGEST_ABSENCE = 600_000
/** For saying goodbye to a queue that may be away, ms. */
const GOODBYE = 2000
/** Finished tasks stay for those who have not heard yet, s. */
const FINISHED_LASTS = 3600
/** Attempts of one task; more are somebody's noise. */
const MOST_ATTEMPTS = 20
/** Of all parts of a task, all attempts together. */
const MOST_CHARACTERS = 512 << 20

export interface QueueRunOptions {
  version: string
  /** How long a task waits while no worker is there that could do it, ms. */
  waitMs: number
  /** Told in one sentence what a person should know. */
  say(words: string): void
}

export interface TaskEars {
  working?(state: Working): void
  part?(data: unknown, state: { host: string; attempt: string }): void
}

/** What became of a task: what its worker sent, or why nobody has done it. */
export type Outcome = { host: string; parts: unknown[] } | { unable: string }

interface Entry {
  id: string
  task: Task
  ears: TaskEars
  /** When a worker that can do it was last here. */
  able: number
  attempts: Map<string, unknown[]>
  /** Characters that were read. */
  length: number
  /** Reads parts in their order. */
  reading: Promise<unknown>
  done: boolean
  resolve(outcome: Outcome): void
  reject(error: Error): void
}

export class QueueRun {
  readonly id = randomUUID()
  private readonly entries = new Map<string, Entry>()
  private readonly timers: NodeJS.Timeout[] = []
  private readonly told = new Set<string>()
  private count = 0
  private looking = false
  /** How many tasks have been looked at. */
  private looked = 0
  private lostAt: number | undefined
  private cancelled = false

  private constructor(
    private readonly redis: Redis,
    private readonly queue: Queue,
    private readonly events: QueueEvents,
    private readonly shown: string,
    private readonly options: QueueRunOptions,
  ) {}

  /** Rejects with a UsageError for an address that is none, or a QueueError. */
  static async open(url: string, options: QueueRunOptions): Promise<QueueRun> {
    const address = parseQueueAddress(url)
    let run: QueueRun | undefined
    const redis = await connectQueue(address, {
      onLost: () => run?.lost(),
      onBack: () => run?.back(),
    })
    const name = queueName(options.version)
    const own = { connection: redis as never, prefix: PREFIX }
    const queue = new Queue(name, own)
    const events = new QueueEvents(name, own)
    // They come back by themselves, and the connection's own events are told.
    queue.on('error', () => {})
    events.on('error', () => {})
    run = new QueueRun(redis, queue, events, address.shown, options)
    try {
      await Promise.all([queue.waitUntilReady(), events.waitUntilReady()])
      await run.begin()
    } catch (error) {
      await run.close()
      throw new QueueError(`the queue ${address.shown} cannot be used: ${(error as Error).message.split('\n')[0]}`)
    }
    return run
  }

  private async begin(): Promise<void> {
    await this.sign()
    this.events.on('progress', ({ jobId, data }) => this.progress(jobId, data))
    this.events.on('completed', ({ jobId, returnvalue }) => void this.completed(jobId, returnvalue))
    this.events.on('failed', ({ jobId, failedReason }) => void this.failed(jobId, failedReason))
    this.timers.push(
      setInterval(() => void this.sign().catch(() => {}), CARD_EVERY),
      setInterval(() => void this.look(), LOOK_EVERY),
    )
  }

  private sign(): Promise<unknown> {
    const { id, cancelled } = this
    return putRun(this.redis, { id, cancelled, host: hostname(), version: this.options.version })
  }

  /** Those that can do this version's tasks. */
  async workers(): Promise<WorkerCard[]> {
    const all = await workersAt(this.redis)
    const others = all.filter(({ version }) => version !== this.options.version)
    for (const { host, version } of others) {
      const words = `the worker on ${host} is of Bootwright ${version} and this is ${this.options.version}: it gets nothing to do; install the same on both`
      if (!this.told.has(words)) this.options.say(words)
      this.told.add(words)
    }
    return all.filter((card) => !others.includes(card))
  }

  /** Has a task done by whatever worker can. Rejects with a QueueError where the queue stays away. */
  perform(parts: TaskParts, ears: TaskEars = {}): Promise<Outcome> {
    const task = { ...parts, run: this.id } as Task
    const id = `${this.id}-${this.count++}`
    return new Promise((resolve, reject) => {
      const entry: Entry = {
        ...{ id, task, ears, resolve, reject },
        ...{ able: Date.now(), attempts: new Map(), length: 0, reading: Promise.resolve(), done: false },
      }
      this.entries.set(id, entry)
      this.put(entry).catch(reject)
    })
  }

  private put({ id, task }: Entry): Promise<unknown> {
    const keep = { age: FINISHED_LASTS }
    return this.queue.add(task.kind, task, { jobId: id, removeOnComplete: keep, removeOnFail: keep })
  }

  private progress(jobId: string, data: unknown): void {
    const entry = this.entries.get(jobId)
    const read = Working.safeParse(data)
    if (!entry || !read.success) return
    entry.able = Date.now()
    entry.ears.working?.(read.data)
    this.read(entry, read.data)
  }

  /** Parts that have not been read yet. */
  private read(entry: Entry, { attempt, parts: count, host }: Answer): Promise<unknown[] | undefined> {
    const work = entry.reading.then(async () => {
      if (!entry.attempts.has(attempt) && entry.attempts.size >= MOST_ATTEMPTS) return undefined
      const parts = entry.attempts.get(attempt) ?? []
      entry.attempts.set(attempt, parts)
      while (parts.length < count && !entry.done) {
        const { data, length } = await takePart(this.redis, entry.id, attempt, parts.length)
        entry.length += length
        if (entry.length > MOST_CHARACTERS)
          await this.finish(entry, { unable: `${host} sent more than a result may have` })
        if (data === undefined || entry.done) return undefined
        parts.push(data)
        entry.ears.part?.(data, { host, attempt })
      }
      return parts
    })
    entry.reading = work.catch(() => {})
    return work
  }

  private async completed(jobId: string, value: unknown): Promise<void> {
    const entry = this.entries.get(jobId)
    if (!entry) return
    const answer = Answer.safeParse(value)
    const parts = answer.success ? await this.read(entry, answer.data).catch(() => undefined) : undefined
    if (entry.done) return
    // A result of which something is missing is none: the queue has lost it.
    if (!answer.success || !parts) await this.again(entry)
    else await this.finish(entry, { host: answer.data.host, parts })
  }

  private async failed(jobId: string, reason: string): Promise<void> {
    const entry = this.entries.get(jobId)
    if (!entry) return
    const unable = /stalled/.test(reason)
      ? 'the workers that began with it ended before it did; look into their logs'
      : reason.split('\n')[0].slice(0, 1000)
    await this.finish(entry, { unable })
  }

  private async finish(entry: Entry, outcome: Outcome): Promise<void> {
    if (entry.done) return
    entry.done = true
    this.entries.delete(entry.id)
    entry.resolve(outcome)
    await this.queue.remove(entry.id).catch(() => {})
  }

  private async again(entry: Entry): Promise<void> {
    await this.queue.remove(entry.id).catch(() => {})
    await this.put(entry).catch(() => {})
  }

  /** What no event has told: a queue that was restarted has lost some of them, or all that was in it. */
  private async look(): Promise<void> {
    if (this.lostAt !== undefined && Date.now() - this.lostAt > LONGEST_ABSENCE) return this.giveUp()
    if (this.looking || this.cancelled || this.lostAt !== undefined) return
    this.looking = true
    try {
      const workers = await this.workers()
      const now = Date.now()
      const all = [...this.entries.values()]
      const isAble = ({ task }: Entry) => workers.some((card) => whyNot(card, task) === undefined)
      for (const entry of all) if (isAble(entry)) entry.able = now
      const from = this.looked % Math.max(1, all.length)
      const some = [...all, ...all].slice(from, from + Math.min(LOOK_AT, all.length))
      this.looked += some.length
      await Promise.all(
        some.map(async (entry) => {
          const state = await this.queue.getJobState(entry.id)
          if (entry.done) return
          if (state === 'unknown') await this.put(entry)
          else if (state === 'completed')
            await this.completed(entry.id, (await this.queue.getJob(entry.id))?.returnvalue)
          else if (state === 'failed')
            await this.failed(entry.id, (await this.queue.getJob(entry.id))?.failedReason ?? 'it failed')
          else if (now - entry.able > this.options.waitMs)
            await this.finish(entry, { unable: nobody(entry.task, workers) })
        }),
      )
    } catch {
      // The queue is away; its connection says so.
    } finally {
      this.looking = false
    }
  }

  private lost(): void {
    if (this.cancelled) return
    this.lostAt ??= Date.now()
    this.options.say(`the queue ${this.shown} has gone; this waits for it to come back`)
  }

  private back(): void {
    if (this.cancelled) return
    const now = Date.now()
    // Nobody could sign meanwhile.
    for (const entry of this.entries.values()) entry.able = now
    this.lostAt = undefined
    this.options.say(`the queue ${this.shown} is back`)
    void this.sign().catch(() => {})
  }

  private giveUp(): void {
    const error = new QueueError(`the queue ${this.shown} has been away for ten minutes; start it, and run this again`)
    for (const entry of this.entries.values()) entry.reject(error)
    this.entries.clear()
  }

  /** Takes all tasks out; workers that have begun with one stop. */
  async cancel(): Promise<void> {
    this.cancelled = true
    const ids = [...this.entries.keys()]
    this.entries.clear()
    const work = this.sign().then(() => Promise.all(ids.map((id) => this.queue.remove(id).catch(() => 0))))
    await soon(work)
  }

  async close(): Promise<void> {
    for (const timer of this.timers) clearInterval(timer)
    if (!this.cancelled) await soon(takeDown(this.redis, 'run', this.id))
    this.cancelled = true
    await soon(Promise.all([this.queue.close(), this.events.close()]))
    this.redis.disconnect()
  }
}

/** A task without its run. */
export type TaskParts = Task extends infer T ? (T extends Task ? Omit<T, 'run'> : never) : never

async function soon(work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, GOODBYE)
  })
  await Promise.race([work.catch(() => {}), late])
  clearTimeout(timer)
}

function nobody(task: Task, workers: readonly WorkerCard[]): string {
  if (workers.length === 0) return "no worker is at the queue; start one with 'bootwright worker'"
  const why = new Map<string, string[]>()
  for (const card of [...workers].sort((a, b) => (a.host < b.host ? -1 : 1))) {
    const words = whyNot(card, task) as string
    why.set(words, [...(why.get(words) ?? []), card.host])
  }
  return [...why].map(([words, hosts]) => `${[...new Set(hosts)].join(', ')} ${words}`).join('; ')
}
