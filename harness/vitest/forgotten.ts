/**
 * Matchers that nobody awaited. What a matcher waits for goes on behind the test then, and whether it came tells no one:
 * a test that forgets an `await` passes, whatever the guest does. So each matcher's promise counts who waits for it.
 */
import type { MatcherState, TestContext } from 'vitest'
import type { CallSite } from '../vm/call-site.js'
import { at, callSite } from '../vm/call-site.js'
import type { VmDriver } from '../vm/driver.js'
import { Vm } from '../vm/vm.js'

/** A matcher's promise was not awaited. */
export class ForgottenAwaitError extends Error {
  override readonly name = 'ForgottenAwaitError'
}

interface Asked {
  matcher: string
  site: CallSite
  /** How often someone waited for the promise, or for one that came of it. */
  waits: number
  /** Those of vitest: it waits for the result, and for an `expect.soft` once more for the error. */
  own: number
}

const matchers = new WeakMap<VmDriver, Asked[]>()
/** Tests whose end is waited for. */
const tests = new WeakSet<object>()

type Matcher = (this: MatcherState, received: unknown, ...rest: never[]) => Promise<unknown>

/** The matcher, whose promise is watched. */
export function awaited(matcher: string, run: Matcher): Matcher {
  return function (received, ...rest) {
    const driver = driverOf(received)
    const own = (this as { soft?: boolean }).soft ? 2 : 1
    const asked: Asked = { matcher, site: callSite(), waits: 0, own }
    if (driver) {
      matchers.set(driver, [...(matchers.get(driver) ?? []), asked])
      atEndOfTest(this, driver)
    }
    return new WatchedPromise((resolve, reject) => {
      run.call(this, received, ...rest).then(resolve, (error) => reject(at(asked.site, error)))
    }).watchedBy(asked)
  }
}

/** An error for each matcher on this machine that nobody waited for; each is told once. */
export function forgotten(driver: VmDriver): ForgottenAwaitError[] {
  const asked = matchers.get(driver) ?? []
  matchers.delete(driver)
  return asked.filter(({ waits, own }) => waits <= own).map(told)
}

function told({ matcher, site }: Asked): ForgottenAwaitError {
  const sentence = `${matcher}() was not awaited, so nothing waited for it: write 'await expect(…).${matcher}(…)'`
  return at(site, new ForgottenAwaitError(sentence)) as ForgottenAwaitError
}

/** The fixture `vm` asks by itself, before its machine is closed; here are machines that a test has launched. */
function atEndOfTest(state: MatcherState, driver: VmDriver): void {
  const { task } = state as { task?: { context: TestContext } }
  if (!task || tests.has(task)) return
  tests.add(task)
  try {
    task.context.onTestFinished(() => {
      for (const error of forgotten(driver)) throw error
    })
  } catch {
    // In a hook there is no such end.
  }
}

class WatchedPromise<T> extends Promise<T> {
  private asked: Asked | undefined

  watchedBy(asked: Asked): this {
    this.asked = asked
    // One that nobody waits for is told of by `forgotten`.
    super.then(undefined, () => {})
    return this
  }

  // biome-ignore lint/suspicious/noThenProperty: that someone waits is seen here alone
  override then<A = T, B = never>(
    met?: ((value: T) => A | PromiseLike<A>) | null,
    failed?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    const { asked } = this
    if (!asked) return super.then(met, failed)
    asked.waits++
    // vitest makes the error of a matcher that failed here, where the stack says nothing of the test any more.
    const decided = (value: T) => {
      try {
        return (met as (value: T) => A)(value)
      } catch (error) {
        throw at(asked.site, error)
      }
    }
    return (super.then(met && decided, failed) as WatchedPromise<A | B>).watchedBy(asked)
  }
}

function driverOf(received: unknown): VmDriver | undefined {
  if (received instanceof Vm) return received.driver
  const { driver, region } = (received ?? {}) as { driver?: VmDriver; region?: { driver: VmDriver } }
  return driver ?? region?.driver
}
