/** ROMs of devices are a part of what a machine is: another one is another machine, for stages and for snapshots. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import type { MachineConfig } from '../../../harness/config/machine-config.js'
import { optionRoms } from '../../../harness/config/option-roms.js'
import { stageKey } from '../../../harness/stages/stage-store.js'
import { absolute, checkInputs, inputsOf } from '../../../harness/thread/snapshot-files.js'
import { noFirmware } from '../../firmware-here.js'

const folder = mkdtempSync(join(tmpdir(), 'roms-'))
afterAll(() => rmSync(folder, { recursive: true }))
const rom = join(folder, 'card.rom')
const withCard = (romfile: string): MachineConfig => ({ devices: [{ type: 'e1000', options: { romfile } }] })
const key = (config: MachineConfig) => stageKey({ name: 'stage', config, parent: undefined, steps: '' })

test('those of an adapter and of a card, each once; none where none is wanted', () => {
  writeFileSync(rom, 'one')
  const two = [...(withCard(rom).devices ?? []), ...(withCard(rom).devices ?? [])]
  expect(optionRoms({ devices: two })).toEqual([{ name: rom, path: rom }])
  expect(optionRoms(withCard(''))).toEqual([])
  expect(optionRoms({})).toEqual([])
})

test('a file of the user’s is named by its whole path where a machine is written down, as others are', () => {
  writeFileSync(rom, 'one')
  const near = relative(process.cwd(), rom)
  const card = { type: 'e1000', options: { romfile: near } }
  const nic = { ...card, id: 'net0', mac: '52:54:00:12:34:56', net: 'lan' } as const
  const { devices, nics } = absolute({ devices: [card], nics: [nic] })
  expect([devices?.[0].options, nics?.[0].options]).toEqual([{ romfile: rom }, { romfile: rom }])
  const packaged = { devices: [{ type: 'e1000', options: { romfile: 'pxe-e1000.rom' } }] }
  expect(absolute(packaged).devices).toEqual(packaged.devices)
})

describe.skipIf(noFirmware)('another ROM', () => {
  test('is another stage', async () => {
    writeFileSync(rom, 'one')
    const before = await key(withCard(rom))
    expect(await key(withCard(rom))).toBe(before)
    writeFileSync(rom, 'another')
    expect(await key(withCard(rom))).not.toBe(before)
  })

  test('is not the one that a snapshot was made with', async () => {
    writeFileSync(rom, 'one')
    const saved = await inputsOf(withCard(rom), {})
    writeFileSync(rom, 'another')
    const here = await inputsOf(withCard(rom), {})
    expect(() => checkInputs(saved, here, 'the snapshot')).toThrow(/card\.rom" is not the ROM .*contents differ/)
    expect(() => checkInputs(saved, [], 'the snapshot')).toThrow(/needs its ROM/)
  })
})
