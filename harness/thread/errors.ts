/** What comes of a machine's thread in place of an answer. */
import { type ErrorKind, HostError } from '../../machine/errors.js'
import type { PlainError } from '../protocol/messages.js'

/** An error from the machine's thread; `name` is the name of its class there (`MediaError`, …), `kind` its kind. */
export class VmError extends Error {
  readonly kind: ErrorKind | undefined
  readonly code: string | undefined
  readonly path: string | undefined

  constructor(error: PlainError) {
    super(error.message)
    this.name = error.name
    this.kind = error.kind
    this.stack = error.stack
    this.code = error.code
    this.path = error.path
  }
}

/** The project is not built, or a thread ended that should not have. */
export class InfrastructureError extends HostError {
  override readonly name = 'InfrastructureError'
}
