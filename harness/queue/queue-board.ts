/**
 * Who is at a queue: workers and runs each keep a card there, which goes away by itself soon after they do. And the parts
 * of results, each under a key of its own, so that one that is too large is never read as a whole.
 */
import type { Redis } from 'ioredis'
import type { z } from 'zod'
import { LARGEST_PART, RunCard, WorkerCard } from './queue-data.js'

/** How often a card is put up again, ms. */
export const CARD_EVERY = 2000
/** How long one is there after its owner's last sign of life, ms. */
const CARD_LASTS = 30_000
/** How long a run that was cancelled says so, ms. */
const CANCELLED_LASTS = 600_000
/** How long parts of results wait for who reads them, s. */
const PARTS_LAST = 3600
/** More at one queue are not looked at. */
const MOST_CARDS = 5000

/** The keys of BullMQ's queue begin with it, too. */
export const PREFIX = 'bootwright'

/** Only the same Bootwright reads the same words: each version has a queue of its own. */
export function queueName(version: string): string {
  return `jobs-${version.replace(/[^\w.-]/g, '-')}`
}

type Kind = 'worker' | 'run'
const cardKey = (kind: Kind, id: string) => `${PREFIX}:${kind}:${id}`
const listKey = (kind: Kind) => `${PREFIX}:${kind}s`

export function putWorker(redis: Redis, card: WorkerCard): Promise<unknown> {
  return put(redis, 'worker', card, CARD_LASTS)
}

export function putRun(redis: Redis, card: RunCard): Promise<unknown> {
  return put(redis, 'run', card, card.cancelled ? CANCELLED_LASTS : CARD_LASTS)
}

function put(redis: Redis, kind: Kind, card: { id: string }, lasts: number): Promise<unknown> {
  return redis
    .multi()
    .sadd(listKey(kind), card.id)
    .set(cardKey(kind, card.id), JSON.stringify(card), 'PX', lasts)
    .exec()
}

export function takeDown(redis: Redis, kind: Kind, id: string): Promise<unknown> {
  return redis.multi().srem(listKey(kind), id).del(cardKey(kind, id)).exec()
}

export function workersAt(redis: Redis): Promise<WorkerCard[]> {
  return cards(redis, 'worker', WorkerCard)
}

export async function runsAt(redis: Redis): Promise<RunCard[]> {
  return (await cards(redis, 'run', RunCard)).filter(({ cancelled }) => !cancelled)
}

async function cards<T extends z.ZodType>(redis: Redis, kind: Kind, schema: T): Promise<z.infer<T>[]> {
  const ids = (await redis.smembers(listKey(kind))).slice(0, MOST_CARDS)
  if (ids.length === 0) return []
  const texts = await redis.mget(ids.map((id) => cardKey(kind, id)))
  const gone = ids.filter((_, i) => texts[i] === null)
  if (gone.length > 0) await redis.srem(listKey(kind), ...gone)
  return texts.flatMap((text) => {
    const read = text === null ? undefined : schema.safeParse(json(text))
    return read?.success ? [read.data] : []
  })
}

/** The card of a run; undefined where there is none now, which a restart of the queue may cause as well as the run's end. */
export async function runCard(redis: Redis, id: string): Promise<RunCard | undefined> {
  const text = await redis.get(cardKey('run', id))
  return text === null ? undefined : RunCard.safeParse(json(text)).data
}

const partKey = (job: string, attempt: string, index: number) => `${PREFIX}:part:${job}:${attempt}:${index}`

export function putPart(redis: Redis, job: string, attempt: string, index: number, text: string): Promise<unknown> {
  return redis.set(partKey(job, attempt, index), text, 'EX', PARTS_LAST)
}

/** Takes a part away; its data is undefined where it is not there, or is none. */
export async function takePart(
  redis: Redis,
  job: string,
  attempt: string,
  index: number,
): Promise<{ data: unknown; length: number }> {
  const key = partKey(job, attempt, index)
  const text = await redis.getrange(key, 0, LARGEST_PART)
  await redis.del(key)
  return { data: text.length > LARGEST_PART ? undefined : json(text), length: text.length }
}

function json(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
