/** The way to a queue: a Redis or Valkey by its address, with one sentence where there is none. */
import { Redis, type RedisOptions } from 'ioredis'
import { HostError } from '../../machine/errors.js'
import type { QueueAddress } from './queue-address.js'

/** The queue is not there, is none, or is of another Bootwright; the message is one sentence. */
export class QueueError extends HostError {
  override readonly name = 'QueueError'
}

/** For an answer at the start, ms. */
const PATIENCE = 5000
const SLOWEST_RETRY = 1000

export interface ConnectionEvents {
  onLost(): void
  onBack(): void
}

/** A connection that comes back by itself whenever it breaks off. Rejects with a QueueError where there is nothing to begin with. */
export async function connectQueue({ options, shown }: QueueAddress, events: ConnectionEvents): Promise<Redis> {
  await tryOnce(options, shown)
  const redis = new Redis({
    ...options,
    // What BullMQ wants: commands wait for the connection.
    maxRetriesPerRequest: null,
    retryStrategy: (times) => Math.min(50 * times, SLOWEST_RETRY),
  })
  let lost = false
  // Each failed attempt; it is told once that the connection is gone.
  redis.on('error', () => {})
  redis.on('close', () => {
    if (lost || redis.status === 'end') return
    lost = true
    events.onLost()
  })
  redis.on('ready', () => {
    if (lost) events.onBack()
    lost = false
  })
  return redis
}

async function tryOnce(options: RedisOptions, shown: string): Promise<void> {
  const redis = new Redis({
    ...options,
    lazyConnect: true,
    connectTimeout: PATIENCE,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  })
  let problem: Error | undefined
  redis.on('error', (error: Error) => {
    problem ??= error
  })
  let timer: NodeJS.Timeout | undefined
  try {
    const silent = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(Object.assign(new Error('silent'), { code: 'ETIMEDOUT' })), PATIENCE)
    })
    await Promise.race([redis.connect().then(() => redis.ping()), silent])
    // A database that is not there is told by the way, and another one used.
    if (problem) throw problem
  } catch (error) {
    throw told(problem ?? (error as Error), shown, options.tls !== undefined)
  } finally {
    clearTimeout(timer)
    redis.disconnect()
  }
}

const WHY: { readonly [code: string]: string } = {
  ECONNREFUSED: 'its host refuses the connection',
  ENOTFOUND: 'its host is not known',
  EAI_AGAIN: 'its host cannot be looked up',
  ETIMEDOUT: 'nothing answers there',
  EHOSTUNREACH: 'there is no way to its host',
  ENETUNREACH: 'there is no way to its host',
  ECONNRESET: 'the connection breaks off at once, as where rediss:// is wanted',
}

function told(error: Error, shown: string, isTls: boolean): QueueError {
  const { code = '', message } = error as NodeJS.ErrnoException
  if (/NOAUTH|WRONGPASS|NOPERM|AUTH/.test(message))
    return new QueueError(`the queue ${shown} does not let us in: give its password, as in redis://:PASSWORD@HOST`)
  if (/Protocol error|unknown command/i.test(message))
    return new QueueError(`${shown} is no Redis and no Valkey; name one with --queue`)
  if (/DB index|invalid DB/i.test(message))
    return new QueueError(`the queue ${shown} has no database of that number; give one that its server has, as 0`)
  if (/certificate|CERT_/i.test(`${message} ${code}`))
    return new QueueError(
      `the certificate of the queue ${shown} is not trusted (${message.split('\n')[0]}): name the file of its authority's in NODE_EXTRA_CA_CERTS`,
    )
  if (/SSL|TLS/i.test(`${message} ${code}`) || (isTls && code === 'ETIMEDOUT'))
    return new QueueError(
      `the queue ${shown} does not speak TLS (${message.split('\n')[0]}); write redis:// for one without`,
    )
  const why = WHY[code] ?? message.split('\n')[0].replace(/\.$/, '')
  return new QueueError(
    `the queue ${shown} is not there: ${why}; start a Redis or Valkey there, or name another with --queue`,
  )
}
