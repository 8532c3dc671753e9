/**
 * The options of a type of device, QEMU's properties: each with its values, what stands where none is given, and words for
 * `bootwright devices`. A value comes as text, from a command line, or as what it is. They are plain objects rather than
 * schemas, because each machine reads some dozens before its first instruction.
 */

/** A value does not fit. */
export class Misfit {
  /** @param must What it must be, to follow "it must be". */
  constructor(readonly must: string) {}
}

export class DeviceOption<T> {
  constructor(
    /** What a value that is given stands for. */
    readonly read: (given: unknown) => T | Misfit,
    /** What it is for. */
    readonly help = '',
    /** Without it, the device cannot be made. */
    readonly isNeeded = true,
    /** What stands where none is given. */
    readonly preset?: T,
  ) {}

  default(preset: T): DeviceOption<T> {
    return new DeviceOption(this.read, this.help, false, preset)
  }

  optional(): DeviceOption<T | undefined> {
    return new DeviceOption<T | undefined>(this.read, this.help, false)
  }

  describe(help: string): DeviceOption<T> {
    return new DeviceOption(this.read, help, this.isNeeded, this.preset)
  }
}

export interface DeviceOptions {
  readonly [name: string]: DeviceOption<unknown>
}

/** What a device is made with. */
export type Chosen<O extends DeviceOptions> = { [name in keyof O]: O[name] extends DeviceOption<infer T> ? T : never }

/** All of `options` as they were given; names of which there are none are the caller's to find. */
export function readOptions(
  options: DeviceOptions,
  given: { readonly [name: string]: unknown },
): { chosen: { [name: string]: unknown } } | { misfit: { option: string; must: string } } {
  const chosen: { [name: string]: unknown } = {}
  for (const [option, { read, isNeeded, preset }] of Object.entries(options)) {
    const value = given[option]
    const taken = value !== undefined || isNeeded ? read(value) : preset
    if (taken instanceof Misfit) return { misfit: { option, must: taken.must } }
    if (taken !== undefined) chosen[option] = taken
  }
  return { chosen }
}

const inWords = (value: number) => (value >= 0x100 ? `0x${value.toString(16)}` : `${value}`)

export const integerOption = (least: number, most: number): DeviceOption<number> =>
  new DeviceOption((given) => {
    const isNumber = typeof given === 'string' && /^(0x[0-9a-f]+|\d+)$/i.test(given.trim())
    const value = isNumber ? Number(given) : given
    if (typeof value !== 'number' || !Number.isInteger(value)) return new Misfit('a number, as in 0x501')
    if (value < least) return new Misfit(`at least ${inWords(least)}`)
    return value > most ? new Misfit(`at most ${inWords(most)}`) : value
  })

export const portOption = () => integerOption(0, 0xffff)

const ON = [true, 'on', 'yes', 'true']
const OFF = [false, 'off', 'no', 'false']

export const flagOption = (): DeviceOption<boolean> =>
  new DeviceOption((given) => {
    if (ON.includes(given as string)) return true
    return OFF.includes(given as string) ? false : new Misfit('on or off')
  })

/** A text of so many characters. */
export const textOption = (most: number, least = 0): DeviceOption<string> =>
  new DeviceOption((given) => {
    if (typeof given !== 'string') return new Misfit('a text')
    if (given.length < least) return new Misfit(`of ${least} or more characters`)
    return given.length > most ? new Misfit(`of at most ${most} characters`) : given
  })

/** One of `values`. */
export const choiceOption = <T extends string | number>(values: readonly T[]): DeviceOption<T> =>
  new DeviceOption(
    (given) => values.find((value) => String(value) === String(given)) ?? new Misfit(values.join(' or ')),
  )
