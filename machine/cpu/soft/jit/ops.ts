/** Decoded ops as the core's memory has them, with what their handlers do from the opcode table. */
import * as at from '../layout.js'
import { handlerTable } from '../opcode-table.js'

/** What a handler does: its name in the core, the type of its operands, whether one is in memory, its constants. */
export interface Action {
  readonly name: string
  /** Bytes of the operand, 0 where the handler has no type; `from` is the second type's. */
  readonly size: number
  readonly from: number
  readonly memory: boolean
  /** Numbers and words behind `op` and the operand's place. */
  readonly constants: readonly string[]
  readonly ending: 'plain' | 'end' | 'jump'
  /** How a VEX instruction runs the handler of the SSE form. */
  readonly vex?: Vex
}

export interface Vex {
  /** `halves`: once for each half; `same`: as it is, and `clear` the upper half of what was written. */
  readonly form: 'halves' | 'same'
  /** Of halves: both read `whole` vectors, or the second source is a `count` for both; or it is something else. */
  readonly plain?: 'whole' | 'count'
  readonly clear?: boolean
}

const SIZES: { [type: string]: number } = { u8: 1, u16: 2, u32: 4, u64: 8 }
let actions: readonly Action[] | undefined

/** What stands around the call of an SSE form in the rows of VEX instructions (`opcodes/avx.ts`). */
function vexOf(code: string): { vex: Vex; call: string } | undefined {
  const halves = /^vexBegin\(op, (\d+), (\d+)\); (.*?); if \(vexUpper\((\d+), (\d+), 0\)\) .*; (\w+)\(op\)$/.exec(code)
  if (halves) {
    const [, narrow, wide, call, result, source, finish] = halves
    const bytes = `${narrow} ${wide} ${result} ${source} ${finish.replace('Shift', '')}`
    const plain = { '16 32 16 16 vexFinish': 'whole', '16 16 16 0 vexFinish': 'count' } as const
    return { vex: { form: 'halves', plain: plain[bytes as keyof typeof plain] }, call: call.replace('(VOP', '(op') }
  }
  const same = /^checkAvx\(\); ([^;]*)(; clearUpper\(regV\(op\)\))?$/.exec(code)
  return same ? { vex: { form: 'same', clear: same[2] !== undefined }, call: same[1] } : undefined
}

function parse({ code, ending }: { code: string; ending: Action['ending'] }): Action {
  const around = vexOf(code)
  if (around) return { ...parse({ code: around.call, ending }), vex: around.vex }
  const match = /^(\w+)(?:<(\w+)(?:, (\w+))?>)?\((.*)\)$/.exec(code)
  // Calls with statements around them (VEX, CLI's kind) have no name here: they are for the interpreter.
  if (!match) return { name: '', size: 0, from: 0, memory: false, constants: [], ending }
  const [, name, type, second, list] = match
  const words = list.split(', ').filter((word) => word && word !== 'op')
  const memory = words[0] === 'true'
  const constants = words[0] === 'true' || words[0] === 'false' ? words.slice(1) : words
  // Flags of handlers without a form in memory, as inc_dec_R's, are constants.
  const hasForm = constants.length < words.length && !/^(inc_dec_R|clc_stc|cld_std)$/.test(name)
  return {
    name,
    size: SIZES[type] ?? 0,
    from: SIZES[second] ?? 0,
    memory: hasForm && memory,
    constants: hasForm ? constants : words,
    ending,
  }
}

export interface Op {
  readonly address: number
  readonly action: Action
  readonly flags: number
  /** Offsets from the block's first byte. */
  readonly ip: number
  readonly next: number
  readonly reg: number
  readonly rm: number
  readonly base: number
  readonly index: number
  readonly scale: number
  readonly addressSize: 16 | 32 | 64
  readonly segment: number
  readonly displacement: number
  readonly immediate: bigint
}

export interface Block {
  readonly address: number
  readonly phys: number
  /** Number of its physical page, and the linear address where it was found last. */
  readonly page: number
  readonly linear: bigint
  /** Of its first byte in its page, and of the byte behind it. */
  readonly offset: number
  readonly end: number
  /** It is one instruction that reaches into the next page. */
  readonly crosses: boolean
  readonly ops: readonly Op[]
}

export function readBlock(view: DataView, address: number): Block {
  actions ??= handlerTable().handlers.map(parse)
  const count = view.getUint32(address + at.BLOCK_COUNT, true)
  const phys = view.getUint32(address + at.BLOCK_PHYS, true)
  const offset = phys & 0xfff
  const ops: Op[] = []
  for (let i = 0; i < count; i++) {
    const op = address + at.BLOCK_HEADER + i * at.OP_SIZE
    ops.push({
      address: op,
      action: actions[view.getUint16(op + at.OP_HANDLER, true)],
      flags: view.getUint8(op + at.OP_FLAGS),
      ip: view.getUint16(op + at.OP_IP, true),
      next: view.getUint16(op + at.OP_NEXT, true),
      reg: view.getUint16(op + at.OP_REG, true),
      rm: view.getUint16(op + at.OP_RM, true),
      base: view.getUint16(op + at.OP_BASE, true),
      index: view.getUint16(op + at.OP_INDEX, true),
      scale: view.getUint8(op + at.OP_SCALE),
      addressSize: (64 - view.getUint8(op + at.OP_ADDRESS_SHIFT)) as 16 | 32 | 64,
      segment: view.getUint16(op + at.OP_SEG, true),
      displacement: view.getInt32(op + at.OP_DISP, true),
      immediate: view.getBigInt64(op + at.OP_IMM, true),
    })
  }
  const linear = view.getBigUint64(address + at.BLOCK_LINEAR, true)
  const end = offset + view.getUint32(address + at.BLOCK_BYTES, true)
  return {
    address,
    phys,
    page: phys >>> 12,
    linear,
    offset,
    end,
    crosses: end > 0x1000,
    ops,
  }
}
