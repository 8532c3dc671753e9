import { expect, test } from 'vitest'
import { Recording } from '../../../harness/codegen/recording.js'
import { CodegenSession } from '../../../harness/codegen/session.js'
import type { Script, Step } from '../../../harness/protocol/script.js'
import type { VmThread } from '../../../harness/thread/machine-thread.js'

/** A machine at a prompt whose scripts end when the test says so. */
function machine(mouse: boolean) {
  const steps: Step[] = []
  let end = () => {}
  const thread = {
    run(script: Script) {
      steps.push(...script.steps)
      const result = { outcome: 'ok', guestTimeNs: 0, exit: { reason: 'condition' } }
      return new Promise((resolve) => {
        end = () => resolve(result)
        // Nobody does anything: time goes by.
        if (script.steps.every(({ kind }) => kind === 'wait')) setImmediate(end)
      })
    },
    look: async () => ({ mode: { kind: 'text' }, text: 'A:\\>', cells: undefined, guestTimeNs: 0, mouse }),
    read: async () => ({ text: 'A:\\>', places: [] }),
    picture: async () => undefined,
    stop: () => end(),
  }
  return { thread: thread as unknown as VmThread, steps, stop: () => end() }
}

const hooks = (notes: string[]) => ({ onLines: () => {}, onNote: (text: string) => notes.push(text), onGuestTime() {} })

test('a click on a guest that does not listen to its mouse takes no time, and says so', async () => {
  const { thread, steps } = machine(false)
  const notes: string[] = []
  const recording = new Recording('t')
  const session = new CodegenSession(thread, 't', recording, hooks(notes))
  const running = session.run()
  session.pointer({ x: 300, y: 200, buttons: 1, dz: 0 } as never)
  session.pointer({ x: 300, y: 200, buttons: 0, dz: 0 } as never)
  await expect.poll(() => notes).toContain('The guest does not listen to its mouse.')
  session.stop()
  await running
  expect(steps.filter(({ kind }) => kind !== 'wait')).toEqual([])
  expect(recording.lines()).toEqual([])
})

test('keys that came while something else was done are in the test that is saved then', async () => {
  const { thread, steps } = machine(true)
  const recording = new Recording('t')
  const session = new CodegenSession(thread, 't', recording, hooks([]))
  const running = session.run()
  session.pointer({ x: 300, y: 200, buttons: 1, dz: 0 } as never)
  await expect.poll(() => steps.map(({ kind }) => kind)).toContain('mouse-to')
  for (const code of ['KeyD', 'KeyI', 'KeyR']) {
    session.key({ code, down: true })
    session.key({ code, down: false })
  }
  session.stop()
  await running
  expect(recording.lines()).toContain("await vm.keyboard.type('dir')")
  expect(steps.some(({ kind }) => kind === 'key')).toBe(false)
})
