/** Where a queue is: `redis://[[user:]password@]host[:port][/database]`, or `valkey://`; `rediss://` and `valkeys://` by TLS. */
import { isIP } from 'node:net'
import type { RedisOptions } from 'ioredis'
import { UsageError } from '../../machine/errors.js'

export interface QueueAddress {
  options: RedisOptions
  /** Without the password. */
  shown: string
}

const DEFAULT_PORT = 6379

/** Throws a UsageError. */
export function parseQueueAddress(url: string): QueueAddress {
  const wrong = (why: string) =>
    new UsageError(`--queue '${hidden(url)}' ${why}; write redis://HOST:6379, or rediss://USER:PASSWORD@HOST/0 for TLS`)
  const at = URL.canParse(url) ? new URL(url) : undefined
  if (!at) throw wrong('is no address')
  if (!/^(redis|rediss|valkey|valkeys):$/.test(at.protocol)) throw wrong(`is no queue's address`)
  if (at.hostname === '') throw wrong('names no host')
  const database = at.pathname.replace(/^\//, '') || '0'
  if (!/^\d{1,4}$/.test(database)) throw wrong(`has '${database}' where a database's number belongs`)
  const host = decodeURIComponent(at.hostname).replace(/^\[(.*)\]$/, '$1')
  return {
    options: {
      host,
      port: at.port === '' ? DEFAULT_PORT : Number(at.port),
      db: Number(database),
      ...(at.username !== '' && { username: decodeURIComponent(at.username) }),
      ...(at.password !== '' && { password: decodeURIComponent(at.password) }),
      // An address by numbers is no server's name.
      ...(['rediss:', 'valkeys:'].includes(at.protocol) && { tls: isIP(host) ? {} : { servername: host } }),
    },
    shown: hidden(url),
  }
}

function hidden(url: string): string {
  return url.replace(/\/\/[^@/]*@/, '//')
}
