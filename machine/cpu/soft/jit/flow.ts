/** Where blocks lead. */
import type { Action, Block, Op } from './ops.js'

/** Handlers after which what the region relies on may no longer hold. */
export const LOADS_SEGMENT = new Set(['mov_S_E', 'pop_seg', 'load_far'])

/** What ends its block though the next instruction mostly follows: more than the next one may be another than before. */
const GOES_ON =
  /^(movs|cmps|stos|lods|scas|pop_ss|mov_SS_E|popf|sti|ins|outs|lmsw|invlpg|clts|mov_[CD]_R|wrmsr|mwait|xsetbv|invpcid)$/

export function lastAction(block: Block): Action {
  return (block.ops.at(-1) as Op).action
}

/** Whether `block` may lead to any other of its page. */
export function leadsAnywhere(block: Block): boolean {
  return /^(jmp|call)_E$/.test(lastAction(block).name)
}

/** Page offsets of the blocks that `block` leads to by itself. */
export function successors(block: Block): number[] {
  const op = block.ops.at(-1) as Op
  const taken = block.offset + Number(op.immediate)
  const next = block.offset + op.next
  switch (op.action.ending) {
    case 'plain':
      return LOADS_SEGMENT.has(op.action.name) ? [] : [next]
    case 'end':
      return GOES_ON.test(op.action.name) ? [next] : []
    default:
      if (/^(jcc|loop|jcxz)$/.test(op.action.name)) return [taken, next]
      // What returns from a call comes back behind it.
      if (op.action.name === 'call_J') return [taken, next]
      if (op.action.name === 'jmp_J') return [taken]
      return op.action.name === 'call_E' ? [next] : []
  }
}

/** How many pages on a page offset lies, and where in that page. */
export function pageOf(offset: number): [pages: number, offset: number] {
  const pages = Math.floor(offset / 0x1000)
  return [pages, offset - pages * 0x1000]
}
