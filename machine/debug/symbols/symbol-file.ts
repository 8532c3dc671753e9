/** What a file tells of a program's addresses: names, source lines, and where its parts are loaded. */
import { UsageError } from '../../errors.js'
import type { LineTable } from './dwarf-lines.js'
import type { UnwindTable } from './unwind.js'

/** A file that symbols are read from, as far as they are asked for. */
export interface SymbolBytes {
  /** For messages: its path in quotes. */
  readonly name: string
  readonly size: number
  /** Exactly so many bytes; the caller asks for none beyond `size`. */
  read(offset: number, length: number): Uint8Array
}

/** A file cannot be used for symbols: one sentence. */
export class SymbolError extends UsageError {
  override readonly name = 'SymbolError'
}

export interface SymbolEntry {
  readonly name: string
  /** As the file was linked. */
  readonly address: bigint
  /** Bytes; 0n where the file does not say. */
  readonly size: bigint
  /** Where several stand at an address, the higher one is its name. */
  readonly rank: number
}

/** Bytes of a file's that stand somewhere in memory. */
export interface Segment {
  /** As the program was linked. */
  readonly virtual: bigint
  /** Where it is loaded before paging. */
  readonly physical: bigint
  readonly size: bigint
}

interface ModulePointer {
  /** Offset in `struct module`. */
  readonly at: number
  /** An address, as the part is linked here. */
  readonly to: bigint
}

/** How a part of a kernel module is found in the guest. */
export interface ModulePlace {
  /** As `lsmod` has it. */
  readonly name: string
  /** Of `struct module`. */
  readonly bytes: number
  /** One of its members that points into the part; undefined: nothing tells where it is. */
  readonly pointer?: ModulePointer
}

export interface SymbolFile {
  readonly name: string
  readonly symbols: readonly SymbolEntry[]
  readonly lines?: LineTable
  /** How functions' callers are found. */
  readonly unwind?: UnwindTable
  /** Empty where the file does not say. */
  readonly segments: readonly Segment[]
  /** The address that it was linked for, which `FILE@ADDRESS` moves. */
  readonly base: bigint
  /** Of a kernel module: what the guest has in places of their own. */
  readonly parts?: readonly SymbolFile[]
  /** Of such a part: how it is found. It is nowhere before. */
  readonly module?: ModulePlace
}

/** Of symbols, which no kernel comes near. */
export const MOST_SYMBOLS = 2_000_000
/** Of a section that is read into memory. */
export const LARGEST_SECTION = 512 << 20
