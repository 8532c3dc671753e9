/** The last exceptions, as the core keeps them (`core/system/fault-log.ts`). */
import type { Fault, Refusal } from '../engine.js'
import * as at from './layout.js'

/** What reports show of them. */
const KEPT_FAULTS = 8
const PAGE_FAULT = 14

export interface FaultLogCore {
  faultCount(): number
  faultEntry(n: number): number
}

/** @param view The core's memory. */
export function readFaults(core: FaultLogCore, view: DataView): Fault[] {
  const count = core.faultCount()
  return Array.from({ length: Math.min(count, KEPT_FAULTS) }, (_, i) => {
    const entry = core.faultEntry(count - Math.min(count, KEPT_FAULTS) + i)
    const u32 = (offset: number) => view.getUint32(entry + offset, true)
    const hex = (offset: number) => `0x${view.getBigUint64(entry + offset, true).toString(16)}`
    const vector = u32(0)
    return {
      vector,
      ...(u32(4) && { errorCode: u32(8) }),
      cs: u32(12),
      ip: hex(16),
      ...(vector === PAGE_FAULT && { cr2: hex(24) }),
      ...(u32(40) && { refused: refusal(u32(40), u32(44), hex(48), u32(56), u32(60)) }),
      instructions: Number(view.getBigUint64(entry + 32, true)),
    }
  })
}

const REFUSALS = ['past its limit', 'below its limit', 'null selector', 'type', 'not canonical'] as const

function refusal(why: number, record: number, offset: string, limit: number, access: number): Refusal {
  // The new CS and SS of a far transfer stand elsewhere, in this order.
  const number = record >= at.NEW_CS ? (record - at.NEW_CS) / at.SEG_SIZE + 1 : (record - at.ES) / at.SEG_SIZE
  const segment = ['ES', 'CS', 'SS', 'DS', 'FS', 'GS'][number]
  return {
    access: (['read', 'write', 'execute'] as const)[access],
    ...(segment && { segment }),
    offset,
    limit: `0x${limit.toString(16)}`,
    why: REFUSALS[why - 1],
  }
}
