/** `vm.memory` and `vm.cpu(0)`: what a debugger sees of the guest, which stands still meanwhile and does not notice. */
import type { CpuState, SegmentState, TableState } from '../../machine/cpu/engine.js'
import type { StackFrame } from '../../machine/report.js'
import type { DebugQuestion } from '../protocol/messages.js'
import type { VmDriver } from './driver.js'

/** A linear address, or a symbol's name as in `panic` or `table+0x10`. */
export type Where = string | number | bigint

export interface MemoryOptions {
  /** The address is a physical one. */
  physical?: boolean
  /** Whose page tables translate it; default 0. */
  cpu?: number
}

/** Registers by their names in 64 bits; segments with their hidden parts. */
export interface Registers {
  [name: string]: bigint | SegmentState | TableState | readonly bigint[] | { [index: number]: bigint } | boolean
}

const GENERAL = [
  'rax',
  'rcx',
  'rdx',
  'rbx',
  'rsp',
  'rbp',
  'rsi',
  'rdi',
  'r8',
  'r9',
  'r10',
  'r11',
  'r12',
  'r13',
  'r14',
  'r15',
]
const SEGMENTS = ['es', 'cs', 'ss', 'ds', 'fs', 'gs']
const LONGEST_STRING = 4096
const PAGE = 4096n

export function whereText(where: Where): string {
  if (typeof where === 'string') return where
  if (typeof where === 'number' && (!Number.isSafeInteger(where) || where < 0))
    throw new TypeError(`${where} is no address; give a whole number, a BigInt or a symbol's name`)
  return `0x${BigInt.asUintN(64, BigInt(where)).toString(16)}`
}

export class Memory {
  constructor(private readonly driver: VmDriver) {}

  /** Rejects with a VmError of the name DebugError where nothing is mapped. */
  async read(where: Where, length: number, { physical = false, cpu = 0 }: MemoryOptions = {}): Promise<Uint8Array> {
    return (await ask(this.driver, { what: 'read', cpu, where: whereText(where), length, physical })) as Uint8Array
  }

  /** A text that ends with a zero byte, as UTF-8, `longest` bytes at most. */
  async readString(where: Where, longest = LONGEST_STRING, options: MemoryOptions = {}): Promise<string> {
    const start = await addressOf(this.driver, whereText(where))
    const pieces: Uint8Array[] = []
    // A page at a time: the next one need not be there.
    for (let at = start, left = longest; left > 0; ) {
      const length = Math.min(left, Number(PAGE - (at % PAGE)))
      const piece = await this.read(at, length, options)
      const end = piece.indexOf(0)
      pieces.push(end < 0 ? piece : piece.subarray(0, end))
      if (end >= 0) break
      at += BigInt(length)
      left -= length
    }
    return Buffer.concat(pieces).toString('utf8')
  }

  /** The result of the run then says `hostInput`. */
  async write(where: Where, bytes: Uint8Array, { physical = false, cpu = 0 }: MemoryOptions = {}): Promise<void> {
    await ask(this.driver, { what: 'write', cpu, where: whereText(where), bytes, physical })
  }

  /** Where the guest has what its symbols call so. */
  address(symbol: string): Promise<bigint> {
    return addressOf(this.driver, symbol)
  }
}

export class Cpu {
  constructor(
    private readonly driver: VmDriver,
    readonly number: number,
  ) {}

  async registers(): Promise<Registers> {
    const state = (await ask(this.driver, { what: 'state', cpu: this.number })) as CpuState
    const { gpr, segments, soft: _, fxsave: __, ymmHigh: ___, pending: ____, smbase: _____, ...rest } = state
    return {
      ...Object.fromEntries(GENERAL.map((name, i) => [name, gpr[i]])),
      ...Object.fromEntries(SEGMENTS.map((name, i) => [name, segments[i]])),
      ...(rest as unknown as Registers),
    }
  }

  /** Where it is, and how it came there, the innermost function first. */
  async backtrace(): Promise<StackFrame[]> {
    const { backtraces } = await this.driver.ask((thread) => thread.look())
    return backtraces.find(({ cpu }) => cpu === this.number)?.frames ?? []
  }
}

function ask(driver: VmDriver, question: DebugQuestion): Promise<unknown> {
  return driver.ask((thread) => thread.askDebug(question))
}

async function addressOf(driver: VmDriver, where: string): Promise<bigint> {
  return (await ask(driver, { what: 'address', cpu: 0, where })) as bigint
}
