/** Whose turn it is, with threads and a meeting that say when; `shared-network.test.ts` has real ones. */
import { expect, test } from 'vitest'
import type { VmThread } from '../../../../harness/thread/machine-thread.js'
import { NetworkMembers } from '../../../../harness/vm/network/network-members.js'
import type { Meeting } from '../../../../machine/network/meeting.js'

/** Node 20 has no `Promise.withResolvers`. */
function ending() {
  let resolve = () => {}
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}

/** Threads that stand as soon as they go along, and the numbers of those that did. */
function membersOf(count: number) {
  const went: number[] = []
  const arrived = new Set<number>()
  const meeting = {
    join() {},
    leave() {},
    withdraw: (member: number) => void arrived.delete(member),
    hasArrived: (member: number) => arrived.has(member),
  } as unknown as Meeting
  const members = new NetworkMembers(meeting)
  const memberships = Array.from({ length: count }, (_, number) => {
    const thread = {
      whenEnded: new Promise(() => {}),
      goAlong() {
        went.push(number)
        arrived.add(number)
        const stopped = ending()
        return { ended: stopped.promise, stop: stopped.resolve }
      },
    } as unknown as VmThread
    return members.add(number, thread, () => {})
  })
  return { memberships, went }
}

test.each([
  [0, 1],
  [1, 0],
])('two scripts that end together: %i is told first, and neither goes along after it', async (first, second) => {
  const { memberships, went } = membersOf(2)
  const ends = [ending(), ending()]
  const scripts = ends.map(({ promise }, number) => memberships[number].run(() => promise))
  await new Promise((resolve) => setTimeout(resolve, 5))
  ends[first].resolve()
  // It sees that the other has not come to its end, and waits for it.
  await new Promise((resolve) => setImmediate(resolve))
  ends[second].resolve()
  await Promise.all(scripts)
  expect(went).toEqual([])
})

test('while a script is awaited, who has none goes along, and stands when it ends', async () => {
  const { memberships, went } = membersOf(3)
  const end = ending()
  const script = memberships[1].run(() => end.promise)
  await new Promise((resolve) => setTimeout(resolve, 5))
  expect(went.sort()).toEqual([0, 2])
  end.resolve()
  await script
  await memberships[0].ask(async () => {})
  expect(went).toHaveLength(2)
})
