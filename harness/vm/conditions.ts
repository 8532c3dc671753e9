/** Conditions as a test author writes them; `condition.ts` has them as data. */
import { toPattern } from '../keys/patterns.js'
import type { Needle } from '../needles/needle.js'
import type { Condition, ExitReason, PictureCondition } from '../protocol/condition.js'
import { parseDuration } from '../units/durations.js'

/** The text screen has this text, or matches; `^` and `$` are the ends of its rows. */
export function text(expression: RegExp | string): Condition {
  return { kind: 'text', pattern: toPattern(expression) }
}

/** The guest sent this over COM1 since the last match. */
export function serial(expression: RegExp | string, port = 0): Condition {
  return { kind: 'serial', port, pattern: toPattern(expression) }
}

/** The picture has not changed for that much guest time. */
export function still(duration: string): Condition {
  return { kind: 'still', ns: parseDuration(duration) }
}

/** A graphics mode, of this size where it is given. */
export function graphics(width?: number, height?: number): Condition {
  return { kind: 'mode', mode: 'graphics', width, height }
}

/** Areas of the screen show exactly these pixels. */
export function picture(condition: Omit<PictureCondition, 'kind'>): Condition {
  return { kind: 'picture', ...condition }
}

/** The screen shows one of the needles, as `openNeedles(folder).get(name)` or `.tagged(tag)` give them. */
export function needle(...needles: Needle[]): Condition {
  return { kind: 'needle', needles }
}

export function exit(...reasons: ExitReason[]): Condition {
  return { kind: 'exit', reasons: reasons.length > 0 ? reasons : undefined }
}

/** A CPU comes to the instruction, by its address as in `0x100000` or a function's name. */
export function reach(where: string): Condition {
  return { kind: 'reach', where }
}

export function any(...of: Condition[]): Condition {
  return { kind: 'any', of }
}

export function all(...of: Condition[]): Condition {
  return { kind: 'all', of }
}
