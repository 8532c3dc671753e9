/**
 * A trace as plain data: what a test did with a machine and what the machine showed, in order. Guest time and host time
 * of every event; each screen once, by its hash.
 */
import * as z from 'zod'
import { ResultFormatError } from './matrix/matrix-result.js'
import { schemaWords } from './schema-words.js'

export const TRACE_VERSION = 1

const At = {
  /** Guest time since power-on. */
  guestTimeNs: z.number().nonnegative(),
  /** Host time since the trace began. */
  hostMs: z.number().nonnegative(),
}

export const TraceEvent = z.discriminatedUnion('kind', [
  /** What is to be seen from now on. */
  z.object({ kind: z.literal('screen'), ...At, screen: z.string(), text: z.string().optional() }),
  /** What was done to the machine, in words: `key ControlLeft+KeyC`, `click left at 10,20`. */
  z.object({ kind: z.literal('input'), ...At, title: z.string() }),
  z.object({ kind: z.literal('serial'), ...At, port: z.number().int().nonnegative(), text: z.string() }),
  /** What was waited for. `guestTimeNs` and `hostMs` are the beginning of the wait. */
  z.object({
    kind: z.literal('condition'),
    ...At,
    title: z.string(),
    outcome: z.enum(['met', 'timeout', 'failed', 'interrupted']),
    untilGuestTimeNs: z.number().nonnegative(),
    untilHostMs: z.number().nonnegative(),
    error: z.string().optional(),
  }),
  z.object({ kind: z.literal('exit'), ...At, title: z.string() }),
  z.object({ kind: z.literal('note'), ...At, title: z.string() }),
])

export const Trace = z.object({
  format: z.literal('bootwright-trace'),
  version: z.literal(TRACE_VERSION),
  title: z.string(),
  date: z.iso.datetime(),
  engine: z.string(),
  status: z.enum(['passed', 'failed']).optional(),
  /** By hash: PNG in base64, and its size in pixels. */
  screens: z.record(z.string(), z.object({ png: z.base64(), width: z.number().int(), height: z.number().int() })),
  events: z.array(TraceEvent),
})

export type TraceEvent = z.infer<typeof TraceEvent>
export type Trace = z.infer<typeof Trace>

/**
 * Checks what was read from a trace file.
 * @throws ResultFormatError with one sentence that names the place.
 */
export function parseTrace(data: unknown): Trace {
  const head = z.object({ format: z.literal('bootwright-trace'), version: z.number() }).safeParse(data)
  if (!head.success) throw new ResultFormatError('This is no trace of Bootwright: its "format" is another.')
  if (head.data.version !== TRACE_VERSION)
    throw new ResultFormatError(
      `This trace has version ${head.data.version}, and this Bootwright reads version ${TRACE_VERSION}.`,
    )
  const trace = Trace.safeParse(data)
  if (trace.success) return trace.data
  const words = schemaWords(Trace, data, trace.error, { whole: 'all of it' })
  throw new ResultFormatError(`This trace is damaged: ${words}.`)
}
