/**
 * What goes wrong with a machine in a test: an error class a kind, each with one sentence and, below it, what the guest
 * showed last: its screen, its serial lines, and why it stopped.
 */
import { UsageError } from '../../machine/errors.js'
import { printable } from '../../reports/printable.js'

import type { EndReason, RunResult } from '../protocol/script.js'
import { evidence, pictureWords } from '../words/evidence.js'

/** The common ground: `result` is the machine as it was then. */
export class VmFailure extends Error {
  override readonly name: string = 'VmFailure'
  declare readonly result: RunResult

  /**
   * @param sentence What went wrong.
   * @param picture The file with the last screen, for graphics modes.
   */
  constructor(
    readonly sentence: string,
    result: RunResult,
    readonly picture?: string,
  ) {
    super(`${printable(sentence)}\n\n${evidence(result, pictureWords(picture)).trimEnd()}`)
    // Test runners print what can be enumerated: each cell of the screen, where the message has said all.
    Object.defineProperty(this, 'result', { value: result, enumerable: false })
  }

  /** Runners in other processes than the test's are sent what this gives, and not each cell. */
  toJSON(): object {
    const { name, message, stack } = this
    return { name, message, stack }
  }
}

/** What was waited for did not come within the guest time or host time allowed. */
export class TimeoutError extends VmFailure {
  override readonly name = 'TimeoutError'
}

/** The guest stopped before what was waited for came. `exit` says how. */
export class GuestExitError extends VmFailure {
  override readonly name = 'GuestExitError'

  get exit(): { reason: EndReason; code?: number; detail?: string } {
    return this.result.exit
  }
}

/** Something cannot be done: text to be clicked on is not there, the pointer cannot be found. */
export class ActionError extends VmFailure {
  override readonly name = 'ActionError'
}

/** The machine was closed while it ran. */
export class InterruptedError extends VmFailure {
  override readonly name = 'InterruptedError'
}

/** The guest did not take a connection, or ended it; the message is one sentence. */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError'
}

/** Options of `launch` that cannot be; the message is one sentence. */
export class LaunchError extends UsageError {
  override readonly name = 'LaunchError'
}

/** The machine was closed or switched off before. */
export class MachineClosedError extends Error {
  override readonly name = 'MachineClosedError'
}

export function failureOf(result: RunResult, picture: string | undefined): VmFailure {
  const sentence = result.error ?? 'the script failed'
  switch (result.outcome) {
    case 'timeout':
      return new TimeoutError(sentence, result, picture)
    case 'interrupted':
      return new InterruptedError(sentence, result, picture)
    default:
      return result.exit.reason === 'script'
        ? new ActionError(sentence, result, picture)
        : new GuestExitError(sentence, result, picture)
  }
}
