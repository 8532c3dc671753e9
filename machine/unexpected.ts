/** Exceptions that no device should throw: told from errors that are meant for the user, and put into words. */
import { errorKind } from './errors.js'

/** False for errors with words for their user: this project's own, and what the host's system says. */
export function isUnexpected(thrown: unknown): boolean {
  if (!(thrown instanceof Error)) return true
  const isMemory = thrown.name === 'RangeError' && /Memory|allocat/i.test(thrown.message)
  return errorKind(thrown) === undefined && (thrown as NodeJS.ErrnoException).code === undefined && !isMemory
}

/** One sentence; with BOOTWRIGHT_DEBUG where it happened, below. */
export function describeUnexpected(thrown: unknown): string {
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  const sentence = `a fault of Bootwright's own, which no guest should be able to cause: ${message}`
  if (!process.env.BOOTWRIGHT_DEBUG) return `${sentence}; BOOTWRIGHT_DEBUG=1 shows where; please report it`
  return `${sentence}\n${thrown instanceof Error ? thrown.stack : ''}`.trimEnd()
}
