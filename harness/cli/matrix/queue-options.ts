/** The options of commands whose work is done by workers at a queue. */
import type { Command } from 'commander'
import { parseQueueAddress } from '../../queue/queue-address.js'
import { tryParseDuration } from '../../units/durations.js'
import { UsageError } from '../errors.js'

const DEFAULT_WAIT_MS = 30_000

export interface QueueFlags {
  queue?: string
  /** In ms. */
  wait?: number
}

export function queueOptions(command: Command): Command {
  return command
    .option(
      '--queue <address>',
      'as redis://HOST: workers at this Redis or Valkey do it, see bootwright worker',
      queueAddress,
    )
    .option('--wait <time>', 'how long to wait for a worker that can do a task (default: 30s)', parseWait)
}

/** Throws a UsageError where there is a time to wait and no queue. */
export function waitMs({ queue, wait }: QueueFlags): number {
  if (wait !== undefined && queue === undefined) throw new UsageError('--wait is for workers; give --queue, too')
  return wait ?? DEFAULT_WAIT_MS
}

/** Before anything is loaded or measured. Throws a UsageError. */
export function queueAddress(value: string): string {
  if (value === '') throw new UsageError('--queue has an empty address; write redis://HOST:6379')
  parseQueueAddress(value)
  return value
}

function parseWait(value: string): number {
  const ns = tryParseDuration(value)
  if (ns === undefined) throw new UsageError(`--wait '${value}' is no time; write one as in 30s or 5m`)
  return ns / 1e6
}
