/** Looks for races in a kernel on two CPUs, counts what it costs, and keeps which lines of it were executed. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Vm } from 'bootwright'
import { describe, expect, stage, test } from 'bootwright/vitest'

const [source, kernel] = ['kernel.c', 'kernel.elf'].map((name) => fileURLToPath(new URL(name, import.meta.url)))
const flags =
  '-m32 -g -O1 -ffreestanding -fno-pic -no-pie -fno-stack-protector -fcf-protection=none -mno-sse -nostdlib -static'
const linker = ['-Wl,-Ttext=0x100000', '-Wl,--build-id=none', '-Wl,-z,noexecstack']
const built = spawnSync('gcc', [...flags.split(' '), ...linker, '-o', kernel, source]).status === 0

const running = stage('two CPUs', { kernel, smp: 2, memory: 16, engine: 'soft' }, async (vm) => {
  await vm.serial.waitFor('go')
})

async function countsRight(vm: Vm): Promise<void> {
  await vm.serial.waitFor(/right|wrong/, { timeout: '20ms' })
  await expect(vm).toExit({}, { timeout: '10ms' })
}

describe.skipIf(!built)('a kernel on two CPUs', () => {
  test.from(running).explore('counts right, whoever has its turn', { seeds: '1..20' }, async ({ vm }) => {
    await countsRight(vm)
  })

  test.from(running)('costs the same in every run', async ({ vm }) => {
    const again = await vm.fork()
    const [one, other] = [await vm.measure(() => countsRight(vm)), await again.measure(() => countsRight(again))]
    await again.close()
    expect(other).toEqual(one)
    await expect(one).toRetireAtMost(400_000)
  })

  describe('its lines', () => {
    test.use({ kernel, smp: 2, memory: 16, coverage: kernel })

    test('are kept for bootwright coverage', async ({ vm }) => {
      await expect(vm).toExit()
    })
  })
})
