/** Exceptions that no device should throw: told from errors that are meant for the user, and put into words. */

/** What JavaScript throws by itself, or code that met what it thought could not be. */
const BUILT_IN = new Set(['Error', 'TypeError', 'RangeError', 'ReferenceError', 'SyntaxError', 'RuntimeError'])

/** False for this project's own classes and for what the host's system says, each of which has words for its user. */
export function isUnexpected(thrown: unknown): boolean {
  if (!(thrown instanceof Error)) return true
  const name = thrown.name === 'Error' ? thrown.constructor.name : thrown.name
  const isMemory = name === 'RangeError' && /Memory|allocat/i.test(thrown.message)
  return BUILT_IN.has(name) && (thrown as NodeJS.ErrnoException).code === undefined && !isMemory
}

/** One sentence; with BOOTWRIGHT_DEBUG where it happened, below. */
export function describeUnexpected(thrown: unknown): string {
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  const sentence = `a fault of Bootwright's own, which no guest should be able to cause: ${message}`
  if (!process.env.BOOTWRIGHT_DEBUG) return `${sentence}; BOOTWRIGHT_DEBUG=1 shows where; please report it`
  return `${sentence}\n${thrown instanceof Error ? thrown.stack : ''}`.trimEnd()
}
