import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parseModules, withModules } from '../../../harness/config/boot-modules.js'
import { makeElf } from '../../machine/firmware/kernels.js'

test('modules are parted by commas, and each file from its arguments by a space', () => {
  expect(parseModules('vmlinuz console=hvc0 quiet, initrd.gz')).toEqual([
    { path: 'vmlinuz', append: 'console=hvc0 quiet' },
    { path: 'initrd.gz' },
  ])
})

test('a comma doubled stands for itself', () => {
  expect(parseModules('a,,b console=tty0,,1,c')).toEqual([{ path: 'a,b', append: 'console=tty0,1' }, { path: 'c' }])
})

test('only for a Multiboot kernel is the initrd a list of modules', () => {
  const folder = mkdtempSync(join(tmpdir(), 'modules-'))
  const [multiboot, other] = [join(folder, 'xen'), join(folder, 'linux')]
  const segment = { virtual: 0x100000, physical: 0x100000, data: new Uint8Array(64) }
  writeFileSync(multiboot, makeElf([segment], 0x100010, 0))
  writeFileSync(other, new Uint8Array(20_000))
  expect(withModules({ path: multiboot, initrd: 'a b,c', append: 'x' })).toEqual({
    path: multiboot,
    modules: [{ path: 'a', append: 'b' }, { path: 'c' }],
    append: 'x',
  })
  for (const path of [other, join(folder, 'missing')])
    expect(withModules({ path, initrd: 'a b,c' })).toEqual({ path, initrd: 'a b,c' })
})
