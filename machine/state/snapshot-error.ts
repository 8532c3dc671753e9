import { UsageError } from '../errors.js'

/** A snapshot that cannot be made or loaded. The message is for people: which one, what is wrong, and what to do. */
export class SnapshotError extends UsageError {
  override readonly name = 'SnapshotError'
}
