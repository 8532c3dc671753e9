/** Races of two CPUs, invisible in a plain run: found in under 1,000 seeds, shrunk, bisected; and by the command. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { sameFailure } from '../../../harness/explore/explorer.js'
import { compiledKernel, haveCompiler } from '../../compiled-kernel.js'
import { noFirmware } from '../../firmware-here.js'
import { bootwright } from '../cli/command.js'
import { Project } from '../cli/project.js'
import { RACES, racing, racingKernel } from './races.js'

const project = new Project()
afterAll(() => project.remove())

describe.skipIf(!haveCompiler || noFirmware)('a race in a kernel on two CPUs', () => {
  test.each(RACES)('%s is found, shrunk, and fails at the same instruction three times', async (race) => {
    const { explorer, close } = await racing(race)
    try {
      const plain = await explorer.attempt({ departures: [] })
      expect(plain.error).toBeUndefined()
      const began = performance.now()
      const found = await explorer.explore({ seeds: { first: 1, last: 1000 }, jobs: 2 })
      const seconds = (performance.now() - began) / 1000
      if (!found) throw new Error('no seed of 1,000 found it')
      const { departures, error, instructions, guestTimeNs } = found.failed
      console.info(
        `${race}: seed ${found.seed}, ${found.found} departures shrunk to ${departures.length} in ${seconds.toFixed(1)} s`,
      )
      expect(error?.message).toMatch(race === 'LOST_WAKEUP' ? /^waited 0.01 s of guest time/ : /with code 1 /)
      expect(departures.length).toBeLessThanOrEqual(32)
      for (const one of departures) {
        const fewer = await explorer.attempt({ departures: departures.filter((other) => other !== one) })
        expect(
          fewer.error && error && sameFailure(fewer.error, error),
          'without one of them it fails as well',
        ).toBeFalsy()
      }
      for (let times = 0; times < 3; times++) {
        const again = await explorer.attempt({ departures })
        expect([again.error?.message, again.instructions, again.guestTimeNs]).toEqual([
          error?.message,
          instructions,
          guestTimeNs,
        ])
      }
      const { certainNs, openNs, place } = await explorer.bisectTime(departures, { tries: 5 })
      console.info(`${race}: certain from ${certainNs} ns on; ${place}`)
      expect(certainNs).toBeGreaterThan(plain.begunNs)
      expect(certainNs).toBeLessThan(guestTimeNs)
      expect(certainNs - openNs).toBeLessThanOrEqual(10)
      expect(place).toMatch(/^CPU 0 in .*kernel\.c:\d+\), CPU 1 in .*kernel\.c:\d+\)$/)
    } finally {
      await close()
    }
  })

  test('bootwright explore finds it, keeps it, runs it again, and bisects it', async () => {
    const kernel = racingKernel('ABA')
    const machine = JSON.stringify({ kernel, smp: 2, memory: 16, engine: 'soft' })
    project.write(
      'race',
      `const running = stage('running', ${machine}, async (vm) => { await vm.serial.waitFor('go') })
test.from(running)('keeps its nodes', async ({ vm }) => {
  await vm.serial.waitFor(/right|wrong/, { timeout: '10ms' })
  await expect(vm).toExit({}, { timeout: '10ms' })
})
test('takes no machine', () => { throw new Error('it is not run') })
test.from(running).explore('is explored', { seeds: '2..3' }, async ({ vm }) => {
  await vm.serial.waitFor(/right/, { timeout: '10ms' })
})`,
    )
    const run = (...args: string[]) =>
      bootwright(args, {
        cwd: project.folder,
        env: { NO_COLOR: '1', VITEST: undefined, CI: undefined },
      })
    const plain = await project.run(['-t', 'keeps'])
    expect(plain.code, plain.stdout + plain.stderr).toBe(0)
    const explored = await run('explore', 'race', '--seeds', '1..200', '--jobs', '2', '-t', 'keeps')
    expect(explored.code, explored.stdout + explored.stderr).toBe(1)
    expect(explored.stdout + explored.stderr).toMatch(
      /found by seed \d+ of \d+ that were tried; .* departures? from the plain run (is|are) enough/,
    )
    const folder = join(project.folder, '__seeds__', 'race.test.ts')
    const [kept] = readdirSync(folder)
    const { instructions } = JSON.parse(readFileSync(join(folder, kept), 'utf8'))
    const again = await run('explore', 'race', '--seed', join(folder, kept))
    expect(again.stdout + again.stderr).toContain(
      `at instruction ${instructions.toLocaleString('en-US')}, as it did before`,
    )
    const bisected = await run('bisect-time', 'race', '--seed', join(folder, kept), '--tries', '3')
    expect(bisected.code, bisected.stdout + bisected.stderr).toBe(0)
    expect(bisected.stdout).toMatch(/the failure was certain from \d+\.\d{9} s on, at instruction [\d,]+: 3 of 3 runs/)
    // A mended kernel in its place.
    writeFileSync(
      kernel,
      readFileSync(compiledKernel('mended', join(import.meta.dirname, 'kernel.c'), '-O1', '-DRACE=-1')),
    )
    const mended = await run('explore', 'race', '--seeds', '1..20')
    expect(mended.code, mended.stdout + mended.stderr).toBe(0)
  })
})
