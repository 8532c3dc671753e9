/** What a machine has to tell: one object, as its schema says; what devices warn of is heard, and kept in states. */
import { expect, test } from 'vitest'
import { warningLine } from '../../harness/words/evidence.js'
import { MachineReport } from '../../machine/report.js'
import { closeLayer } from '../../machine/state/memory-image.js'
import { loadState, saveState } from '../../machine/state/state-table.js'
import { Warnings } from '../../machine/warnings.js'
import { barePc } from './state/bare-pc.js'

test('a machine reports warnings by their text, with the unhandled and the last accesses, and a copy knows them', () => {
  const machine = barePc()
  machine.in(0x333)
  // A command that no keyboard has, and a register of the floppy controller that cannot be written.
  for (let i = 0; i < 3; i++) machine.out(0x60, 0xe1)
  machine.run(20e6)
  machine.out(0x3f0, 1, 2)
  const report = machine.pc.report()
  expect(MachineReport.strict().parse(report)).toEqual(report)
  expect(report.unhandled).toMatchObject([{ kind: 'port', address: 0x333, reads: 1 }])
  expect(report.lastIo).not.toHaveLength(0)
  expect(report.registers).toContain('EIP')
  const words = report.warnings.map(warningLine)
  expect(words).toContain('write to a read-only 82077 register, 2 times, last at 0x3f0')
  expect(words.some((line) => line.startsWith('keyboard command e1 is unknown'))).toBe(true)

  const state = machine.pc.save()
  const copy = barePc()
  copy.pc.load(state)
  expect(copy.pc.report().warnings).toEqual(report.warnings)
  for (const layer of state.memory.layers) closeLayer(layer)
  machine.pc.close()
  copy.pc.close()
})

test('a loop is one line, and a guest cannot fill the list', () => {
  const warnings = new Warnings()
  for (let i = 0; i < 5; i++) warnings.warn('a register', i)
  for (let i = 0; i < 1000; i++) warnings.warn(`${i} ${'x'.repeat(5000)}`)
  const list = warnings.list()
  expect(list).toHaveLength(201)
  expect(list[0]).toMatchObject({ text: 'further warnings', count: 801 })
  expect(list[1]).toEqual({ text: 'a register', address: 4, count: 5 })
  const copy = new Warnings()
  loadState(copy, saveState(warnings))
  expect(copy.list()).toEqual(list)
})
