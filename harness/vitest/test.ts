/** `test` with a machine: launched for each test, or forked from a stage, and closed behind it. */

import { beforeAll, type TestAPI, type TestContext, vi, test as vitestTest } from 'vitest'
import { Explorer } from '../explore/explorer.js'
import { type Stage, StageError, watchStages } from '../stages/stage.js'
import { usersStack } from '../vm/call-site.js'
import { type LaunchOptions, launch } from '../vm/launch.js'
import type { Vm } from '../vm/vm.js'
import { clearTestOutput, outputFolder } from './baselines.js'
import { askedToExplore, type ExploreOptions, exploreTest } from './explore.js'
import { forgotten } from './forgotten.js'
import { holdFailure, pauseByDefault } from './hold-failure.js'
import { keepCaptures, Recording, type RecordingOptions } from './recording.js'
import { stageTitle, watchStage } from './stage-watch.js'
import { restartNames } from './to-have-screenshot.js'

/** What `vm` is launched with, what is kept of its run, and what becomes of a failure. */
export interface UseOptions extends LaunchOptions, RecordingOptions {
  /**
   * `failure`: a test that fails stops there, with a live view and a server for gdb on a fork of the moment, until it is
   * let go on at the terminal. Without a terminal, and in CI, it does not stop. Default `off`, or `failure` under
   * `bootwright test --pause-on-failure`.
   */
  pause?: 'off' | 'failure'
}

export interface VmFixtures {
  /** `test.use` sets it. */
  launchOptions: UseOptions
  /** The test's own machine. */
  vm: Vm
}

export type VmTest = TestAPI<VmFixtures> & {
  /** Sets what `vm` is launched with and what is kept, for the tests of this file or `describe` that follow. */
  use(options: UseOptions): void
  /**
   * A test that is run by many seeds, each on a fork of the same machine: turns of CPUs end early, and what timers, disks and
   * networks do comes late, by the seed. A failure is shrunk to the fewest departures from the plain run, kept beside the
   * test, and tried first from then on. The first run is the plain one. Soft engine.
   */
  explore(name: string, body: (context: { vm: Vm }) => unknown): void
  explore(name: string, options: ExploreOptions, body: (context: { vm: Vm }) => unknown): void
  /** A `test` whose machines go on from a stage, each on its own. */
  from(stage: Stage): VmTest
  /** A part of a test by its title: the trace has it, and what fails in it says so. */
  step<T>(title: string, body: () => T | Promise<T>): Promise<T>
}

/** vitest's own, which no guest boots in. */
const VITEST_TIMEOUT = 5000
const TEST_TIMEOUT = 10 * 60_000
const STAGE_TIMEOUT = 2 * 60 * 60_000
/** A person may look at a stage that failed for as long as they like. */
const NO_TIMEOUT = 0

/** Where the user has set no time-out in the configuration, tests with machines get one that suits them. */
function widenTimeout(): void {
  const worker = (globalThis as { __vitest_worker__?: { config?: { testTimeout?: number } } }).__vitest_worker__
  if (worker?.config?.testTimeout === VITEST_TIMEOUT) vi.setConfig({ testTimeout: TEST_TIMEOUT })
}

function create(stage: Stage | undefined): VmTest {
  const api = vitestTest.extend<VmFixtures>({
    launchOptions: {},
    // biome-ignore lint/suspicious/noExplicitAny: the type of fixtures is vitest's own matter
    vm: async ({ task, launchOptions }: any, use: (vm: Vm) => Promise<void>) => {
      const folder = outputFolder(task.file.filepath, fullName(task))
      restartNames(task.file.filepath, fullName(task))
      const retry = task.result?.retryCount ?? 0
      if (retry === 0 && !task.result?.repeatCount) clearTestOutput(folder)
      const {
        trace = 'retain-on-failure',
        video = 'retain-on-failure',
        pause = pauseByDefault(),
        ...own
      } = launchOptions
      checkPause(pause)
      const options = { outputFolder: folder, ...own }
      const vm = stage ? await ofStage(task, stage.fork(options)) : await launch(options)
      machines.add(vm)
      try {
        const recording = new Recording(vm, fullName(task), { trace, video }, retry)
        await recording.begin()
        await use(vm)
        const [unawaited] = forgotten(vm.driver)
        await tell(task, vm)
        const failure = task.result?.state === 'fail' ? task.result.errors?.at(-1) : unawaited
        // It has its time-out behind it: fixtures end outside of the test's time.
        if (pause === 'failure' && failure) await holdFailure(vm, `the test '${fullName(task)}'`, failure.message)
        task.meta.guestTimeNs = recording.guestTimeNs()
        await recording.end(folder, { failed: task.result?.state === 'fail' || unawaited !== undefined, retry })
        if (unawaited) task.context.onTestFinished(() => Promise.reject(unawaited))
      } finally {
        machines.delete(vm)
        await vm.close()
        keepCaptures(vm.settings.captures, folder, retry)
      }
    },
  })
  // A test that takes no machine needs its stage as well as one that does.
  const whole = (
    stage
      ? api.extend<{ stageIsThere: undefined }>({
          // biome-ignore lint/suspicious/noExplicitAny: as above
          stageIsThere: [async ({ task }: any, use: any) => use(await ofStage(task, stage.ready())), { auto: true }],
        })
      : api
  ) as typeof api
  return Object.assign(askedToExplore() ? exploringAll(whole, stage) : whole, {
    step,
    explore: exploring(whole, stage, true),
    use(options: UseOptions) {
      whole.override('launchOptions', options)
    },
    from(parent: Stage): VmTest {
      // Here, and not in a fixture: what a test waits for in its fixtures counts as its own time.
      beforeAll(() => parent.prepare(), pauseByDefault() === 'failure' ? NO_TIMEOUT : STAGE_TIMEOUT)
      return create(parent)
    },
  }) as unknown as VmTest
}

type Body = (context: { vm: Vm }) => unknown

/** Tests that say themselves that they are explored, by their titles. */
const meant = new Set<string>()

function exploring(api: TestAPI<VmFixtures>, stage: Stage | undefined, isMeant: boolean) {
  return (name: string, optionsOrBody: ExploreOptions | Body, last?: Body) => {
    if (isMeant) meant.add(name)
    const options = typeof optionsOrBody === 'function' ? {} : optionsOrBody
    const body = typeof optionsOrBody === 'function' ? optionsOrBody : (last as Body)
    // biome-ignore lint/suspicious/noExplicitAny: as above
    ;(api as any)(name, async ({ task, launchOptions, skip }: any) => {
      // Where some of a file's tests are meant for it, the others are asked for by their names alone.
      if (!isMeant && !askedToExplore()?.named && testsOf(task.file).some((one) => meant.has(one)))
        skip('the file has tests of test.explore; -t NAME explores this one')
      const { trace: _, video: __, pause: ___, ...own } = launchOptions
      const place = { file: task.file.filepath, name: fullName(task) }
      const settings = { outputFolder: outputFolder(place.file, place.name), ...own, ...(!stage && { engine: 'soft' }) }
      const base = stage ? await ofStage(task, stage.fork(settings)) : await launch(settings)
      const from = await base.snapshot()
      const explorer = new Explorer({
        // Thousands of them would each write their frames.
        open: () => base.forkFrom(from, { ...base.settings, captures: {} }),
        restart: (vm) => vm.restore(from),
        body: async (vm) => body({ vm }),
      })
      try {
        await exploreTest(explorer, place, options)
      } finally {
        await explorer.close()
        from.release()
        await base.close()
      }
    })
  }
}

interface Tasks {
  tasks: readonly ({ name: string } & Partial<Tasks>)[]
}

function testsOf({ tasks }: Tasks): string[] {
  return tasks.flatMap(({ name, tasks: own }) => (own ? testsOf({ tasks: own }) : [name]))
}

/** `bootwright explore`: each test with a machine is explored, and the others are left out. */
function exploringAll(api: TestAPI<VmFixtures>, stage: Stage | undefined): TestAPI<VmFixtures> {
  const explore = exploring(api, stage, false)
  return new Proxy(api, {
    apply(target, self, args: unknown[]) {
      const body = args.find((one) => typeof one === 'function') as Body | undefined
      const takesVm = body && /^[^{]*\{[^}]*\bvm\b/.test(String(body).slice(0, 500))
      if (takesVm && typeof args[0] === 'string') return explore(args[0], body)
      return Reflect.apply(target.skip as never, self, args)
    },
  })
}

/** Of the tests that run: one, but for concurrent ones. */
const machines = new Set<Vm>()

async function step<T>(title: string, body: () => T | Promise<T>): Promise<T> {
  for (const vm of machines) vm.note(title)
  try {
    return await body()
  } catch (error) {
    if (error instanceof Error) error.message += `\n\nin the step '${title}'`
    throw error
  }
}

function fullName(task: TestContext['task']): string {
  const names = [task.name]
  for (let { suite } = task; suite?.name; { suite } = suite) names.unshift(suite.name)
  return names.join(' > ')
}

/** A failure shows the machine's last screen; a success after a failure is marked flaky. */
async function tell(task: TestContext['task'], vm: Vm): Promise<void> {
  const { result, meta } = task
  if (result?.state === 'pass' && (result.retryCount ?? 0) > 0) meta.flaky = true
  const errors = result?.state === 'fail' ? (result.errors ?? []) : []
  for (const one of errors) one.stack &&= usersStack(one.stack)
  const error = errors.at(-1)
  if (error) error.message = await vm.driver.withEvidence(error.message)
}

function checkPause(pause: unknown): void {
  if (pause !== 'off' && pause !== 'failure')
    throw new TypeError(`pause '${String(pause)}' is unknown; it may be off, failure`)
}

/** The test leaves what the stage left, where that cannot be built. */
async function ofStage<T>(task: TestContext['task'], wanted: Promise<T>): Promise<T> {
  try {
    return await wanted
  } catch (error) {
    if (error instanceof StageError) task.meta.failedStage = stageTitle(error.stage)
    throw error
  }
}

declare module 'vitest' {
  interface TaskMeta {
    /** Failed at first, and passed when it was tried again. */
    flaky?: boolean
    /** Guest time that passed in the test, ns. */
    guestTimeNs?: number
    /** What it starts from could not be built; the name by which the files of that are found. */
    failedStage?: string
  }
}

widenTimeout()
watchStages(watchStage)

export const test = create(undefined)
