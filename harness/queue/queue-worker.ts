/**
 * A worker's end of the queue: it takes tasks that it can do, sends parts of their results as they are made, and stops where
 * a run is cancelled or gone. What it had begun with and cannot end goes back into the queue.
 */
import { randomUUID } from 'node:crypto'
import { DelayedError, type Job, UnrecoverableError, WaitingError, Worker } from 'bullmq'
import type { Redis } from 'ioredis'
import { parseQueueAddress } from './queue-address.js'
import { CARD_EVERY, PREFIX, putPart, putWorker, queueName, runCard, runsAt, takeDown } from './queue-board.js'
import { connectQueue, QueueError } from './queue-connection.js'
import {
  type Answer,
  LARGEST_PART,
  MOST_PARTS,
  memoryOf,
  Task,
  type WorkerCard,
  type Working,
  whyNot,
} from './queue-data.js'

/** A worker that does not say for so long that it is at a task has lost it, ms. One on a busy host may be silent for a while. */
const LOCK = 30_000
/** For saying goodbye to a queue that may be away, ms. */
const GOODBYE = 5000
const LOOK_FOR_LOST_EVERY = 5000
/** A task whose workers died so often is left. */
const MOST_DEATHS = 2
/** A task that another can do better is looked at again after, ms. */
const PUT_BACK = 500
/** A run without a card for so long has ended, however, ms. */
const RUN_GONE = 20_000
/** Between two looks at the runs of the tasks that are worked on, ms. */
const LOOK_EVERY = 1000
/** Between two words on how far a task is, ms. */
const TELL_EVERY = 500

export interface TaskTools {
  /** Aborted where nobody wants the result any longer. */
  signal: AbortSignal
  tell(state: Pick<Working, 'level' | 'progress'>): void
  /** False where it is too large to be sent. */
  part(data: unknown): boolean
}

export interface WorkerOptions {
  card(): WorkerCard
  perform(task: Task, tools: TaskTools): Promise<void>
  /** Told in one sentence what a person should know. */
  say(words: string): void
}

/** Why a task is not worked on any longer. */
type Stop = 'cancelled' | 'lost' | 'ending'

export class QueueWorker {
  private readonly active = new Map<string, { task: Task; abort: AbortController }>()
  /** When a run was first seen to have no card. */
  private readonly gone = new Map<string, number>()
  private readonly timers: NodeJS.Timeout[] = []
  private readonly told = new Set<string>()
  private worker: Worker | undefined
  private ending = false

  private constructor(
    private readonly redis: Redis,
    private readonly options: WorkerOptions,
  ) {}

  /**
   * Takes tasks from now on. Rejects with a UsageError for an address that is none, or a QueueError, also where all who are
   * there are of another version.
   */
  static async start(url: string, options: WorkerOptions): Promise<QueueWorker> {
    const address = parseQueueAddress(url)
    let own: QueueWorker | undefined
    const say = (words: string) => {
      if (!own?.ending) options.say(words)
    }
    const redis = await connectQueue(address, {
      onLost: () => say(`the queue ${address.shown} has gone; this waits for it to come back`),
      onBack: () => say(`the queue ${address.shown} is back`),
    })
    own = new QueueWorker(redis, options)
    try {
      await own.begin()
    } catch (error) {
      await own.stop()
      if (error instanceof QueueError) throw error
      throw new QueueError(`the queue ${address.shown} cannot be used: ${(error as Error).message.split('\n')[0]}`)
    }
    return own
  }

  private async begin(): Promise<void> {
    const { jobs, version } = this.options.card()
    const runs = await runsAt(this.redis)
    const other = runs.find((run) => run.version !== version)
    if (other && !runs.some((run) => run.version === version)) throw otherVersion(other, version)
    this.worker = new Worker(queueName(version), (job, token) => this.take(job, token as string), {
      connection: this.redis as never,
      prefix: PREFIX,
      concurrency: jobs,
      lockDuration: LOCK,
      stalledInterval: LOOK_FOR_LOST_EVERY,
      maxStalledCount: MOST_DEATHS,
      runRetryDelay: LOOK_EVERY,
    })
    this.worker.on('error', () => {})
    this.worker.on('lockRenewalFailed', (ids: string[]) => {
      for (const id of ids) this.active.get(id)?.abort.abort('lost' satisfies Stop)
    })
    await this.worker.waitUntilReady()
    await putWorker(this.redis, this.options.card())
    this.timers.push(
      setInterval(() => void putWorker(this.redis, this.options.card()).catch(() => {}), CARD_EVERY),
      setInterval(() => void this.look().catch(() => {}), LOOK_EVERY),
    )
  }

  /** What BullMQ has it do with a task. */
  private async take(job: Job, token: string): Promise<Answer> {
    const read = Task.safeParse(job.data)
    if (!read.success) throw new UnrecoverableError('what is in the queue is no task of Bootwright')
    const task = read.data
    const id = job.id as string
    const putBack = async (ms: number) => {
      await job.moveToDelayed(Date.now() + ms, token)
      throw new DelayedError()
    }
    if (this.ending) return putBack(1)
    if (whyNot(this.options.card(), task) !== undefined || !this.fits(task)) return putBack(PUT_BACK)
    const run = await runCard(this.redis, task.run)
    if (run?.cancelled) throw new UnrecoverableError('its run was cancelled')
    if (!run && this.isGone(task.run)) throw new UnrecoverableError('its run has ended')
    if (!run) return putBack(PUT_BACK)
    this.gone.delete(task.run)
    const abort = new AbortController()
    this.active.set(id, { task, abort })
    try {
      const answer = await this.perform(job, task, abort.signal)
      abort.signal.throwIfAborted()
      return answer
    } catch (error) {
      if (!abort.signal.aborted) throw error
      if ((abort.signal.reason as Stop) !== 'ending') throw new UnrecoverableError('it was cancelled')
      await job.moveToWait(token)
      throw new WaitingError()
    } finally {
      this.active.delete(id)
    }
  }

  private async perform(job: Job, task: Task, signal: AbortSignal): Promise<Answer> {
    const { host } = this.options.card()
    const attempt = randomUUID()
    let state: Working = { attempt, host, parts: 0 }
    let parts = 0
    let toldAt = 0
    let late: NodeJS.Timeout | undefined
    let sending: Promise<unknown> = Promise.resolve()
    const send = () => {
      clearTimeout(late)
      late = undefined
      toldAt = Date.now()
      // A task that the queue has forgotten has nobody who wants to know.
      return job.updateProgress(state as never).catch(() => {})
    }
    const tools: TaskTools = {
      signal,
      tell: (more) => {
        state = { ...state, ...more }
        late ??= setTimeout(send, Math.max(0, toldAt + TELL_EVERY - Date.now()))
      },
      part: (data) => {
        const text = JSON.stringify(data)
        if (Buffer.byteLength(text) > LARGEST_PART || parts >= MOST_PARTS) return false
        const index = parts++
        sending = sending.then(async () => {
          await putPart(this.redis, job.id as string, attempt, index, text)
          state = { ...state, parts: index + 1 }
          await send()
        })
        sending.catch(() => {})
        return true
      },
    }
    tools.tell({})
    try {
      await this.options.perform(task, tools)
      await sending
      return { attempt, host, parts }
    } finally {
      clearTimeout(late)
    }
  }

  private fits(task: Task): boolean {
    const taken = [...this.active.values()].reduce((sum, one) => sum + memoryOf(one.task), 0)
    return taken + memoryOf(task) <= this.options.card().memory
  }

  /** Runs that were cancelled, or are gone, whose tasks are worked on here; and runs that this worker is no help to. */
  private async look(): Promise<void> {
    const ids = new Set([...this.active.values()].map(({ task }) => task.run))
    for (const id of ids) {
      const card = await runCard(this.redis, id)
      if (card && !card.cancelled) this.gone.delete(id)
      else if (card?.cancelled || this.isGone(id))
        for (const { task, abort } of this.active.values()) if (task.run === id) abort.abort('cancelled' satisfies Stop)
    }
    const { version } = this.options.card()
    for (const run of await runsAt(this.redis)) {
      if (run.version === version || this.told.has(run.id)) continue
      this.told.add(run.id)
      this.options.say(otherVersion(run, version).message)
    }
  }

  private isGone(run: string): boolean {
    const since = this.gone.get(run) ?? Date.now()
    this.gone.set(run, since)
    return Date.now() - since > RUN_GONE
  }

  /** Takes nothing more, and puts back what it has begun with. */
  async stop(): Promise<void> {
    if (this.ending) return
    this.ending = true
    for (const timer of this.timers) clearInterval(timer)
    for (const { abort } of this.active.values()) abort.abort('ending' satisfies Stop)
    const work = Promise.all([takeDown(this.redis, 'worker', this.options.card().id), this.worker?.close()])
    await Promise.race([work.catch(() => {}), new Promise((resolve) => setTimeout(resolve, GOODBYE).unref())])
    this.redis.disconnect()
  }
}

function otherVersion({ host, version }: { host: string; version: string }, own: string): QueueError {
  return new QueueError(
    `the run on ${host} is of Bootwright ${version} and this worker of ${own}: it takes none of its tasks; install the same on both`,
  )
}
