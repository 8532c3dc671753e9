/** `bootwright explore FILE`: which tests of a file it runs, and how often. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { noFirmware } from '../../../firmware-here.js'
import { bootwright } from '../command.js'
import { Project } from '../project.js'

const project = new Project()
afterAll(() => project.remove())

test.skipIf(noFirmware)(
  'the tests of test.explore where a file has any, else each that takes a machine, once as they are and by each seed',
  async () => {
    const log = join(project.folder, 'ran.txt')
    const machine = { floppy: project.floppy('echo'), engine: 'soft', memory: 16 }
    const head = `import { appendFileSync } from 'node:fs'
      test.use(${JSON.stringify(machine)})
      const ran = (name) => appendFileSync(${JSON.stringify(log)}, name + '\\n')\n`
    project.write(
      'meant',
      `${head}test.explore('meant', { seeds: '1..50' }, async ({ vm }) => { ran('meant'); await vm.serial.waitFor('>') })
      test('beside it', async ({ vm }) => { ran('beside it'); await vm.serial.waitFor('>') })`,
    )
    project.write(
      'plain',
      `${head}test('plain', async ({ vm }) => { ran('plain'); await vm.serial.waitFor('>') })
      test('without a machine', () => { ran('without a machine') })`,
    )
    const files = ['meant', 'plain'].map((name) => join(project.folder, `${name}.test.ts`))
    const args = ['explore', ...files, '--seeds', '3..4', '--jobs', '1']
    const env = { VITEST: undefined, CI: undefined, TMPDIR: project.temporary }
    const ended = await bootwright(args, { cwd: project.folder, env })
    expect(ended).toMatchObject({ code: 0 })
    const counts = new Map<string, number>()
    for (const name of readFileSync(log, 'utf8').trimEnd().split('\n')) counts.set(name, (counts.get(name) ?? 0) + 1)
    // The plain run and two seeds.
    expect(Object.fromEntries(counts)).toEqual({ meant: 3, plain: 3 })
  },
  120_000,
)
