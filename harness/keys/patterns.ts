/** Patterns as a test author writes them, and as the plain data that crosses threads. */
import type { Pattern } from './boot-command.js'

/**
 * A string stands for itself.
 * @throws TypeError of anything else, as JavaScript may give it
 */
export function toPattern(expression: RegExp | string): Pattern {
  if (typeof expression !== 'string' && !(expression instanceof RegExp))
    throw new TypeError(`${String(expression)} is no pattern; give a regular expression, or text as a string`)
  if (typeof expression !== 'string') return { source: expression.source, flags: expression.flags }
  return { source: escapePattern(expression), flags: '' }
}

/** The source of a pattern that matches just this text. */
export function escapePattern(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

/** Phases of long work by their names; the first group of a pattern is how far it has come, in percent. */
export type Phases = { readonly [name: string]: RegExp }

export function toPhasePatterns(phases: Phases | undefined): { name: string; pattern: Pattern }[] | undefined {
  return phases && Object.entries(phases).map(([name, pattern]) => ({ name, pattern: toPattern(pattern) }))
}

/** What a guest says when it cannot go on, beside the panics of known systems; false: not even those count. */
export type FailOn = false | readonly (RegExp | string)[]

export function toFailPatterns(failOn: FailOn | undefined): false | Pattern[] | undefined {
  return failOn === false ? false : failOn?.map(toPattern)
}
