/** Callers by the tables that compilers write, where nothing on the stack says where a frame begins. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { CallFrames } from '../../../machine/debug/symbols/call-frames.js'
import { OrcTable } from '../../../machine/debug/symbols/orc.js'
import { readSymbols } from '../../../machine/debug/symbols/read-symbols.js'
import type { SymbolFile } from '../../../machine/debug/symbols/symbol-file.js'
import { compiledKernel, haveCompiler } from '../../compiled-kernel.js'
import { noFirmware } from '../../firmware-here.js'
import { Random } from '../../random.js'
import { debuggedKernel } from './debugged-kernel.js'
import { asBytes } from './symbols/made-elf.js'

const PLAIN = [
  '-O2',
  '-fomit-frame-pointer',
  '-fno-optimize-sibling-calls',
  '-fno-ipa-cp',
  '-fno-inline',
  '-fno-partial-inlining',
]
const SOURCE = join(import.meta.dirname, 'unwind.c')

/** The functions where `leaf` is reached, each with how it was found. */
function framesAt(path: string): string[] {
  const file = readSymbols(asBytes(readFileSync(path)))
  const machine = debuggedKernel(path, file)
  const { debugTarget } = machine
  const here = file.symbols.find(({ name }) => name === 'here')?.address
  debugTarget?.setBreakpoints([{ kind: 'execute', address: here as bigint, length: 1 }])
  machine.run(1e9)
  const frames = debugTarget?.backtraces()[0].frames.map(({ symbol, by }) => `${symbol} by ${by}`)
  machine.close()
  return frames ?? []
}

describe.skipIf(!haveCompiler || noFirmware)('functions without frame pointers', () => {
  const wanted = ['middle', 'outer', 'kmain', '_start'].map((name) => `${name} by unwind table`)
  test.each([
    ['.debug_frame', ['-g', '-fno-asynchronous-unwind-tables']],
    ['.eh_frame', ['-g0', '-fasynchronous-unwind-tables']],
  ])('have their callers by %s', (section, flags) => {
    const kernel = compiledKernel(`unwind${section}`, SOURCE, ...PLAIN, ...flags)
    expect(framesAt(kernel)).toEqual([expect.stringMatching(/^(here|leaf) by registers$/), ...wanted])
  })

  test('tables that are damaged tell nothing, or something else, and end', () => {
    const whole = readFileSync(
      compiledKernel('unwind-damaged', SOURCE, ...PLAIN, '-g0', '-fasynchronous-unwind-tables'),
    )
    const { unwind, symbols } = readSymbols(asBytes(whole)) as SymbolFile
    const at = symbols.find(({ name }) => name === 'middle')?.address as bigint
    expect(unwind?.at(at + 16n)).toMatchObject({ base: 'sp' })
    const start = whole.indexOf(Buffer.from('zR\0', 'latin1')) - 9
    const bytes = whole.subarray(start, start + 400)
    const random = new Random(16)
    for (let i = 0; i < 3000; i++) {
      const damaged = Buffer.from(bytes)
      for (let n = random.below(6); n >= 0; n--) damaged[random.below(damaged.length)] = random.below(256)
      const frames = new CallFrames({ bytes: damaged, address: 0x100000n, eh: true }, 4)
      for (let address = 0xfff00n; address < 0x100400n; address += 64n) frames.at(address)
    }
  })
})

describe('ORC', () => {
  const word = (spReg: number, bpReg: number, type: number) => spReg | (bpReg << 4) | (type << 8)
  const entries = (rows: readonly (readonly [number, number, number])[]) => {
    const view = new DataView(new ArrayBuffer(rows.length * 6))
    for (const [i, [sp, bp, bits]] of rows.entries()) {
      view.setInt16(i * 6, sp, true)
      view.setInt16(i * 6 + 2, bp, true)
      view.setUint16(i * 6 + 4, bits, true)
    }
    return new Uint8Array(view.buffer)
  }
  /** One row each 16 bytes from `code` on. */
  function table(code: bigint, hasHeader: boolean, ...rows: [number, number, number][]): OrcTable {
    const address = 0xffffffff82000000n
    const ips = new DataView(new ArrayBuffer(rows.length * 4))
    for (const i of rows.keys()) ips.setInt32(i * 4, Number(code - address) + 16 * i - 4 * i, true)
    return new OrcTable({ ips: new Uint8Array(ips.buffer), address, entries: entries(rows), hasHeader })
  }
  const code = 0xffffffff81000000n

  test('says where the caller’s stack and frame pointer are, as Linux 6.1 has it', () => {
    const orc = table(
      code,
      false,
      [8, 0, word(5, 0, 0)],
      [16, -16, word(5, 1, 0)],
      [16, -16, word(4, 1, 0)],
      [8, 0, word(9, 0, 0)],
      [0, 0, word(5, 0, 1)],
      [0, 0, word(5, 0, 2)],
      [0, 0, word(0, 0, 4)],
      [0, 0, word(0, 0, 0)],
    )
    expect(orc.at(code - 1n)).toBeUndefined()
    const rules = Array.from({ length: 8 }, (_, i) => orc.at(code + BigInt(16 * i + 3)))
    expect(rules).toEqual([
      { base: 'sp', offset: 8n, pc: -8n },
      { base: 'sp', offset: 16n, pc: -8n, fp: { base: 'cfa', offset: -16n } },
      { base: 'fp', offset: 16n, pc: -8n, fp: { base: 'cfa', offset: -16n } },
      { base: 'sp', offset: 0n, indirect: 8n, pc: -8n },
      { base: 'sp', offset: 0n, pc: 128n, sp: 152n, fp: { base: 'cfa', offset: 32n } },
      { base: 'sp', offset: 0n, pc: 0n, sp: 24n },
      'end',
      undefined,
    ])
  })

  test('has other types from Linux 6.4 on', () => {
    const orc = table(
      code,
      true,
      [8, 0, word(5, 0, 2)],
      [0, 0, word(5, 0, 3)],
      [0, 0, word(0, 0, 1)],
      [0, 0, word(5, 0, 0)],
    )
    const rules = Array.from({ length: 4 }, (_, i) => orc.at(code + BigInt(16 * i)))
    expect(rules).toEqual([
      { base: 'sp', offset: 8n, pc: -8n },
      { base: 'sp', offset: 0n, pc: 128n, sp: 152n, fp: { base: 'cfa', offset: 32n } },
      'end',
      undefined,
    ])
  })
})
