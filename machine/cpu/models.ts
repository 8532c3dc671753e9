/** CPU models by name: what `--cpu` means. A model is what CPUID shows; the soft engine refuses the instructions that it does not. */
import { UsageError } from '../errors.js'
import { FEATURE_ALIASES, FEATURE_WORDS, FEATURES, NEEDS } from './features.js'

/** Wrong text after `--cpu`; the message is one sentence for the user. */
export class CpuModelError extends UsageError {
  override readonly name = 'CpuModelError'
}

/** What a model's CPUID shows. */
export interface CpuModel {
  readonly name: string
  /** CPUID 1 EAX: family, model, stepping. */
  readonly signature: number
  /** Highest basic and extended leaf; 0 is none. */
  readonly level: number
  readonly extendedLevel: number
  /** Bits by FEATURE_WORDS. */
  readonly features: Uint32Array
}

interface Definition {
  signature: number
  level: number
  extendedLevel: number
  /** The model whose features it has too. */
  from?: string
  features: string
}

const EXTENDED = 0x80000008

const DEFINITIONS: { readonly [name: string]: Definition } = {
  // A 486 DX4 with write-back cache: the first with CPUID and page size extensions.
  '486': { signature: 0x483, level: 1, extendedLevel: 0, features: 'fpu vme pse' },
  // A Pentium MMX.
  pentium: { signature: 0x543, level: 1, extendedLevel: 0, from: '486', features: 'de tsc msr mce cx8 apic mmx' },
  // A Coppermine.
  pentium3: {
    signature: 0x686,
    level: 2,
    extendedLevel: 0,
    from: 'pentium',
    features: 'pae sep mtrr pge mca cmov pat pse36 fxsr sse',
  },
  'x86-64': {
    signature: 0x6fb,
    level: 2,
    extendedLevel: EXTENDED,
    from: 'pentium3',
    features: 'clflush sse2 syscall nx lm lahf',
  },
  core2duo: {
    signature: 0x6fb,
    level: 10,
    extendedLevel: EXTENDED,
    from: 'x86-64',
    features: 'sse3 ssse3 monitor cx16',
  },
  // The psABI's levels, on the CPUs that brought them: Nehalem and Haswell.
  'x86-64-v2': {
    signature: 0x106a5,
    level: 0xb,
    extendedLevel: EXTENDED,
    from: 'x86-64',
    features: 'cx16 sse3 ssse3 sse4.1 sse4.2 popcnt rdtscp',
  },
  'x86-64-v3': {
    signature: 0x306c3,
    level: 0xd,
    extendedLevel: EXTENDED,
    from: 'x86-64-v2',
    features: 'avx avx2 bmi1 bmi2 f16c fma lzcnt movbe xsave',
  },
}

/** QEMU's names of the same generations; `host` is what the soft engine has at most. */
const ALIASES: { readonly [name: string]: string } = {
  host: 'max',
  ...{ qemu64: 'core2duo', kvm64: 'core2duo', Conroe: 'core2duo', Nehalem: 'x86-64-v2', Haswell: 'x86-64-v3' },
}

const allFeatures = [...FEATURES.keys()]

/** What no CPU has by itself: a hypervisor shows it, and guests then expect one's devices. */
const ON_REQUEST = ['hypervisor']

export const DEFAULT_CPU = 'max'

/** Names of the models, the smallest first. */
export function cpuModelNames(): string[] {
  return [...Object.keys(DEFINITIONS), 'max']
}

function featuresOf(name: string): string[] {
  const { from, features } = DEFINITIONS[name]
  return [...(from ? featuresOf(from) : []), ...features.split(' ')]
}

/** Whether a CPU, as `--cpu` takes it, has 64-bit code. Throws a CpuModelError. */
export function hasLongMode(cpu = DEFAULT_CPU): boolean {
  const bit = FEATURES.get('lm') as number
  return ((parseCpu(cpu).features[bit >> 5] >>> (bit & 31)) & 1) === 1
}

/**
 * The CPU that `text` names: a model, then single features on and off, as in `pentium3,+sse2,pge=off`. Throws a
 * CpuModelError. A feature that is switched on brings what it needs, one that is switched off takes along what needs it.
 */
export function parseCpu(text: string): CpuModel {
  const [asked, ...changes] = text.split(',').map((part) => part.trim())
  const name = Object.hasOwn(ALIASES, asked) ? ALIASES[asked] : asked
  if (!cpuModelNames().includes(name)) throw new CpuModelError(noModel(name))
  const present = new Set(name === 'max' ? allFeatures.filter((one) => !ON_REQUEST.includes(one)) : featuresOf(name))
  for (const change of changes) {
    const [, sign, plain = '', named = '', word] = /^(?:([+-])(.*)|(.*)=(on|off))$/.exec(change) ?? []
    if (sign === undefined && word === undefined)
      throw new CpuModelError(`"${change}" is no change to a CPU model: write +NAME or -NAME, as in "pentium3,+sse2".`)
    const wanted = (plain || named).toLowerCase()
    const feature = FEATURE_ALIASES.get(wanted) ?? wanted
    if (!allFeatures.includes(feature)) {
      throw new CpuModelError(
        `There is no CPU feature "${plain || named}": did you mean "${nearest(feature, allFeatures)}"?`,
      )
    }
    if (sign === '+' || word === 'on') addWithNeeds(present, feature)
    else removeWithDependants(present, feature)
  }
  const features = new Uint32Array(FEATURE_WORDS.length)
  for (const feature of present) {
    const number = FEATURES.get(feature) as number
    features[number >> 5] = (features[number >> 5] | (1 << (number & 31))) >>> 0
  }
  const base = name === 'max' ? { signature: 0x706e5, level: 0xd, extendedLevel: EXTENDED } : DEFINITIONS[name]
  const any = (from: number, to: number) => features.subarray(from, to).some((word) => word !== 0)
  // The leaves must reach as far as the features.
  const level = features[7] || present.has('xsave') ? 0xd : any(2, 5) ? Math.max(7, base.level) : base.level
  return {
    name: text,
    signature: base.signature,
    level: Math.max(level, base.level),
    extendedLevel: any(5, 7) ? EXTENDED : base.extendedLevel,
    features,
  }
}

function noModel(name: string): string {
  const models = `The models are ${cpuModelNames().join(', ')}.`
  if (name === 'help' || name === '?') return models
  const near = nearest(name, cpuModelNames())
  // Far from every name it is another maker's or generation's.
  const isNear = distance(name.toLowerCase(), near) <= name.length / 2
  return `There is no CPU model "${name}"${isNear ? `: did you mean "${near}"?` : '.'} ${models}`
}

function addWithNeeds(present: Set<string>, feature: string): void {
  present.add(feature)
  for (const needed of NEEDS[feature] ?? []) addWithNeeds(present, needed)
}

function removeWithDependants(present: Set<string>, feature: string): void {
  present.delete(feature)
  for (const [other, needs] of Object.entries(NEEDS))
    if (present.has(other) && needs.includes(feature)) removeWithDependants(present, other)
}

/** The name that is fewest letters away. */
function nearest(wrong: string, names: readonly string[]): string {
  let best = names[0]
  for (const name of names) if (distance(wrong, name) < distance(wrong, best)) best = name
  return best
}

/** Levenshtein's. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 0; i < a.length; i++) {
    const next = [i + 1]
    for (let k = 0; k < b.length; k++)
      next.push(Math.min(row[k + 1] + 1, next[k] + 1, row[k] + (a[i] === b[k] ? 0 : 1)))
    row = next
  }
  return row[b.length]
}
