/** Typing at programs that leave their keys with the BIOS, in whose buffer there is room for fifteen. */
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { launch } from '../../../harness/index.js'
import type { Vm } from '../../../harness/vm/vm.js'
import { type ProgramName, programFloppy } from '../boot-programs.js'

const folder = mkdtempSync(join(tmpdir(), 'bootwright-typing-'))

async function boot(program: ProgramName, until: (vm: Vm) => Promise<unknown>): Promise<Vm> {
  const floppy = join(folder, `${program}.img`)
  writeFileSync(floppy, programFloppy(program))
  const vm = await launch({ floppy, engine: 'soft', memory: 16 })
  await until(vm)
  return vm
}

test('no key is lost to a program that fetches them slowly', async () => {
  const vm = await boot('slowEcho', ({ serial }) => serial.waitFor('>'))
  const text = 'abcdefghijklmnopqrstuvwxyz0123456789'.repeat(4)
  await vm.keyboard.type(text)
  await vm.wait('10s')
  expect(vm.serial.text()).toBe(`>${text}`)
  await vm.close()
})

test('a program that takes no keys at all is waited for once', async () => {
  const vm = await boot('idle', ({ serial }) => serial.waitFor('idle'))
  const before = (await vm.look()).guestTimeNs
  await vm.keyboard.type('x'.repeat(40))
  const seconds = ((await vm.look()).guestTimeNs - before) / 1e9
  expect(seconds).toBeGreaterThan(30)
  expect(seconds).toBeLessThan(40)
  await vm.close()
})

test('a snapshot file is gone on from, serial output and all, and forks again', async () => {
  const file = join(folder, 'echo.snapshot')
  const first = await boot('slowEcho', ({ serial }) => serial.waitFor('>'))
  await first.keyboard.type('ab')
  await first.serial.waitFor('ab')
  await (await first.snapshot()).save(file)
  await first.close()
  const vm = await launch({ snapshot: file, timeout: '20s' })
  expect(vm.serial.text()).toBe('>ab')
  const fork = await vm.fork()
  for (const [machine, key] of [
    [vm, 'c'],
    [fork, 'd'],
  ] as const) {
    await machine.keyboard.type(key)
    await machine.serial.waitFor(key)
    expect(machine.serial.text()).toBe(`>ab${key}`)
    await machine.close()
  }
})
