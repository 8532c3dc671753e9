import { describe, test } from 'vitest'
import { firmwareNote, noFirmware } from '../firmware-here.js'
import { expectTheSame } from './jit-machines.js'

describe.skipIf(noFirmware)(`a machine is the same whatever is compiled${firmwareNote}`, () => {
  test('SeaBIOS and its search for something to boot', () => {
    expectTheSame(() => ({}), ['off', '40', '500'], 300, 50)
  })

  test('the same with two CPUs', () => {
    expectTheSame(() => ({ cpus: 2 }), ['off', '40'], 150, 50)
  })
})
