/** Debugs a kernel from a test: stops at a function, reads its memory by name, and finds the write that went too far. */
import { fileURLToPath } from 'node:url'
import { expect, test } from 'bootwright/vitest'
import { writeCountingKernel } from './counting-kernel.js'

const [kernel, symbols] = ['counting.bin', 'counting.map'].map((name) => fileURLToPath(new URL(name, import.meta.url)))
writeCountingKernel(kernel, symbols)
test.use({ kernel, symbols, engine: 'soft' })

test('stops where it is called, and says from where', async ({ vm }) => {
  await expect(vm).toReach('check')
  expect((await vm.backtrace()).map(({ symbol }) => symbol)).toEqual(['check', 'start'])
  expect((await vm.cpu(0).registers()).rip).toBe(await vm.memory.address('check'))
  expect(await vm.memory.read('counter', 4)).toEqual(Uint8Array.of(0, 0, 0, 0))
})

test('stops behind each write', async ({ vm }) => {
  for (const count of [1, 2, 3]) {
    await vm.watch('counter', { length: 4 })
    expect(await vm.memory.read('counter', 1)).toEqual(Uint8Array.of(count))
  }
})

test('a crash names the function, and how the CPU came there', async ({ vm }) => {
  const failure = await vm.serial.waitFor('ready').catch((error: Error) => error.message)
  expect(failure).toMatch(/triple fault before \/ready\/ on COM1 came; in check\.bug/)
  expect(failure).toMatch(/backtrace:\n {2}#0 0x00100040 check\.bug\n {2}#1 0x0010002a start\+0xa/)
})
