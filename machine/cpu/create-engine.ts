/** Which engine a machine gets, and why. */
import { HostError } from '../errors.js'
import type { CpuBoard, Engine } from './engine.js'
import { KvmError, kvmAccess } from './kvm/access.js'
import { KvmEngine } from './kvm/kvm-engine.js'
import { probeKvm } from './kvm/probe.js'
import { parseCpu } from './models.js'
import { SoftEngine } from './soft/soft-engine.js'

/** `kvm` was asked for and cannot be had; the message says why and how to mend it. */
export class EngineUnavailableError extends HostError {
  override readonly name = 'EngineUnavailableError'
}

export interface ChosenEngine {
  engine: Engine
  /** One sentence. */
  reason: string
}

/**
 * `auto` takes KVM where it can be used and runs every mode of the CPU at a decent speed, else the soft engine. `kvm`
 * takes it whatever the probe found. `cpu` is the soft engine's CPU model (`models.ts`), `cpus` how many there are: several
 * are the soft engine's matter. Throws an EngineUnavailableError where `kvm` was asked for and cannot be had.
 */
export function createEngine(
  wanted: 'auto' | 'kvm' | 'soft',
  arena: WebAssembly.Memory,
  board: CpuBoard,
  cpu?: string,
  cpus = 1,
  /** Why only the soft engine will do, in words. */
  onlySoft?: string,
): ChosenEngine {
  // A wrong model is told whatever engine it would be for.
  if (cpu !== undefined) parseCpu(cpu)
  const soft = (reason: string): ChosenEngine => ({ engine: new SoftEngine(arena, board, cpu, cpus), reason })
  if (wanted === 'soft') return soft('asked for')
  if (onlySoft !== undefined) {
    if (wanted === 'auto') return soft(onlySoft)
    throw new EngineUnavailableError(`The KVM engine will not do: ${onlySoft}; take --engine soft.`)
  }
  if (cpus > 1) {
    if (wanted === 'auto') return soft(`the KVM engine has one CPU, and the machine is to have ${cpus}`)
    throw new EngineUnavailableError(
      `The KVM engine has one CPU, and the machine is to have ${cpus}: take --engine soft, or --smp 1.`,
    )
  }

  const missing = kvmAccess()
  if (missing) {
    if (wanted === 'auto') return soft(`${missing.why}: ${missing.mend}`)
    throw new EngineUnavailableError(`The KVM engine cannot be used: ${missing.why}. To mend it: ${missing.mend}.`)
  }
  const probe = probeKvm()
  if (wanted === 'auto' && !probe.adequate) return soft(probe.finding)
  try {
    return {
      engine: new KvmEngine(arena, board),
      reason: wanted === 'kvm' ? `asked for; ${probe.finding}` : probe.finding,
    }
  } catch (error) {
    if (!(error instanceof KvmError)) throw error
    const { message } = error
    if (wanted === 'auto') return soft(`KVM cannot be started: ${message}`)
    throw new EngineUnavailableError(`The KVM engine cannot be started: ${message}.`)
  }
}
