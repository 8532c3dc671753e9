/** Every type of the catalogue: a machine with one is saved, and goes on in another that has it, and in none that has not. */
import { afterAll, describe, expect, test } from 'vitest'
import { DEVICE_TYPES, DeviceError } from '../../../machine/devices/catalogue.js'
import { differences } from '../../../machine/state/compare.js'
import type { MachineState } from '../../../machine/state/machine-state.js'
import { closeLayer, type MemoryLayer } from '../../../machine/state/memory-image.js'
import { barePc, NEEDED_OPTIONS } from './bare-pc.js'

const MS = 1e6
const layers = new Set<MemoryLayer>()
afterAll(() => {
  for (const layer of layers) closeLayer(layer)
})

function save(machine: ReturnType<typeof barePc>): MachineState {
  const state = machine.pc.save()
  for (const layer of state.memory.layers) layers.add(layer)
  return state
}

/** What every bare PC has: its drives, and devices that another of their type takes the place of. */
const OWN = Object.values(barePc().pc.shape().devices)
const plugged = DEVICE_TYPES.filter(({ bus }) => bus !== 'ide' && bus !== 'floppy').map(({ type }) => type)

describe('a type of the catalogue', () => {
  test.each(plugged)('%s: its state goes to another machine', (type) => {
    const devices = [{ type, options: NEEDED_OPTIONS[type] }]
    const [machine, copy] = [barePc({ devices }), barePc({ devices })]
    machine.run(3 * MS)
    const saved = save(machine)
    copy.pc.load(structuredClone(saved))
    expect(differences(saved, save(copy))).toEqual([])
    for (const one of [machine, copy]) one.run(5 * MS)
    expect(differences(save(machine), save(copy))).toEqual([])
    if (!OWN.includes(type)) expect(() => barePc().pc.load(structuredClone(saved))).toThrow(new RegExp(type))
    for (const one of [machine, copy]) one.pc.close()
  })

  test('is in one machine twice, or there is a sentence that says why not', () => {
    const refused = plugged.filter((type) => {
      const devices = ['one', 'two'].map((id) => ({ type, id, options: NEEDED_OPTIONS[type] }))
      try {
        barePc({ devices }).pc.close()
        return false
      } catch (error) {
        expect(error, type).toBeInstanceOf(DeviceError)
        return true
      }
    })
    const CARDS = ['e1000', 'e1000-82544gc', 'ne2k_pci', 'pcnet', 'rtl8139', 'virtio-net-pci', 'virtio-rng-pci']
    expect(refused.filter((type) => CARDS.includes(type))).toEqual([])
  })

  test('is a drive, and every PC has one, or is among those above', () => {
    const drives = DEVICE_TYPES.filter(({ bus }) => bus === 'ide' || bus === 'floppy').map(({ type }) => type)
    expect(drives.filter((type) => !OWN.includes(type))).toEqual([])
    expect(plugged.length + drives.length).toBe(DEVICE_TYPES.length)
  })
})
