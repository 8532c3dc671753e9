/**
 * Symbols as text, a line each: `nm`'s, Linux's `System.map`, and what `/proc/kallsyms` shows, with modules in brackets.
 * Source: nm(1); Linux, Documentation/admin-guide/reporting-issues and kernel/kallsyms.c.
 */
import { cleanName } from './file-text.js'
import { MOST_SYMBOLS, type SymbolEntry, SymbolError, type SymbolFile } from './symbol-file.js'

/** An address, a letter for what it is, a name; nm with `-S` puts a size between the first two. */
const LINE = /^([\da-f]{6,16}) (?:([\da-f]{6,16}) )?([A-Za-z?]) (\S+)(?:[ \t]+\[([^\]]+)\])?$/i
const CODE = /[TtWwVvi]/
/** Absolute, undefined, debugging. */
const NO_ADDRESS = /[AaUN?-]/
/** What Debian's kernel packages have in its place. */
const STAND_IN = /^f{16} B The real System\.map/
/** Where Linux begins; percpu variables are linked to 0. */
const LINUX_START = '_text'

/** Whether a text begins as a map does. */
export function isSymbolMap(head: string): boolean {
  return STAND_IN.test(head) || LINE.test((head.split(/\r?\n/, 1)[0] ?? '').trim())
}

/** Throws a SymbolError where it has no addresses. */
export function readSymbolMap(name: string, text: string): SymbolFile {
  if (STAND_IN.test(text))
    throw new SymbolError(
      `${name} is Debian's stand-in for a System.map; install the kernel's package that ends in -dbg, or save /proc/kallsyms as root in the guest`,
    )
  const symbols: SymbolEntry[] = []
  let isHidden = true
  for (const line of text.split('\n')) {
    const [, address, size = '0', kind, symbol, module] = LINE.exec(line.trimEnd()) ?? []
    if (address === undefined || NO_ADDRESS.test(kind)) continue
    if (symbols.length >= MOST_SYMBOLS) break
    const at = BigInt(`0x${address}`)
    if (at !== 0n) isHidden = false
    const isCode = CODE.test(kind)
    symbols.push({
      name: cleanName(symbol) + (module === undefined ? '' : ` [${cleanName(module)}]`),
      address: at,
      size: BigInt(`0x${size}`),
      rank: (isCode ? 4 : 0) + (kind === kind.toUpperCase() ? 1 : 0),
    })
  }
  if (symbols.length > 0 && isHidden)
    throw new SymbolError(
      `${name} has zeros for addresses: /proc/kallsyms was read without the right to see them; read it as root, with kernel.kptr_restrict at 0`,
    )
  if (symbols.length === 0) throw new SymbolError(`${name} has no symbols in it`)
  const start = symbols.find(({ name }) => name === LINUX_START)?.address
  const lowest = symbols.reduce((low, { address }) => (address < low ? address : low), symbols[0].address)
  return { name, symbols, segments: [], base: start ?? lowest }
}
