/** Numbers as a monitor takes them: `0x7c00`, `$eip + 4`, `kmain+8`, `(1 << 4) | 3`, with C's precedence. */
import type { CpuState } from '../cpu/engine.js'

export interface Names {
  state: CpuState
  /** undefined: there is no such symbol. */
  addressOf(symbol: string): bigint | undefined
}

/** What is wrong with it; one sentence. */
export class ExpressionError extends Error {}

const GENERAL = ['ax', 'cx', 'dx', 'bx', 'sp', 'bp', 'si', 'di']
const SEGMENTS = ['es', 'cs', 'ss', 'ds', 'fs', 'gs']
const LEVELS: readonly (readonly string[])[] = [['|'], ['^'], ['&'], ['<<', '>>'], ['+', '-'], ['*', '/', '%']]
const TOKEN = /\s*(0x[\da-f]+|\d+|\$\w+(?:\.\w+)?|[a-z_.][\w.$@]*|<<|>>|[-+*/%&|^~()])/iy
/** Parentheses in parentheses. */
const DEEPEST = 64

export function evaluate(text: string, names: Names): bigint {
  const tokens: string[] = []
  TOKEN.lastIndex = 0
  for (let at = 0; text.slice(at).trim() !== ''; at = TOKEN.lastIndex) {
    const token = TOKEN.exec(text)?.[1]
    if (token === undefined) throw new ExpressionError(`'${text.trim().slice(0, 60)}' is no expression`)
    tokens.push(token)
  }
  let next = 0
  const binary = (level: number, depth: number): bigint => {
    if (level === LEVELS.length) return unary(depth)
    let value = binary(level + 1, depth)
    while (LEVELS[level].includes(tokens[next])) value = apply(tokens[next++], value, binary(level + 1, depth))
    return value
  }
  const unary = (depth: number): bigint => {
    if (depth > DEEPEST) throw new ExpressionError('the expression is too deep')
    const token = tokens[next++]
    if (token === undefined) throw new ExpressionError('the expression ends too early')
    if (token === '-') return BigInt.asUintN(64, -unary(depth + 1))
    if (token === '~') return BigInt.asUintN(64, ~unary(depth + 1))
    if (token === '(') {
      const value = binary(0, depth + 1)
      if (tokens[next++] !== ')') throw new ExpressionError("a ')' is missing")
      return value
    }
    if (/^\d/.test(token)) return BigInt.asUintN(64, BigInt(token))
    if (token.startsWith('$')) return registerOf(token.slice(1), names.state)
    const address = /^\w|^\./.test(token) ? names.addressOf(token) : undefined
    if (address === undefined) throw new ExpressionError(`there is no symbol '${token}'`)
    return address
  }
  const value = binary(0, 0)
  if (next < tokens.length) throw new ExpressionError(`'${tokens[next]}' is one too many`)
  return value
}

function apply(operator: string, a: bigint, b: bigint): bigint {
  if ((operator === '/' || operator === '%') && b === 0n) throw new ExpressionError('division by zero')
  if ((operator === '<<' || operator === '>>') && b > 63n) return 0n
  const operators: { readonly [operator: string]: () => bigint } = {
    '|': () => a | b,
    '^': () => a ^ b,
    '&': () => a & b,
    '<<': () => a << b,
    '>>': () => a >> b,
    '+': () => a + b,
    '-': () => a - b,
    '*': () => a * b,
    '/': () => a / b,
    '%': () => a % b,
  }
  return BigInt.asUintN(64, operators[operator]())
}

function registerOf(name: string, state: CpuState): bigint {
  const lower = name.toLowerCase()
  const [, prefix, base] = /^([re]?)(\w\w)$/.exec(lower) ?? []
  const width = prefix === 'r' ? 64 : prefix === 'e' ? 32 : 16
  const general = GENERAL.indexOf(base ?? '')
  if (general >= 0) return BigInt.asUintN(width, state.gpr[general])
  const numbered = /^r(\d+)$/.exec(lower)
  if (numbered && Number(numbered[1]) >= 8 && Number(numbered[1]) < 16) return state.gpr[Number(numbered[1])]
  // Where the instruction is, as in QEMU's monitor.
  if (lower === 'rip' || lower === 'eip' || lower === 'pc')
    return BigInt.asUintN(64, state.segments[1].base + state.rip)
  if (lower === 'eflags' || lower === 'rflags') return state.rflags
  const [table, field = 'selector'] = lower.replace(/^(\w\w)_base$/, '$1.base').split('.')
  const found = segmentOf(table, state)?.[field]
  if (found !== undefined) return BigInt(found)
  const control = { cr0: state.cr0, cr2: state.cr2, cr3: state.cr3, cr4: state.cr4, efer: state.efer }[lower]
  if (control === undefined) throw new ExpressionError(`there is no register '$${name}'`)
  return control
}

/** `$cs`, `$cs.base`, `$cs.limit` as in QEMU's monitor, and the same of `$tr`, `$ldt`, `$gdt` and `$idt`. */
function segmentOf(name: string, state: CpuState): { [field: string]: bigint | number } | undefined {
  const segment = SEGMENTS.indexOf(name)
  if (segment >= 0) return { ...state.segments[segment] }
  const tables: { [name: string]: object } = { tr: state.tr, ldt: state.ldtr, gdt: state.gdtr, idt: state.idtr }
  return Object.hasOwn(tables, name) ? { ...tables[name] } : undefined
}
