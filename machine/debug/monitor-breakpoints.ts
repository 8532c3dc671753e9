/**
 * Places and events at which a monitor stops a machine, as people say them: `break panic`, `break write counter 4`,
 * `break interrupt 14`, `break out 0x64`, `break wrmsr 0xc0000080`.
 */
import { type Breakpoint, EVENT_KINDS } from '../cpu/engine.js'

const MEMORY_KINDS: readonly Breakpoint['kind'][] = ['execute', 'write', 'read', 'access']
/** Intel SDM vol. 3, table 6-1. */
const EXCEPTIONS: { readonly [name: string]: bigint } = {
  ...{ '#de': 0n, '#db': 1n, nmi: 2n, '#bp': 3n, '#of': 4n, '#br': 5n, '#ud': 6n, '#nm': 7n, '#df': 8n, '#ts': 10n },
  ...{ '#np': 11n, '#ss': 12n, '#gp': 13n, '#pf': 14n, '#mf': 16n, '#ac': 17n, '#mc': 18n, '#xm': 19n },
}
/** What an event is numbered by, and the first number beyond. */
const LIMITS: { readonly [kind: string]: readonly [what: string, limit: bigint] } = {
  interrupt: ['vector', 0x100n],
  in: ['port', 0x10000n],
  out: ['port', 0x10000n],
  rdmsr: ['MSR', 1n << 32n],
  wrmsr: ['MSR', 1n << 32n],
}
const MOST_BYTES = 4096

/** What cannot be a breakpoint; one sentence. */
export class BreakpointError extends Error {}

/** Throws a BreakpointError. @param resultOf A number or a symbol's address. */
export function parsePoint(text: string, resultOf: (text: string) => bigint): Breakpoint {
  const words = text.split(' ')
  const named = [...MEMORY_KINDS, ...EVENT_KINDS].find((one) => one === words[0])
  const kind = named ?? (words[0].toLowerCase() in EXCEPTIONS ? 'interrupt' : 'execute')
  const [where, size, ...rest] = named ? words.slice(1) : words
  if (!where || rest.length > 0 || (size !== undefined && (kind === 'execute' || kind === 'interrupt')))
    throw new BreakpointError(
      `break takes a place, or one of ${[...MEMORY_KINDS, ...EVENT_KINDS].join(', ')} and a number, as in 'break panic' and 'break interrupt 14'`,
    )
  const address = (kind === 'interrupt' ? EXCEPTIONS[where.toLowerCase()] : undefined) ?? resultOf(where)
  const length = size === undefined ? 1n : resultOf(size)
  if (length < 1n || length > MOST_BYTES)
    throw new BreakpointError(`'${size}' is no length; from 1 to ${MOST_BYTES} is`)
  const [what, limit] = LIMITS[kind] ?? []
  if (limit !== undefined && address >= limit)
    throw new BreakpointError(`there is no ${what} ${where}; they end at 0x${(limit - 1n).toString(16)}`)
  return { kind, address, length: Number(length) }
}

/** `interrupt 14 (#PF)`, `out 0x64`, `write 0x100040, 4 bytes`. */
export function describePoint({ kind, address, length }: Breakpoint): string {
  if (kind === 'interrupt') {
    const name = Object.keys(EXCEPTIONS).find((one) => EXCEPTIONS[one] === address)
    return `${kind} ${address}${name ? ` (${name.toUpperCase()})` : ''}`
  }
  return `${kind} 0x${address.toString(16)}${length > 1 ? `, ${length} bytes` : ''}`
}
