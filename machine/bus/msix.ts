/**
 * MSI-X (PCI Local Bus Specification 3.0, 6.8.2): a table of messages and an array of pending bits in a function's
 * memory, and the capability that switches them on. A message is a write to the local APICs' part of memory.
 */
import type { AccessSize, MmioRange, Stateful, StateTable } from '../device.js'
import { bytes, list, u32 } from '../state/fields.js'

const ENTRY_WORDS = 4
const CONTROL = 3
const MASKED = 1

/** Message control, in the capability. */
export const MSIX_CAPABILITY = 0x11
export const MSIX_ENABLE = 0x8000
export const MSIX_FUNCTION_MASK = 0x4000

export interface MsixOptions {
  name: string
  vectors: number
  /** Where the pending bits are in the window; the table is at its start. */
  pendingAt: number
  size: number
  /** Message control, as it stands. */
  control: () => number
  send: (address: number, data: number) => void
}

export class Msix implements Stateful {
  readonly state: StateTable
  readonly window: Omit<MmioRange, 'base'>
  private readonly table: Uint32Array
  private readonly pending: Uint8Array

  constructor(private readonly options: MsixOptions) {
    const { vectors, name, size } = options
    this.table = new Uint32Array(vectors * ENTRY_WORDS)
    this.pending = new Uint8Array(vectors)
    this.state = { table: list(u32, vectors * ENTRY_WORDS), pending: bytes(vectors) }
    this.window = {
      name: `${name} MSI-X`,
      size,
      width: 4,
      read: (offset, width) => this.read(offset, width),
      write: (offset, value, width) => this.write(offset, value, width),
    }
    this.reset()
  }

  reset(): void {
    this.table.fill(0)
    for (let vector = 0; vector < this.options.vectors; vector++) this.table[vector * ENTRY_WORDS + CONTROL] = MASKED
    this.pending.fill(0)
  }

  get enabled(): boolean {
    return (this.options.control() & MSIX_ENABLE) !== 0
  }

  /** Sends a vector's message, or keeps it until it is no longer masked. */
  raise(vector: number): void {
    if (vector >= this.options.vectors || !this.enabled) return
    if (this.isMasked(vector)) this.pending[vector] = 1
    else this.send(vector)
  }

  /** The capability or an entry was written: what waits and is no longer masked goes out. */
  unmasked(): void {
    if (!this.enabled) return
    for (let vector = 0; vector < this.options.vectors; vector++) {
      if (!this.pending[vector] || this.isMasked(vector)) continue
      this.pending[vector] = 0
      this.send(vector)
    }
  }

  private isMasked(vector: number): boolean {
    const isFunctionMasked = (this.options.control() & MSIX_FUNCTION_MASK) !== 0
    return isFunctionMasked || (this.table[vector * ENTRY_WORDS + CONTROL] & MASKED) !== 0
  }

  private send(vector: number): void {
    const at = vector * ENTRY_WORDS
    this.options.send(this.table[at], this.table[at + 2])
  }

  private read(offset: number, size: AccessSize): number {
    const value = this.word(offset & ~3)
    return size === 4 ? value : (value >>> (8 * (offset & 3))) & (size === 2 ? 0xffff : 0xff)
  }

  private word(offset: number): number {
    const { pendingAt } = this.options
    if (offset < this.table.length * 4) return this.table[offset >> 2]
    const first = (offset - pendingAt) * 8
    if (first < 0) return 0
    let value = 0
    for (let i = 0; i < 32; i++) value |= (this.pending[first + i] ?? 0) << i
    return value >>> 0
  }

  /** Software writes doublewords and quadwords alone. */
  private write(offset: number, value: number, size: AccessSize): void {
    if (size !== 4 || offset >= this.table.length * 4) return
    this.table[offset >> 2] = value
    if ((offset >> 2) % ENTRY_WORDS === CONTROL) this.unmasked()
  }
}
