import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { stageKey } from '../../../harness/stages/stage-store.js'

const folder = mkdtempSync(join(tmpdir(), 'bootwright-store-'))
const image = (name: string, fill: number) => {
  const path = join(folder, name)
  writeFileSync(path, new Uint8Array(512).fill(fill))
  return { path }
}

describe('the key of a stage', () => {
  const base = { name: 'installed', parent: undefined, steps: 'async (vm) => {}' }
  const key = (changes: object = {}, config: object = {}) =>
    stageKey({ ...base, config: { memory: 1 << 24, floppies: [image('a.img', 1)], ...config }, ...changes })

  test('is the same for the same contents, wherever they are', async () => {
    expect(await key({}, { floppies: [image('other.img', 1)] })).toBe(await key())
  })

  test('is the same whatever number the test runner gives an import, and wherever the steps stand', async () => {
    const steps = (number: number, indent: string) =>
      `async (vm) => {\n${indent}await (0,__vite_ssr_import_${number}__.expect)(vm.screen).toHaveText("a  b");\n}`
    const one = await key({ steps: steps(0, '\t') })
    expect(await key({ steps: steps(3, '    ') })).toBe(one)
    expect(await key({ steps: steps(0, '\t').replace('a  b', 'a b') })).not.toBe(one)
  })

  test.each<[string, object, object]>([
    ['its name', { name: 'other' }, {}],
    ['its steps', { steps: 'async (vm) => { await vm.wait(1) }' }, {}],
    ['its parent', { parent: 'abc' }, {}],
    ['memory', {}, { memory: 1 << 25 }],
    ['the engine', {}, { engine: 'soft' }],
    ['the CPU', {}, { cpu: '486' }],
    ['the number of CPUs', {}, { cpus: 2 }],
    ['the boot menu', {}, { bootMenu: {} }],
    ['a medium’s contents', {}, { floppies: [image('b.img', 2)] }],
    ['the drive of a medium', {}, { floppies: [], disks: [image('a.img', 1)] }],
  ])('changes with %s', async (_, changes, config) => {
    expect(await key(changes, config)).not.toBe(await key())
  })
})
