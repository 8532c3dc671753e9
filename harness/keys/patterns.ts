/** Patterns as a test author writes them, and as the plain data that crosses threads. */
import type { Pattern } from './boot-command.js'

/** A string stands for itself. */
export function toPattern(expression: RegExp | string): Pattern {
  if (typeof expression !== 'string') return { source: expression.source, flags: expression.flags }
  return { source: escapePattern(expression), flags: '' }
}

/** The source of a pattern that matches just this text. */
export function escapePattern(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

/** What a guest says when it cannot go on, beside the panics of known systems; false: not even those count. */
export type FailOn = false | readonly (RegExp | string)[]

export function toFailPatterns(failOn: FailOn | undefined): false | Pattern[] | undefined {
  return failOn === false ? false : failOn?.map(toPattern)
}
