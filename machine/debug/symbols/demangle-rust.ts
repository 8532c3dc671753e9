/**
 * Rust's names as its "v0" mangling has them, shown as `nm -C` does: without the crates' hashes and the types of constants.
 * Specification: Rust RFC 2603, "Symbol name grammar".
 */
const BASIC: { readonly [code: string]: string } = {
  ...{
    a: 'i8',
    b: 'bool',
    c: 'char',
    d: 'f64',
    e: 'str',
    f: 'f32',
    h: 'u8',
    i: 'isize',
    j: 'usize',
    l: 'i32',
    m: 'u32',
  },
  ...{ n: 'i128', o: 'u128', p: '_', s: 'i16', t: 'u16', u: '()', v: '...', x: 'i64', y: 'u64', z: '!' },
}
const SPECIAL: { readonly [code: string]: string } = { C: 'closure', S: 'shim' }
const DEEPEST = 100
/** Back references repeat what may have some of its own. */
const MOST_STEPS = 2000
const LONGEST = 8192

/** It is no name of a mangling that is known here. */
export class Unknown extends Error {}

/** `kernel::Queue::<u8>::push` of what begins with `_R`. Throws an Unknown. */
export function demangleRust(name: string): string {
  const [, text, suffix] = /^_R(\w+)(\.[\w.$@]*)?$/.exec(name) ?? []
  if (text === undefined || /^\d/.test(text)) throw new Unknown()
  const shown = new RustName(text).whole()
  return suffix === undefined || suffix.startsWith('.llvm.') ? shown : shown + suffix
}

class RustName {
  private at = 0
  private depth = 0
  private steps = 0
  /** Lifetimes that the binders around have named. */
  private bound = 0

  constructor(private readonly text: string) {}

  whole(): string {
    const shown = this.path(true)
    // The crate that made this copy of something generic.
    if (this.at < this.text.length) this.path(false)
    if (this.at < this.text.length) throw new Unknown()
    return shown
  }

  private take(code: string): boolean {
    if (this.text[this.at] !== code) return false
    this.at++
    return true
  }

  private next(): string {
    if (this.at >= this.text.length) throw new Unknown()
    return this.text[this.at++]
  }

  private deeper(read: () => string): string {
    if (++this.depth > DEEPEST || ++this.steps > MOST_STEPS) throw new Unknown()
    const shown = read()
    if (shown.length > LONGEST) throw new Unknown()
    this.depth--
    return shown
  }

  /** All up to `E`. */
  private list(read: () => string): string[] {
    const all: string[] = []
    while (!this.take('E')) all.push(read())
    return all
  }

  private matching(pattern: RegExp): string {
    pattern.lastIndex = this.at
    const [found] = pattern.exec(this.text) ?? []
    if (found === undefined) throw new Unknown()
    this.at += found.length
    return found
  }

  /** `_` is 0, `0_` 1. */
  private base62(): number {
    const digits = this.matching(/[\dA-Za-z]{0,12}_/y).slice(0, -1)
    if (digits === '') return 0
    let value = 0
    for (const digit of digits) {
      const code = digit.charCodeAt(0)
      value = value * 62 + code - (code < 0x3a ? 0x30 : code < 0x5b ? 0x41 - 36 : 0x61 - 10)
    }
    return value + 1
  }

  private number(tag: string): number {
    return this.take(tag) ? this.base62() + 1 : 0
  }

  private again(read: () => string): string {
    const start = this.at - 1
    const to = this.base62()
    if (to >= start) throw new Unknown()
    const back = this.at
    this.at = to
    const shown = this.deeper(read)
    this.at = back
    return shown
  }

  private identifier(): { name: string; number: number } {
    const number = this.number('s')
    return { name: this.plainIdentifier(), number }
  }

  private plainIdentifier(): string {
    const isCoded = this.take('u')
    const length = Number(this.matching(/0|[1-9]\d{0,4}/y))
    this.take('_')
    const bytes = this.text.slice(this.at, this.at + length)
    if (bytes.length < length) throw new Unknown()
    this.at += length
    return isCoded ? fromPunycode(bytes) : bytes
  }

  /** @param isValue Of a function, where what is given stands behind `::`. */
  private path(isValue: boolean): string {
    return this.deeper(() => {
      const code = this.next()
      switch (code) {
        case 'C':
          return this.identifier().name
        case 'N': {
          const space = this.next()
          const outer = this.path(isValue)
          const { name, number } = this.identifier()
          if (/[a-z]/.test(space)) return name === '' ? outer : `${outer}::${name}`
          if (!/[A-Z]/.test(space)) throw new Unknown()
          return `${outer}::{${SPECIAL[space] ?? space}${name && ':'}${name}#${number}}`
        }
        case 'M':
          this.implementation()
          return `<${this.type()}>`
        case 'X':
          this.implementation()
          return `<${this.type()} as ${this.path(false)}>`
        case 'Y':
          return `<${this.type()} as ${this.path(false)}>`
        case 'I': {
          const outer = this.path(isValue)
          return `${outer}${isValue ? '::' : ''}<${this.list(() => this.given()).join(', ')}>`
        }
        case 'B':
          return this.again(() => this.path(isValue))
        default:
          throw new Unknown()
      }
    })
  }

  /** Where an `impl` stands: the type says it better. */
  private implementation(): void {
    this.number('s')
    this.path(false)
  }

  private given(): string {
    if (this.take('L')) return this.lifetime()
    return this.take('K') ? this.constant() : this.type()
  }

  private lifetime(): string {
    const index = this.base62()
    if (index === 0) return "'_"
    const place = this.bound - index
    if (place < 0) throw new Unknown()
    return place < 26 ? `'${String.fromCharCode(0x61 + place)}` : `'_${place}`
  }

  /** `for<'a> `, for what `read` reads. */
  private binding(read: () => string): string {
    const more = this.number('G')
    if (more > 64) throw new Unknown()
    const names = Array.from({ length: more }, () => {
      this.bound++
      return `'${String.fromCharCode(0x61 + Math.min(this.bound - 1, 25))}`
    })
    const shown = read()
    this.bound -= more
    return more > 0 ? `for<${names.join(', ')}> ${shown}` : shown
  }

  private type(): string {
    return this.deeper(() => {
      const code = this.next()
      if (Object.hasOwn(BASIC, code)) return BASIC[code]
      switch (code) {
        case 'A':
          return `[${this.type()}; ${this.constant()}]`
        case 'S':
          return `[${this.type()}]`
        case 'T': {
          const all = this.list(() => this.type())
          return all.length === 1 ? `(${all[0]},)` : `(${all.join(', ')})`
        }
        case 'R':
        case 'Q': {
          const lifetime = this.take('L') ? this.lifetime() : "'_"
          return `&${lifetime === "'_" ? '' : `${lifetime} `}${code === 'Q' ? 'mut ' : ''}${this.type()}`
        }
        case 'P':
          return `*const ${this.type()}`
        case 'O':
          return `*mut ${this.type()}`
        case 'F':
          return this.binding(() => this.signature())
        case 'D':
          return this.object()
        case 'B':
          return this.again(() => this.type())
        default:
          this.at--
          return this.path(false)
      }
    })
  }

  private signature(): string {
    const unsafe = this.take('U') ? 'unsafe ' : ''
    const abi = this.take('K') ? (this.take('C') ? 'C' : this.plainIdentifier().replaceAll('_', '-')) : undefined
    const takes = this.list(() => this.type()).join(', ')
    const gives = this.type()
    return `${unsafe}${abi === undefined ? '' : `extern "${abi}" `}fn(${takes})${gives === '()' ? '' : ` -> ${gives}`}`
  }

  private object(): string {
    const traits = this.binding(() => this.list(() => this.trait()).join(' + '))
    if (!this.take('L')) throw new Unknown()
    const lifetime = this.lifetime()
    return `dyn ${traits}${lifetime === "'_" ? '' : ` + ${lifetime}`}`
  }

  /** With the types that it is told to have: `Iterator<Item = u8>`. */
  private trait(): string {
    const shown = this.path(false)
    const told: string[] = []
    while (this.take('p')) {
      const name = this.plainIdentifier()
      told.push(`${name} = ${this.type()}`)
    }
    if (told.length === 0) return shown
    return shown.endsWith('>') ? `${shown.slice(0, -1)}, ${told.join(', ')}>` : `${shown}<${told.join(', ')}>`
  }

  private constant(): string {
    return this.deeper(() => {
      const code = this.next()
      if (code === 'p') return '_'
      if (code === 'B') return this.again(() => this.constant())
      if (!/[abchijlmnostxy]/.test(code)) throw new Unknown()
      const sign = this.take('n') ? '-' : ''
      const digits = this.matching(/[\da-f]{0,32}_/y).slice(0, -1)
      const value = BigInt(`0x${digits || '0'}`)
      if (code === 'b') return value === 0n ? 'false' : 'true'
      if (code !== 'c') return `${sign}${value}`
      if (value > 0x10ffffn) throw new Unknown()
      return `'${String.fromCodePoint(Number(value))}'`
    })
  }
}

/** RFC 3492, with `_` for the delimiter. */
function fromPunycode(text: string): string {
  const end = text.lastIndexOf('_')
  const points = [...text.slice(0, Math.max(end, 0))].map((letter) => letter.charCodeAt(0))
  let [code, at, bias, isFirst] = [128, 0, 72, true]
  for (let from = end + 1; from < text.length; at++) {
    const before = at
    for (let weight = 1, k = 36; ; k += 36) {
      const digit = text.charCodeAt(from++)
      const value = digit >= 0x61 && digit <= 0x7a ? digit - 0x61 : digit >= 0x30 && digit <= 0x39 ? digit - 22 : -1
      if (value < 0) throw new Unknown()
      at += value * weight
      const threshold = Math.min(Math.max(k - bias, 1), 26)
      if (value < threshold) break
      weight *= 36 - threshold
      if (weight > 1e9) throw new Unknown()
    }
    const count = points.length + 1
    let delta = Math.floor((at - before) / (isFirst ? 700 : 2))
    delta += Math.floor(delta / count)
    for (bias = 0; delta > 455; bias += 36) delta = Math.floor(delta / 35)
    bias += Math.floor((36 * delta) / (delta + 38))
    isFirst = false
    code += Math.floor(at / count)
    at %= count
    if (code > 0x10ffff) throw new Unknown()
    points.splice(at, 0, code)
  }
  return String.fromCodePoint(...points)
}
