/**
 * Stages: named states of a guest that tests start from. A stage is built once, by steps on a machine or on what an
 * earlier stage left, and every test goes on from it on a fork of its own.
 */
import { type LaunchOptions, launch, vmSettings } from './launch.js'
import type { Vm } from './vm.js'
import type { VmSnapshot } from './vm-snapshot.js'

export interface StageOptions extends LaunchOptions {
  /** The stage that this one goes on from; the machine is that one's then. */
  from?: Stage
}

/** The steps of a stage failed; its message holds why, with the evidence. */
export class StageError extends Error {
  override readonly name = 'StageError'
}

/**
 * @param steps Bring the machine to where tests start. What they need of outside goes into the options: the machine is
 *   not launched before it is needed.
 */
export function stage(name: string, options: StageOptions, steps: (vm: Vm) => Promise<void>): Stage {
  return new Stage(name, options, steps)
}

interface Built {
  /** Closed; forks need what it knows of its machine. */
  vm: Vm
  snapshot: VmSnapshot
}

export class Stage {
  private built: Promise<Built> | undefined

  /** @internal `stage` makes it. */
  constructor(
    readonly name: string,
    readonly options: StageOptions,
    private readonly steps: (vm: Vm) => Promise<void>,
  ) {}

  /** Builds it where that is not done yet. Never rejects: who forks it is told what went wrong. */
  async prepare(): Promise<void> {
    await this.build().catch(() => {})
  }

  /** A machine that goes on from here; of the options, those of time-outs, layout, needles and folders count. */
  async fork(options: LaunchOptions = {}): Promise<Vm> {
    const { vm, snapshot } = await this.build()
    const { from: _, ...own } = this.options
    return vm.forkFrom(snapshot, vmSettings({ ...own, ...options }))
  }

  /** Lets go of its memory. It is built again when it is needed again. */
  async release(): Promise<void> {
    const built = await this.built?.catch(() => undefined)
    this.built = undefined
    built?.snapshot.release()
  }

  private build(): Promise<Built> {
    this.built ??= this.start()
    return this.built
  }

  private async start(): Promise<Built> {
    const { from, ...options } = this.options
    const vm = from ? await from.fork(options) : await launch(options)
    try {
      await this.steps(vm)
      return { vm, snapshot: await vm.snapshot() }
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      throw new StageError(`the stage '${this.name}' could not be built: ${reason}`, { cause: error })
    } finally {
      await vm.close()
    }
  }
}
