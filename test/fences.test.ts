import { spawnSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { check, checkTree, circles, importsOf, LONG, longFiles, missingRooms, unfenced, WHY } from './fences.js'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

test('imports in the tree run one way', () => {
  expect(checkTree(root).map(({ file, imports, why }) => `${file} imports ${imports}: ${why}`)).toEqual([])
})

test('every folder of the machine and of the harness has a fence, and every fence its room', () => {
  expect([unfenced(root), missingRooms(root)]).toEqual([[], []])
})

test('no files import one another in a ring', () => {
  const rooms = ['machine', 'reports', 'fixtures', 'harness', 'guests']
  expect(circles(root, rooms).filter((ring) => !ring[0].startsWith('machine/cpu/soft/core/'))).toEqual([])
})

test(`a file of more than ${LONG} lines says in its head why it is one`, () => {
  const long = longFiles(root, ['machine', 'reports', 'fixtures', 'harness', 'guests'])
  expect(long, `split it, or write in its head why it is ${WHY}`).toEqual([])
})

describe('a violation is found', () => {
  const refused = (file: string, text: string) => check(file, text, ['zod']).map(({ imports }) => imports)

  test.each([
    ['machine/create-machine.ts', "import { launch } from '../harness/index.js'"],
    ['machine/devices/timer/hpet.ts', "import type { Guest } from '../../../harness/guest.js'"],
    ['machine/devices/timer/hpet.ts', "import { IoApic } from '../../chipset/io-apic.js'"],
    ['reports/matrix-html.ts', "import type { Machine } from '../machine/machine.js'"],
    ['fixtures/iso.ts', "import { createMachine } from '../machine/create-machine.js'"],
    ['harness/guest.ts', "import freedos from '../guests/freedos/guest.js'"],
    ['guests/elks/guest.ts', "import { createMachine } from '../../machine/create-machine.js'"],
    ['guests/elks/guest.ts', "import { defineGuest } from '../../harness/guest/guest.js'"],
    ['harness/vm/vm.ts', "import { launch } from 'bootwright'"],
    ['machine/create-machine.ts', "export * from '../test/fences.js'"],
    ['machine/create-machine.ts', "const late = await import('../harness/guest/guest.js')"],
    ['machine/create-machine.ts', "import '../harness/guest.js'"],
    ['machine/create-machine.ts', "import {\n  a,\n  b,\n} from '../reports/words.js'"],
    ['harness/cli/main.ts', "import chalk from 'chalk'"],
    ['harness/runtime/runner.ts', "import { Vm } from '../vm/vm.js'"],
    ['harness/vm/vm.ts', "import type { Runner } from '../runtime/runner.js'"],
    ['harness/protocol/script.ts', "import { parseKeys } from '../keys/keys.js'"],
  ])('%s: %s', (file, text) => {
    expect(refused(file, text)).toHaveLength(1)
  })

  test.each([
    ['machine/create-machine.ts', "import { MachineClock } from './clock.js'"],
    ['machine/devices/timer/hpet.ts', "import type { Clock } from '../../clock.js'"],
    ['machine/devices/storage/ata-disk.ts', "import type { BlockDevice } from '../../media/block-device.js'"],
    ['fixtures/iso.ts', "import { floppyGeometry } from '../machine/media/floppy-geometry.js'"],
    ['harness/matrix-run.ts', "import type { Cell } from '../reports/matrix-result.js'"],
    ['harness/protocol/script.ts', "import type { Pattern } from '../keys/boot-command.js'"],
    ['guests/elks/guest.ts', "import { defineGuest } from 'bootwright'"],
    ['test/x.test.ts', "import { test } from 'vitest'\nimport { createMachine } from '../machine/create-machine.js'"],
    ['reports/matrix-result.ts', "import { z } from 'zod'\nimport { join } from 'node:path'"],
    ['machine/create-machine.ts', "// like import x from '../harness/x.js'\n/* import y from '../harness/y.js' */"],
  ])('and none in %s: %s', (file, text) => {
    expect(refused(file, text)).toEqual([])
  })
})

test('every form of import is seen', () => {
  const text = [
    "import a from './a.js'",
    "import type { B } from './b.js'",
    "export { c } from './c.js'",
    "import './d.js'",
    "const e = await import('./e.js')",
    "type F = import('./f.js').F",
  ].join('\n')
  expect(importsOf(text).map(({ path }) => path)).toEqual(['./a.js', './b.js', './c.js', './d.js', './e.js', './f.js'])
})

test('nothing is kept that no person has written: no file of more than 256 KiB', () => {
  const { status, stdout } = spawnSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8' })
  if (status !== 0) return
  const large = stdout
    .split('\0')
    .filter((path) => path && (statSync(join(root, path), { throwIfNoEntry: false })?.size ?? 0) > 256 << 10)
  expect(large).toEqual([])
})
