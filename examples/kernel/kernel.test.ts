/** Tests a kernel without a disk: what it says, its exit code, and a crash that is a failure at once, not a time-out. */
import { fileURLToPath } from 'node:url'
import { GuestExitError, launch } from 'bootwright'
import { expect, test } from 'bootwright/vitest'
import { writeKernel } from './kernel.js'

const [kernel, broken] = ['kernel.elf', 'broken.elf'].map((name) => fileURLToPath(new URL(name, import.meta.url)))
writeKernel(kernel)
writeKernel(broken, { isBroken: true })
test.use({ kernel, engine: 'soft' })

test('passes its own tests', async ({ vm }) => {
  await vm.serial.waitFor(/kernel: \d+ tests passed/)
  await expect(vm).toExit({ reason: 'debug-exit', code: 0x10 })
})

test('a triple fault ends a wait with registers and the exception', async () => {
  const vm = await launch({ kernel: broken, engine: 'soft' })
  const failure = await vm.serial.waitFor('passed').catch((error: unknown) => error)
  expect(failure).toBeInstanceOf(GuestExitError)
  expect((failure as GuestExitError).exit.reason).toBe('triple-fault')
  expect((failure as GuestExitError).message).toContain('#UD')
  await vm.close()
})
