/**
 * What a saved state may hold: a kind for each field, with what fits it. A snapshot comes from a file that anybody may
 * have written, so nothing of it becomes a member that no table names (`state-table.ts`), nor a value that the hardware
 * could not have.
 */
import type { Timer } from '../clock.js'
import type { Check, Field, State, StateValue } from '../device.js'
import { SnapshotError } from './snapshot-error.js'

/** The same with a value that a reset gives it: arrays are filled with it. */
export function starts(field: Field, initial: StateValue): Field {
  return { ...field, initial }
}

function plain(check: Check): Field {
  return { ...check, save: (present) => present as StateValue, load: (saved) => saved }
}

export const flag = plain({ wanted: 'true or false', fits: (value) => typeof value === 'boolean' })

export function integer(low: number, high: number): Field {
  return plain({
    wanted: `a whole number from ${low} to ${high}`,
    fits: (value) => Number.isInteger(value) && (value as number) >= low && (value as number) <= high,
  })
}

export const u8 = integer(0, 0xff)
export const u16 = integer(0, 0xffff)
export const u32 = integer(0, 0xffff_ffff)
/** 32 bits, whichever way they are read. */
export const word = integer(-0x8000_0000, 0xffff_ffff)
/** A count of ticks, bytes or events, before or after a zero. */
export const count = integer(-Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
/** A sector of the largest media. */
export const lba = integer(0, 2 ** 48)

export const u64 = plain({
  wanted: 'a bigint of 64 bits',
  fits: (value) => typeof value === 'bigint' && value >= 0n && value < 1n << 64n,
})

export function text(longest: number): Field {
  return plain({
    wanted: `a text of up to ${longest} characters`,
    fits: (value) => typeof value === 'string' && value.length <= longest,
  })
}

/** Guest time in ns that is not too far from any other one for a number to tell them apart. */
export const LAST_NS = 2 ** 52
export const time = plain({
  wanted: 'a guest time',
  fits: (value) => typeof value === 'number' && Math.abs(value) <= LAST_NS,
})

/** Each tick that was missed would be made up for: a run that has fallen behind this far is none, ns. */
const FARTHEST_BEHIND = 60e9
const ORDER = integer(0, Number.MAX_SAFE_INTEGER)

/** A timer of the clock's, or none; `null` while it is disarmed, else its deadline and its place among those of the same one. */
export const timer: Field = {
  wanted: 'a guest time and an order, or nothing',
  fits: (value) =>
    value === null || (Array.isArray(value) && value.length === 2 && time.fits(value[0]) && ORDER.fits(value[1])),
  check(saved, _present, where, now) {
    if (saved === null || now === undefined) return
    const [deadline] = saved as number[]
    if (deadline < now - FARTHEST_BEHIND) throw damaged(where, 'its time is long over')
  },
  save: (present) => (present as Timer | undefined)?.save() ?? null,
  load(saved, present) {
    ;(present as Timer | undefined)?.load(saved)
    return present
  },
}

/** Bytes: of a fixed length in place, else a member of its own length. */
export function bytes(least: number, most = least): Field {
  return {
    wanted: least === most ? `${most} bytes` : `${least} to ${most} bytes`,
    fits: (value) => value instanceof Uint8Array && value.length >= least && value.length <= most,
    save: (present) => (present as Uint8Array).slice(),
    load(saved, present) {
      if (least !== most || !(present instanceof Uint8Array)) return (saved as Uint8Array).slice()
      present.set(saved as Uint8Array)
      return present
    },
  }
}

/** A list, or a typed array of words: of `least` to `most` items. */
export function list(item: Field, least: number, most = least): Field {
  return {
    wanted: `a list of ${least === most ? least : `${least} to ${most}`}, each ${item.wanted}`,
    fits: (value) =>
      Array.isArray(value) && value.length >= least && value.length <= most && value.every((one) => item.fits(one)),
    check(saved, present, where, now) {
      if (!item.check) return
      for (const [i, one] of (saved as StateValue[]).entries())
        item.check(one, (present as ArrayLike<unknown>)[i], `${where}.${i}`, now)
    },
    save: (present) => Array.from(present as ArrayLike<unknown>, (one) => item.save(one)),
    load(saved, present) {
      if (ArrayBuffer.isView(present)) {
        ;(present as Uint32Array).set(saved as number[])
        return present
      }
      const before = (present ?? []) as unknown[]
      const loaded = (saved as StateValue[]).map((one, i) => item.load(one, before[i]))
      return loaded.length === before.length && loaded.every((one, i) => Object.is(one, before[i])) ? present : loaded
    },
  }
}

/** Plain data with these fields. */
export function record(fields: { readonly [name: string]: Field }): Field {
  const entries = Object.entries(fields)
  return {
    wanted: `a record of ${Object.keys(fields).join(', ')}`,
    fits: (value) => isRecord(value) && entries.every(([name, field]) => field.fits(value[name])),
    save: (present) =>
      Object.fromEntries(entries.map(([name, field]) => [name, field.save((present as State)[name])])) as State,
    load: (saved) =>
      Object.fromEntries(entries.map(([name, field]) => [name, field.load((saved as State)[name], null)])),
  }
}

/** Plain data under any names. */
export function dictionary(item: Field): Field {
  const each = (of: unknown, use: (value: StateValue) => unknown) =>
    Object.fromEntries(Object.entries(of as State).map(([name, value]) => [name, use(value)]))
  return {
    wanted: `a record, each ${item.wanted}`,
    fits: (value) => isRecord(value) && Object.values(value).every((one) => item.fits(one)),
    save: (present) => each(present, (value) => item.save(value)) as State,
    load: (saved) => each(saved, (value) => item.load(value, null)),
  }
}

/** Plain data: `undefined` in the object, `null` in its state. */
export function orNone(item: Field): Field {
  return {
    wanted: `${item.wanted}, or nothing`,
    fits: (value) => value === null || item.fits(value),
    save: (present) => (present === undefined ? null : item.save(present)),
    load: (saved, present) => (saved === null ? undefined : item.load(saved, present)),
  }
}

/** What has to be the same in the machine that loads; else `differs` says what to do, in a sentence. */
export function same(check: Check, differs: (saved: StateValue, here: StateValue) => string): Field {
  return {
    ...plain(check),
    check(saved, present) {
      if (saved !== present) throw new SnapshotError(differs(saved, present as StateValue))
    },
    load: (_, present) => present,
  }
}

export function optional(field: Check): Check {
  return { wanted: `${field.wanted}, or nothing`, fits: (value) => value === undefined || field.fits(value) }
}

/** Throws a SnapshotError that names the field. `where` is the device and the part of it. */
export function checkFields(fields: { readonly [name: string]: Check }, state: State | undefined, where: string): void {
  if (!isRecord(state)) throw damaged(where, 'it is no record')
  for (const [name, field] of Object.entries(fields))
    if (!field.fits(state[name])) throw damaged(`${where}.${name}`, `it should be ${field.wanted}`)
}

/**
 * Throws a SnapshotError where a saved state is of another build than one that the device itself gives: a field is
 * missing, or of another type. Lists and lengths are the device's own matter.
 */
export function checkLike(
  saved: StateValue | undefined,
  own: StateValue | undefined,
  where: string,
  /** What may be nothing may be something else, too: the device looks. */
  mayBeNothing = true,
): void {
  if (own === null || own === undefined || (saved === null && mayBeNothing)) return
  if (kind(saved) !== kind(own)) throw damaged(where, `it should be ${kind(own)}`)
  if (typeof saved === 'number' && Number.isNaN(saved)) throw damaged(where, 'it is no number')
  if (Array.isArray(own)) {
    for (const [i, one] of (saved as StateValue[]).entries())
      checkLike(one, own[Math.min(i, own.length - 1)], `${where}.${i}`, mayBeNothing)
  } else if (isRecord(own)) {
    for (const [name, value] of Object.entries(own)) {
      if (value === null || value === undefined) continue
      const one = (saved as State)[name]
      if (one === undefined) throw damaged(`${where}.${name}`, 'it is missing')
      checkLike(one, value, `${where}.${name}`, mayBeNothing)
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
