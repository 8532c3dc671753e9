/**
 * Names as the program's author wrote them: C++'s and Rust's functions, without what they are given. What is not understood
 * stays as the linker has it.
 * Specification: Itanium C++ ABI, 5.1 "External Names (a.k.a. Mangling)"; Rust's legacy names are a C++ path that ends in a hash.
 */
import { demangleRust, Unknown } from './demangle-rust.js'

const BUILTIN: { readonly [code: string]: string } = {
  ...{ v: 'void', w: 'wchar_t', b: 'bool', c: 'char', a: 'signed char', h: 'unsigned char', s: 'short' },
  ...{ t: 'unsigned short', i: 'int', j: 'unsigned int', l: 'long', m: 'unsigned long', x: 'long long' },
  ...{
    y: 'unsigned long long',
    n: '__int128',
    o: 'unsigned __int128',
    f: 'float',
    d: 'double',
    e: 'long double',
    z: '...',
  },
}
const STANDARD: { readonly [code: string]: string } = {
  ...{ St: 'std', Sa: 'std::allocator', Sb: 'std::basic_string', Ss: 'std::string' },
}
const OPERATORS: { readonly [code: string]: string } = {
  ...{ nw: ' new', na: ' new[]', dl: ' delete', da: ' delete[]', pl: '+', mi: '-', ml: '*', dv: '/', rm: '%', eo: '^' },
  ...{ an: '&', or: '|', co: '~', aS: '=', pL: '+=', mI: '-=', mL: '*=', dV: '/=', aN: '&=', oR: '|=', eO: '^=' },
  ...{ ls: '<<', rs: '>>', lS: '<<=', rS: '>>=', eq: '==', ne: '!=', lt: '<', gt: '>', le: '<=', ge: '>=', ss: '<=>' },
  ...{ nt: '!', aa: '&&', oo: '||', pp: '++', mm: '--', cm: ',', pm: '->*', pt: '->', cl: '()', ix: '[]' },
}
const RUST_HASH = /^h[\da-f]{16}$/
const RUST_ESCAPES: { readonly [word: string]: string } = {
  ...{ $SP$: '@', $BP$: '*', $RF$: '&', $LT$: '<', $GT$: '>', $LP$: '(', $RP$: ')', $C$: ',' },
}
const LONGEST = 4096
const DEEPEST = 64

export function isMangled(name: string): boolean {
  return name.startsWith('_Z') || name.startsWith('_R')
}

/** `kernel::Queue<int>::push` of `_ZN6kernel5QueueIiE4pushERKi`; the name itself where it is none of these. */
export function demangle(name: string): string {
  if (!isMangled(name) || name.length > LONGEST) return name
  try {
    return name[1] === 'R' ? demangleRust(name) : new Reader(name).name()
  } catch (error) {
    if (error instanceof Unknown) return name
    throw error
  }
}

class Reader {
  private at = 2
  private depth = 0
  /** What `S_`, `S0_` … stand for. */
  private readonly seen: string[] = []

  constructor(private readonly text: string) {}

  name(): string {
    const { text } = this
    if (/[VTGz]/.test(text[this.at] ?? 'z')) throw new Unknown()
    const parts = text[this.at] === 'N' ? this.nested() : this.plain()
    const isRust = RUST_HASH.test(parts.at(-1) ?? '') && parts.length > 1
    return isRust ? parts.slice(0, -1).map(rustPart).join('::') : parts.join('::')
  }

  private peek(...codes: string[]): boolean {
    return codes.some((code) => this.text.startsWith(code, this.at))
  }

  private take(code: string): boolean {
    if (!this.text.startsWith(code, this.at)) return false
    this.at += code.length
    return true
  }

  private keep(whole: string): string {
    this.seen.push(whole)
    return whole
  }

  /** N … E, a part each. */
  private nested(): string[] {
    this.take('N')
    while (/[rVKRO]/.test(this.text[this.at] ?? '')) this.at++
    const parts: string[] = []
    while (!this.take('E')) {
      if (this.peek('S')) {
        if (parts.length > 0) throw new Unknown()
        parts.push(this.substitution())
        continue
      }
      if (this.peek('I')) {
        if (parts.length === 0) throw new Unknown()
        this.give(parts)
      } else parts.push(this.unqualified(parts.at(-1)))
      // What is the whole name is never stood for.
      if (!this.peek('E')) this.keep(parts.join('::'))
    }
    return parts
  }

  private plain(): string[] {
    const inStandard = this.peek('St')
    const parts = this.peek('S') ? [this.substitution()] : []
    if (parts.length === 0 || inStandard) parts.push(this.unqualified(undefined))
    if (this.peek('I')) {
      this.keep(parts.join('::'))
      this.give(parts)
    }
    return parts
  }

  private unqualified(outer: string | undefined): string {
    this.take('L')
    if (/\d/.test(this.text[this.at] ?? '')) {
      const name = this.source()
      return name.startsWith('_GLOBAL__N_') ? '(anonymous namespace)' : name
    }
    const code = this.text.slice(this.at, this.at + 2)
    const own = outer?.replace(/<.*$/s, '')
    if (/^C[1-3]$/.test(code) && own) {
      this.at += 2
      return own
    }
    if (/^D[0-2]$/.test(code) && own) {
      this.at += 2
      return `~${own}`
    }
    if (!Object.hasOwn(OPERATORS, code)) throw new Unknown()
    this.at += 2
    return `operator${OPERATORS[code]}`
  }

  private source(): string {
    const [digits] = /^\d+/.exec(this.text.slice(this.at, this.at + 5)) ?? []
    const length = Number(digits ?? 0)
    const from = this.at + (digits?.length ?? 0)
    if (length === 0 || from + length > this.text.length) throw new Unknown()
    this.at = from + length
    return this.text.slice(from, this.at)
  }

  private substitution(): string {
    const standard = STANDARD[this.text.slice(this.at, this.at + 2)]
    if (standard !== undefined) {
      this.at += 2
      return standard
    }
    const [whole, number] = /^S([\dA-Z]*)_/.exec(this.text.slice(this.at, this.at + 8)) ?? []
    const found = whole === undefined ? undefined : this.seen[number ? Number.parseInt(number, 36) + 1 : 0]
    if (whole === undefined || found === undefined) throw new Unknown()
    this.at += whole.length
    return found
  }

  /** `operator<< <int>`, as everybody writes it. */
  private give(parts: string[]): void {
    const last = parts.length - 1
    parts[last] += `${parts[last].endsWith('<') ? ' ' : ''}${this.templateArguments()}`
  }

  private templateArguments(): string {
    this.take('I')
    const given: string[] = []
    while (!this.take('E')) given.push(this.peek('L') ? this.literal() : this.type())
    return `<${given.join(', ')}>`
  }

  /** `Li3E`, `Lb1E`. */
  private literal(): string {
    const [whole, type, minus, digits] = /^L([a-z])(n?)(\d+)E/.exec(this.text.slice(this.at, this.at + 40)) ?? []
    if (whole === undefined) throw new Unknown()
    this.at += whole.length
    if (type === 'b') return digits === '0' ? 'false' : 'true'
    return `${minus ? '-' : ''}${digits}`
  }

  private type(): string {
    if (++this.depth > DEEPEST) throw new Unknown()
    try {
      for (const [code, words] of [
        ['P', '*'],
        ['R', '&'],
        ['O', '&&'],
        ['K', ' const'],
        ['V', ' volatile'],
      ])
        if (this.take(code)) return this.keep(this.type() + words)
      const code = this.text[this.at] ?? ''
      if (Object.hasOwn(BUILTIN, code)) {
        this.at++
        return BUILTIN[code]
      }
      if (code === 'N') return this.keep(this.nested().join('::'))
      if (code === 'S' && !this.peek('St')) {
        const found = this.substitution()
        return this.peek('I') ? this.keep(found + this.templateArguments()) : found
      }
      if (code === 'S' || /\d/.test(code)) return this.keep(this.plain().join('::'))
      throw new Unknown()
    } finally {
      this.depth--
    }
  }
}

/** `_$LT$impl$u20$core..fmt..Debug$GT$` is `<impl core::fmt::Debug>`. */
function rustPart(part: string): string {
  const text = part.startsWith('_$') ? part.slice(1) : part
  return text
    .replace(/\$(?:u([\da-f]{1,6})|[A-Z]{1,2})\$/g, (word, code) =>
      code === undefined
        ? (RUST_ESCAPES[word] ?? word)
        : String.fromCodePoint(Math.min(Number.parseInt(code, 16), 0x10ffff)),
    )
    .replaceAll('..', '::')
}
