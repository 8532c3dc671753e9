/** Multiboot 2 and PVH kernels, booted: what each says that it was told. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { launch } from '../../../../harness/vm/launch.js'
import { compiledKernel, haveCompiler } from '../../../compiled-kernel.js'
import { noFirmware } from '../../../firmware-here.js'

const SOURCE = join(import.meta.dirname, 'kernel.c')
const folder = mkdtempSync(join(tmpdir(), 'bootwright-protocols-'))
afterAll(() => rmSync(folder, { recursive: true }))
const module = join(folder, 'module.bin')
writeFileSync(module, Uint8Array.of(1, 2, 3, 0x50))

async function told(kernel: string): Promise<{ said: string; row: number[] }> {
  const vm = await launch({ memory: '32M', kernel, append: 'root=none quiet', initrd: module, engine: 'soft' })
  await vm.waitForExit()
  const said = vm.debugConsole.text()
  const { data, width } = await vm.driver.ask((thread) => thread.frame())
  await vm.close()
  return { said: said.slice(said.indexOf('magic ')), row: [width, data[0], data[4 * (width - 1)], data[4 * width]] }
}

describe.skipIf(!haveCompiler || noFirmware)('a kernel', () => {
  test('for Multiboot 2 gets memory, modules, sections, ACPI and the picture that it asked for', async () => {
    const { said, row } = await told(compiledKernel('multiboot2', SOURCE, '-O1'))
    expect(said).toMatch(/^magic 36d76289\ntotal 00000000\ncommand line: root=none quiet\n/)
    expect(said).toContain('module bytes 00000004\nmodule sum 00000056\nmodule line: module.bin\n')
    expect(said).toMatch(/^lower 0000027f\nupper 00007[b-f]\w\w\n/m)
    expect(said).toMatch(/^sections 000000\w\w\n\.symtab\n/m)
    expect(said).toContain('rsdp sum 00000000\nrsdp sum, all 00000000\n')
    expect(said).toMatch(/^range 00000000\n {2}bytes 0009fc00\n {2}type 00000001\n/m)
    expect(said).toMatch(/^range 00100000\n {2}bytes 01\w{6}\n {2}type 00000001\n/m)
    expect(said).toMatch(
      /^framebuffer [ef]d000000\n {2}pitch 00001000\n {2}width 00000400\n {2}height 00000300\n {2}bits, kind 00000120\n {2}colours 08080810\n/m,
    )
    expect(said).toMatch(/end 00000001\n$/)
    expect(row).toEqual([1024, 255, 255, 0])
  })

  test('for PVH gets its start info, memory, a module and ACPI', async () => {
    const { said } = await told(compiledKernel('pvh', SOURCE, '-O1', '-DPVH', '-Wl,--section-start=.note.Xen=0x110000'))
    expect(said).toMatch(/^magic 336ec578\nversion 00000001\nmodules 00000001\ncommand line: root=none quiet\n/)
    expect(said).toContain('module bytes 00000004\nmodule sum 00000056\nRSDP RSD PTR \nrsdp sum 00000000\n')
    expect(said).toMatch(/^range 00000000\n {2}bytes 0009fc00\n {2}type 00000001\n/m)
    expect(said).toMatch(/^range 00100000\n {2}bytes 01\w{6}\n {2}type 00000001\n/m)
  })
})
