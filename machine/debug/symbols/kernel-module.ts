/**
 * Linux kernel modules (`.ko`): object files. Their code is laid out as the kernel does it when it loads them, in two parts:
 * what stays, and what is freed behind the module's init function. Where each is, `struct module` of the guest's says.
 * Source: Linux, kernel/module/main.c, layout_sections(); include/linux/module.h. System V ABI, AMD64 Supplement, 4.4.
 */
import { textAt, viewOf } from './file-text.js'
import { type ModulePlace, SymbolError } from './symbol-file.js'

/** Where the parts are linked to: further from each other than the guest can have them, so that none is taken for another. */
const LINKED = { core: 0x1000_0000n, init: 0x7000_0000n } as const
type Part = keyof typeof LINKED

const SHT_PROGBITS = 1
const SHT_RELA = 4
const SHF_EXECUTABLE = 6 // allocated, with instructions
const R_X86_64 = { abs64: 1, abs32: 10, abs32Signed: 11 }
const SYMBOL_BYTES = 24
const RELOCATION_BYTES = 24
const SHN_LORESERVE = 0xff00

const STRUCT_MODULE = '.gnu.linkonce.this_module'
/** Behind the state and the list's two pointers. */
const NAME_AT = 24
const LONGEST_NAME = 56
/** The kernel's names for what the module calls otherwise. */
const POINTERS: { readonly [part in Part]: string } = { core: 'cleanup_module', init: 'init_module' }

export interface ModuleSection {
  readonly name: string
  readonly type: number
  readonly flags: number
  readonly size: number
  readonly link: number
  readonly info: number
  readonly align: number
}

export interface ModuleLayout {
  /** First addresses of sections with code, by number. */
  readonly sections: ReadonlyMap<number, bigint>
  readonly parts: readonly { linked: bigint; size: bigint; place: ModulePlace }[]
}

/** What is read of the file. */
export interface ModuleFile {
  readonly name: string
  readonly sections: readonly ModuleSection[]
  contents(index: number): Uint8Array | undefined
}

export function isKernelModule(sections: readonly ModuleSection[]): boolean {
  return sections.some(({ name }) => name === STRUCT_MODULE)
}

/** Throws a SymbolError. */
export function layOutModule(file: ModuleFile): ModuleLayout {
  const sections = new Map<number, bigint>()
  const end = { ...LINKED } as { [part in Part]: bigint }
  for (const [index, { name, type, flags, size, align }] of file.sections.entries()) {
    if (type !== SHT_PROGBITS || (flags & SHF_EXECUTABLE) !== SHF_EXECUTABLE) continue
    const part: Part = name.startsWith('.init') ? 'init' : 'core'
    const step = BigInt(Math.max(1, align))
    const at = ((end[part] + step - 1n) / step) * step
    sections.set(index, at)
    end[part] = at + BigInt(size)
  }
  const struct = file.sections.findIndex(({ name }) => name === STRUCT_MODULE)
  const bytes = file.contents(struct)
  const name =
    bytes && bytes.length >= NAME_AT + LONGEST_NAME ? textAt(bytes.subarray(0, NAME_AT + LONGEST_NAME), NAME_AT) : ''
  const pointers = relocations(file, struct)
  if (!bytes || name === '') throw new SymbolError(`${file.name} is a kernel module without a name; build it again`)
  const parts = (['core', 'init'] as const).flatMap((part) => {
    const size = end[part] - LINKED[part]
    const found = pointers.find(({ symbol }) => symbol?.name === POINTERS[part])
    const base = found?.symbol && sections.get(found.symbol.section)
    const pointer =
      base === undefined
        ? undefined
        : { at: found?.at ?? 0, to: base + (found?.symbol?.value ?? 0n) + (found?.addend ?? 0n) }
    return size === 0n
      ? []
      : [{ linked: LINKED[part], size, place: { name, bytes: bytes.length, ...(pointer && { pointer }) } }]
  })
  return { sections, parts }
}

/** The contents of a section with its addresses filled in; those of sections without code count from zero. */
export function relocated(file: ModuleFile, { sections }: ModuleLayout, index: number): Uint8Array | undefined {
  const bytes = file.contents(index)?.slice()
  if (!bytes) return undefined
  const view = viewOf(bytes)
  for (const { at, type, symbol, addend } of relocations(file, index)) {
    if (!symbol) continue
    const value = (sections.get(symbol.section) ?? 0n) + symbol.value + addend
    if (type === R_X86_64.abs64 && at + 8 <= bytes.length) view.setBigUint64(at, BigInt.asUintN(64, value), true)
    else if ((type === R_X86_64.abs32 || type === R_X86_64.abs32Signed) && at + 4 <= bytes.length)
      view.setUint32(at, Number(BigInt.asUintN(32, value)), true)
  }
  return bytes
}

interface Relocation {
  at: number
  type: number
  addend: bigint
  symbol: { name: string; section: number; value: bigint } | undefined
}

/** Of a section, by its number. */
function relocations(file: ModuleFile, target: number): Relocation[] {
  return file.sections.flatMap(({ type, info, link }, index) => {
    if (type !== SHT_RELA || info !== target) return []
    const [entries, symbols] = [file.contents(index), file.contents(link)]
    const texts = file.sections[link] && file.contents(file.sections[link].link)
    if (!entries || !symbols || !texts) return []
    const [view, table] = [viewOf(entries), viewOf(symbols)]
    return Array.from({ length: Math.floor(entries.length / RELOCATION_BYTES) }, (_, i) => {
      const entry = i * RELOCATION_BYTES
      const symbol = view.getUint32(entry + 12, true) * SYMBOL_BYTES
      const section = symbol + SYMBOL_BYTES <= symbols.length ? table.getUint16(symbol + 6, true) : 0
      return {
        at: Number(view.getBigUint64(entry, true)),
        type: view.getUint32(entry + 8, true),
        addend: view.getBigInt64(entry + 16, true),
        symbol:
          section === 0 || section >= SHN_LORESERVE
            ? undefined
            : {
                name: textAt(texts, table.getUint32(symbol, true)),
                section,
                value: table.getBigUint64(symbol + 8, true),
              },
      }
    })
  })
}
