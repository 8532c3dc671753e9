/**
 * What a device's saved state may hold, as a table: a name and a check for each field. A snapshot comes from a file that
 * anybody may have written, so nothing of it becomes a member that its table does not name, nor a value that the
 * hardware could not have.
 */
import type { State, StateValue } from '../device.js'
import { SnapshotError } from './snapshot-error.js'

export interface Field {
  /** For the sentence: `a number from 0 to 255`. */
  readonly wanted: string
  fits(value: StateValue | undefined): boolean
}

export type Fields = { readonly [name: string]: Field }

export const flag: Field = { wanted: 'true or false', fits: (value) => typeof value === 'boolean' }

export function integer(low: number, high: number): Field {
  return {
    wanted: `a whole number from ${low} to ${high}`,
    fits: (value) => Number.isInteger(value) && (value as number) >= low && (value as number) <= high,
  }
}

export const u8 = integer(0, 0xff)
export const u16 = integer(0, 0xffff)
export const u32 = integer(0, 0xffff_ffff)
/** A sector of the largest media. */
export const lba = integer(0, 2 ** 48)

/** Guest time in ns that is not too far from any other one for a number to tell them apart. */
export const LAST_NS = 2 ** 52
export const time: Field = {
  wanted: 'a guest time',
  fits: (value) => typeof value === 'number' && Math.abs(value) <= LAST_NS,
}
/** Of a timer; -1, Infinity or, from JSON, null while it is disarmed. */
export const deadline: Field = {
  wanted: 'a guest time or none',
  fits: (value) => value === Number.POSITIVE_INFINITY || value === null || time.fits(value),
}

export function bytes(least: number, most = least): Field {
  return {
    wanted: least === most ? `${most} bytes` : `${least} to ${most} bytes`,
    fits: (value) => value instanceof Uint8Array && value.length >= least && value.length <= most,
  }
}

export function list(item: Field, count: number): Field {
  return {
    wanted: `a list of ${count}, each ${item.wanted}`,
    fits: (value) => Array.isArray(value) && value.length === count && value.every((one) => item.fits(one)),
  }
}

export function optional(field: Field): Field {
  return { wanted: `${field.wanted}, or nothing`, fits: (value) => value === undefined || field.fits(value) }
}

/** Throws a SnapshotError that names the field. `where` is the device and the part of it. */
export function checkFields(fields: Fields, state: State | undefined, where: string): void {
  if (!isRecord(state)) throw damaged(where, 'it is no record')
  for (const [name, field] of Object.entries(fields))
    if (!field.fits(state[name])) throw damaged(`${where}.${name}`, `it should be ${field.wanted}`)
}

/** Checks all fields, then takes them over as the members of those names; arrays of bytes are filled. */
export function loadFields(into: object, fields: Fields, state: State, where: string): void {
  checkFields(fields, state, where)
  const members = into as { [name: string]: unknown }
  for (const name of Object.keys(fields)) {
    const value = state[name]
    if (value === undefined) continue
    const present = members[name]
    if (ArrayBuffer.isView(present)) (present as Uint8Array).set(value as Uint8Array)
    else members[name] = value
  }
}

/** Came without a new version of their device, which does without them. */
const MAY_LACK: ReadonlySet<string> = new Set(['absent'])

/**
 * Throws a SnapshotError where a saved state is of another build than one that the device itself gives: a field is
 * missing, or of another type. Lists and lengths are the device's own matter.
 */
export function checkLike(saved: StateValue | undefined, own: StateValue | undefined, where: string): void {
  // What may be nothing may be something else, too: the device looks.
  if (own === null || own === undefined || saved === null) return
  if (kind(saved) !== kind(own)) throw damaged(where, `it should be ${kind(own)}`)
  if (typeof saved === 'number' && Number.isNaN(saved)) throw damaged(where, 'it is no number')
  if (Array.isArray(own)) {
    for (const [i, one] of (saved as StateValue[]).entries())
      checkLike(one, own[Math.min(i, own.length - 1)], `${where}.${i}`)
  } else if (isRecord(own)) {
    for (const [name, value] of Object.entries(own)) {
      if (value === null || value === undefined) continue
      const one = (saved as State)[name]
      if (one === undefined && MAY_LACK.has(name)) continue
      if (one === undefined) throw damaged(`${where}.${name}`, 'it is missing')
      checkLike(one, value, `${where}.${name}`)
    }
  }
}

export function damaged(where: string, why: string): SnapshotError {
  return new SnapshotError(`the snapshot is damaged at ${where}: ${why}; copy it again, or make a new one`)
}

export function isRecord(value: StateValue | undefined): value is State {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
}

function kind(value: StateValue | undefined): string {
  if (value instanceof Uint8Array) return 'bytes'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return value === null ? 'nothing' : 'a record'
  return `a ${typeof value}`
}
