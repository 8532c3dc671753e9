/**
 * Errors that a person is told of in one sentence: what is wrong, with which file or option, what to do. Each kind of them
 * is a class with a name that extends one of these two; name and kind cross threads, and the command turns the kind into its
 * exit code.
 */

/** Whose matter it is: what was asked for cannot be, or the host lacks something. */
export type ErrorKind = 'usage' | 'host'

export class UsageError extends Error {
  override readonly name: string = 'UsageError'
  readonly kind: ErrorKind = 'usage'
}

export class HostError extends Error {
  override readonly name: string = 'HostError'
  readonly kind: ErrorKind = 'host'
}

/** undefined: it is no error that somebody worded for people. One from another thread has its kind, too. */
export function errorKind(thrown: unknown): ErrorKind | undefined {
  const kind = thrown instanceof Error ? (thrown as Partial<UsageError>).kind : undefined
  return kind === 'usage' || kind === 'host' ? kind : undefined
}
