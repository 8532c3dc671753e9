/**
 * Stages: named states of a guest that tests start from. A stage is built once, by steps on a machine or on what an
 * earlier stage left, kept for later runs until something it depends on changes, and every test goes on from it on a
 * fork of its own. What its steps call, the key does not see: `BOOTWRIGHT_STAGES=rebuild` builds all anew.
 */

import { existsSync } from 'node:fs'
import { rm, utimes } from 'node:fs/promises'
import { errorKind } from '../../machine/errors.js'
import { withLock } from '../../machine/host/lock-file.js'
import { type Captures, capturesOfCopy } from '../config/capture-file.js'
import type { MachineConfig } from '../config/machine-config.js'
import { at } from '../vm/call-site.js'
import { capturesOf, type LaunchOptions, launch, machineConfig, vmSettings, withGuest } from '../vm/launch.js'
import type { VmSnapshot } from '../vm/snapshots.js'
import { Vm } from '../vm/vm.js'
import { stageFile, stageFileName, stageKey } from './stage-store.js'

export interface StageOptions extends LaunchOptions {
  /** The stage that this one goes on from; the machine is that one's then. */
  from?: Stage
}

/** The steps of a stage failed; its message holds why, with the evidence, and its stack the line that failed. */
export class StageError extends Error {
  override readonly name = 'StageError'

  /**
   * @param stage Its name.
   * @param reason What its steps failed with, with the evidence.
   */
  constructor(
    readonly stage: string,
    readonly reason: string,
  ) {
    super(`the stage '${stage}' could not be built: ${reason}`)
  }
}

/** Who looks on while a stage is built. */
export interface StageWatch {
  /** Where pictures of failures go. */
  readonly outputFolder: string
  begin(vm: Vm): Promise<void>
  /** The steps are through. Throws for what they left undone. */
  check(): void
  /** Before the machine is closed. @param failure What the steps failed with. */
  end(failure: StageError | undefined): Promise<void>
}

let watch: (name: string) => StageWatch | undefined = () => undefined

/** @internal The test runner looks on. */
export function watchStages(watcher: typeof watch): void {
  watch = watcher
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
  private captured: Promise<Captures> | undefined

  /** @internal `stage` makes it. */
  constructor(
    readonly name: string,
    readonly options: StageOptions,
    private readonly steps: (vm: Vm) => Promise<void>,
  ) {}

  /** Builds it where that is not done yet, so that forks are there at once. Never rejects: who forks it is told what went wrong. */
  async prepare(): Promise<void> {
    try {
      const { vm, snapshot } = await this.build()
      await vm.driver.thread.forksReady(snapshot.machine)
    } catch {}
  }

  /** Rejects with what went wrong where it cannot be built. */
  async ready(): Promise<void> {
    await this.build()
  }

  /** A machine that goes on from here; of the options, those of time-outs, layout, needles and folders count. */
  async fork(options: LaunchOptions = {}): Promise<Vm> {
    const { vm, snapshot } = await this.build()
    const settings = vmSettings({ ...(await this.settings()), ...options })
    return vm.forkFrom(snapshot, { ...settings, captures: await this.captures() })
  }

  /** What its forks' files are named after, the same whether it was built now or kept. */
  private captures(): Promise<Captures> {
    const { from, ...own } = this.options
    this.captured ??= from
      ? from.captures().then((captures) => capturesOfCopy(captures, stageFileName(this.name)))
      : machineConfig(own).then(capturesOf)
    return this.captured
  }

  /** What its forks begin with: its own options, and what the stages before and their guest say. */
  private async settings(): Promise<LaunchOptions> {
    const { from, ...own } = this.options
    return from ? { ...(await from.settings()), ...own } : withGuest(own)
  }

  /** Lets go of its memory. It is built again when it is needed again. */
  async release(): Promise<void> {
    const built = await this.built?.catch(() => undefined)
    this.built = undefined
    built?.snapshot.release()
  }

  /** A hash of everything that the stage depends on. */
  async key(): Promise<string> {
    const { from, ...options } = this.options
    const config = from ? undefined : await machineConfig(options)
    return stageKey({ name: this.name, config, parent: await from?.key(), steps: String(this.steps) })
  }

  /** The files of the machine that it begins on, where they are on this host. */
  private async media(): Promise<MachineConfig> {
    if (this.options.from) return this.options.from.media()
    const { floppies, cdrom, disks, kernel, network } = await machineConfig(this.options)
    const given = Object.entries({ floppies, cdrom, disks, kernel, network })
    return Object.fromEntries(given.filter(([, value]) => value !== undefined))
  }

  private build(): Promise<Built> {
    this.built ??= this.find()
    return this.built
  }

  /** In the store, where it is kept; a machine from a test's own module is not. */
  private async find(): Promise<Built> {
    if (this.isForeign()) return this.start()
    const file = stageFile(this.name, await this.key())
    return withLock(file, async () => {
      if (existsSync(file) && process.env.BOOTWRIGHT_STAGES !== 'rebuild') {
        const kept = await this.openKept(file)
        // For `bootwright stages gc`; in a cache that may only be read it stays as it is.
        if (kept) await utimes(file, new Date(), new Date()).catch(() => {})
        if (kept) return kept
        await rm(file, { force: true })
      }
      const built = await this.start()
      await this.keep(built, file)
      return built
    })
  }

  private isForeign(): boolean {
    return this.options.machineModule !== undefined || (this.options.from?.isForeign() ?? false)
  }

  /** undefined, and said, where nothing can be gone on from: it is damaged, of another version, or its media have changed. */
  private async openKept(file: string): Promise<Built | undefined> {
    try {
      return await this.open(file)
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      // What the host lacks just now is no reason to throw away what took long to build.
      if (errorKind(error) === 'host' || code !== undefined) throw error
      console.warn(`bootwright: the stage '${this.name}' is built again: ${message}`)
      return undefined
    }
  }

  private async open(file: string): Promise<Built> {
    const { from: _, ...options } = this.options
    const settings = vmSettings(options)
    // One that comes from another host names its media where they are there.
    const vm = await Vm.open(file, settings).catch(async () => Vm.open(file, settings, await this.media()))
    try {
      return { vm, snapshot: await vm.snapshot() }
    } finally {
      await vm.close()
    }
  }

  /** What cannot be kept is built again by the next process. */
  private async keep({ snapshot }: Built, file: string): Promise<void> {
    try {
      await snapshot.save(file)
    } catch (error) {
      await rm(file, { force: true })
      console.warn(`bootwright: the stage '${this.name}' is not kept: ${(error as Error).message}`)
    }
  }

  private async start(): Promise<Built> {
    const { from, ...own } = this.options
    const watched = watch(this.name)
    const options = { ...(watched && { outputFolder: watched.outputFolder }), ...own }
    const vm = from ? await from.fork(options) : await launch(options)
    let failure: StageError | undefined
    try {
      await watched?.begin(vm)
      await this.steps(vm)
      watched?.check()
      return { vm, snapshot: await vm.snapshot() }
    } catch (error) {
      failure = await this.failure(vm, error)
      throw failure
    } finally {
      await watched?.end(failure)
      await vm.close()
    }
  }

  /** What is thrown in the steps is not its cause: test runners print that, too, with all that hangs on it. */
  private async failure(vm: Vm, thrown: unknown): Promise<StageError> {
    const reason = thrown instanceof Error ? thrown.message : String(thrown)
    return at(thrown as Error, new StageError(this.name, await vm.driver.withEvidence(reason))) as StageError
  }
}
