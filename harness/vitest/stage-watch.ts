/**
 * Looks on while a stage is built: says now and then how it gets on, and keeps of one that fails what a test that fails
 * leaves, in a folder of its own.
 */
import { expect } from 'vitest'
import type { StageError, StageWatch } from '../stages/stage.js'
import type { Vm } from '../vm/vm.js'
import { progressLines } from '../words/progress-words.js'
import { outputFolder } from './baselines.js'
import { forgotten } from './forgotten.js'
import { holdFailure, pauseByDefault } from './hold-failure.js'
import { Recording } from './recording.js'

/** The files of a stage are found by this, as those of a test are by its name. */
export function stageTitle(name: string): string {
  return `stage ${name}`
}

export function watchStage(name: string): StageWatch | undefined {
  const { testPath } = expect.getState()
  return testPath === undefined ? undefined : new Watch(name, outputFolder(testPath, stageTitle(name)))
}

class Watch implements StageWatch {
  private readonly began = performance.now()
  private readonly lines
  private told = false
  private vm: Vm | undefined
  private recording: Recording | undefined

  constructor(
    private readonly name: string,
    readonly outputFolder: string,
  ) {
    this.lines = progressLines((line) => {
      this.told = true
      // Not by console: what vitest makes of that are three lines, and the name of whatever test comes next.
      process.stderr.write(`bootwright: stage '${name}': ${line}\n`)
    })
  }

  async begin(vm: Vm): Promise<void> {
    this.vm = vm
    vm.onProgress = (progress) => this.lines.show(progress)
    this.recording = new Recording(vm, stageTitle(this.name), KEEP, 0)
    await this.recording.begin()
  }

  async end(failure: StageError | undefined): Promise<void> {
    const { vm } = this
    if (!vm) return
    vm.onProgress = undefined
    const seconds = ((performance.now() - this.began) / 1000).toFixed(0)
    if (this.told && !failure) process.stderr.write(`bootwright: stage '${this.name}' is built (${seconds} s)\n`)
    if (!failure) return
    if (pauseByDefault() === 'failure') await holdFailure(vm, `the stage '${this.name}'`, failure.reason)
    await this.recording?.end(this.outputFolder, { failed: true, retry: 0 })
  }

  check(): void {
    const [first] = this.vm ? forgotten(this.vm.driver) : []
    if (first) throw first
  }
}

const KEEP = { trace: 'retain-on-failure', video: 'retain-on-failure' } as const
