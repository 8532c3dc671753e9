/** Programs that await nothing but a machine: the process stays while they do, and ends when no machine is open. */
import { execFile } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { programFloppy } from '../boot-programs.js'

const folder = mkdtempSync(join(tmpdir(), 'bootwright-awaiting-'))
const floppy = join(folder, 'echo.img')
writeFileSync(floppy, programFloppy('echo'))
const library = new URL('../../../dist/harness/index.js', import.meta.url).href

/** What it writes; rejects where it ends with another code than 0, which is 13 where an await is never answered. */
async function program(source: string): Promise<string> {
  const file = join(folder, 'program.mjs')
  const launched = `launch({ floppy: ${JSON.stringify(floppy)}, engine: 'soft', memory: 16 })`
  writeFileSync(file, `import { launch } from ${JSON.stringify(library)}\nconst vm = await ${launched}\n${source}`)
  return (await promisify(execFile)(process.execPath, [file], { timeout: 50_000 })).stdout
}

const sayHow = `
  await fork.serial.waitFor('>')
  console.log(fork.serial.text())
  await fork.close()`

test('a fork is waited for when the only machine besides is closed, and its threads are in the making', async () => {
  const source = `const snapshot = await vm.snapshot()
    await vm.close()
    const fork = await vm.forkFrom(snapshot)
    ${sayHow}`
  expect(await program(source)).toBe('>\n')
})

test('a fork is waited for when its threads have been ready for long', async () => {
  const source = `const snapshot = await vm.snapshot()
    await vm.driver.thread.forksReady(snapshot.machine)
    await vm.close()
    const fork = await vm.forkFrom(snapshot)
    // Until then the thread that is made in place of this one keeps the process.
    await vm.driver.thread.forksReady(snapshot.machine)
    for (let i = 0; i < 20; i++) await fork.wait('1s')
    ${sayHow}`
  expect(await program(source)).toBe('>\n')
})

test('a fork is waited for when there are more than threads were ready', async () => {
  const source = `const snapshot = await vm.snapshot()
    await vm.close()
    const [fork, ...others] = await Promise.all([1, 2, 3, 4].map(() => vm.forkFrom(snapshot)))
    for (const other of others) await other.close()
    ${sayHow}`
  expect(await program(source)).toBe('>\n')
})

test('threads that wait for forks alone do not keep the process', async () => {
  const source = `await vm.snapshot()
    await vm.driver.thread.prepareForks()
    console.log('closing')
    await vm.close()`
  expect(await program(source)).toBe('closing\n')
})
