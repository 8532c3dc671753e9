/** Which engine a machine gets, and why. */
import type { CpuBoard, Engine } from './engine.js'
import { SoftEngine } from './soft/soft-engine.js'

/** `kvm` was asked for and cannot be had; the message says why and how to mend it. */
export class EngineUnavailableError extends Error {}

export interface ChosenEngine {
  engine: Engine
  /** One sentence. */
  reason: string
}

export function createEngine(wanted: 'auto' | 'kvm' | 'soft', arena: WebAssembly.Memory, board: CpuBoard): ChosenEngine {
  if (wanted === 'kvm') throw new EngineUnavailableError('The KVM engine is not built yet; use --engine soft.')
  const engine = new SoftEngine(arena, board)
  return { engine, reason: wanted === 'soft' ? 'asked for' : 'soft' }
}
