/**
 * The state of a device as a table, as QEMU's VMState: each member that is saved, and its kind. Saving, checking,
 * loading, and the plain part of a reset follow from it, so that no device writes them by hand.
 */
import type { Field, State, Stateful, StateValue } from '../device.js'
import { damaged, isRecord } from './fields.js'

export function saveState(object: Stateful): State {
  const members = membersOf(object)
  return Object.fromEntries(
    Object.entries(object.state).map(([name, field]) => {
      if (!(name in members)) throw new Error(`a table names ${name}, which its object does not have`)
      return [name, field.save(members[name])]
    }),
  )
}

/** Throws a SnapshotError that names the field. `where` is the device, `now` the guest time of the whole state. */
export function checkState(object: Stateful, saved: StateValue | undefined, where: string, now?: number): void {
  if (!isRecord(saved)) throw damaged(where, 'it is no record')
  const members = membersOf(object)
  for (const [name, field] of Object.entries(object.state)) {
    const value = saved[name]
    const at = `${where}.${name}`
    if (!field.fits(value)) throw damaged(at, `it should be ${field.wanted}`)
    field.check?.(value, members[name], at, now)
  }
}

/** Takes over a state that `checkState` has let pass. */
export function takeState(object: Stateful, saved: State): void {
  const members = membersOf(object)
  for (const [name, field] of Object.entries(object.state)) {
    const present = members[name]
    const loaded = field.load(saved[name], present)
    if (!Object.is(loaded, present)) members[name] = loaded
  }
  object.loaded?.()
}

/** Checks all of it, then takes it over. Throws a SnapshotError. */
export function loadState(object: Stateful, saved: State, where = 'it'): void {
  checkState(object, saved, where)
  takeState(object, saved)
}

/** Gives the members the values that their fields start with; the others stay. */
export function resetState(object: Stateful): void {
  const members = membersOf(object)
  for (const [name, { initial, load }] of Object.entries(object.state)) {
    if (initial === undefined) continue
    const present = members[name]
    if (ArrayBuffer.isView(present)) (present as Uint8Array).fill(initial as number)
    else if (Array.isArray(present)) present.fill(initial)
    else {
      const value = load(initial, present)
      if (!Object.is(value, present)) members[name] = value
    }
  }
}

function membersOf(object: Stateful): { [name: string]: unknown } {
  return object as unknown as { [name: string]: unknown }
}

/** A part with a table of its own, `undefined` where there is none; `what` names such parts. */
export function part(what = 'parts'): Field {
  return {
    wanted: 'a record, or nothing',
    fits: (value) => value === null || isRecord(value),
    check(saved, present, where, now) {
      if ((saved === null) !== (present === undefined))
        throw damaged(where, `the machine that was saved has other ${what} than this one`)
      if (present) checkState(present as Stateful, saved, where, now)
    },
    save: (present) => (present ? saveState(present as Stateful) : null),
    load(saved, present) {
      if (present) takeState(present as Stateful, saved as State)
      return present
    },
  }
}

/** Parts by name; the same names in each machine. */
export const parts: Field = {
  wanted: 'a record',
  fits: isRecord,
  check(saved, present, where, now) {
    const here = present as { [name: string]: Stateful }
    const names = new Set([...Object.keys(here), ...Object.keys(saved as State)])
    for (const name of names) part().check?.((saved as State)[name] ?? null, here[name], `${where}.${name}`, now)
  },
  save: (present) =>
    Object.fromEntries(Object.entries(present as object).map(([name, one]) => [name, saveState(one as Stateful)])),
  load(saved, present) {
    for (const [name, one] of Object.entries(present as object))
      takeState(one as Stateful, (saved as State)[name] as State)
    return present
  },
}

/** Parts that come and go, up to `most`: made anew when they are loaded. */
export function made(create: () => Stateful, most: number): Field {
  return {
    wanted: `a list of up to ${most} records`,
    fits: (value) => Array.isArray(value) && value.length <= most && value.every(isRecord),
    check(saved, _present, where, now) {
      for (const [i, one] of (saved as State[]).entries()) checkState(create(), one, `${where}.${i}`, now)
    },
    save: (present) => (present as Stateful[]).map(saveState),
    load: (saved) =>
      (saved as State[]).map((one) => {
        const fresh = create()
        takeState(fresh, one)
        return fresh
      }),
  }
}
