/** SeaBIOS reads floppies of every format to their last sector, by INT 13h. */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { createMachine } from '../../../machine/create-machine.js'
import { findFirmware } from '../../../machine/firmware/find-firmware.js'
import { FLOPPY_GEOMETRIES, type FloppyGeometry, floppySize } from '../../../machine/media/floppy-geometry.js'
import { MemoryMedium } from '../../../machine/media/memory.js'
import { firmwareNote, noFirmware } from '../../firmware-here.js'

const MARK = 0x5a
/** SeaBIOS has 80 in the tables of all its drives: what lies beyond is for systems with drivers of their own. */
const BIOS_CYLINDERS = 80

/** xor ax, ax; mov ds, ax; mov es, ax; mov ax, 201h; mov bx, 7e00h; int 13h; then AH and the first byte read to COM1 */
function readOneSector(cylinder: number, head: number, sector: number): number[] {
  return [
    ...[0x31, 0xc0, 0x8e, 0xd8, 0x8e, 0xc0, 0xb8, 0x01, 0x02, 0xbb, 0x00, 0x7e],
    ...[0xb9, sector, cylinder, 0xba, 0x00, head, 0xcd, 0x13],
    ...[0xba, 0xf8, 0x03, 0x88, 0xe0, 0xee, 0xa0, 0x00, 0x7e, 0xee, 0xf4, 0xeb, 0xfd],
  ]
}

/** The BIOS's status and the first byte of the last sector that it can reach. */
function lastSector({ cylinders, heads, sectorsPerTrack }: FloppyGeometry, medium: MemoryMedium): number[] {
  const cylinder = Math.min(cylinders, BIOS_CYLINDERS) - 1
  medium.data.set(readOneSector(cylinder, heads - 1, sectorsPerTrack))
  medium.data.set([0x55, 0xaa], 510)
  medium.data[((cylinder + 1) * heads * sectorsPerTrack - 1) * 512] = MARK
  const { bios, vgaBios } = findFirmware()
  const said: number[] = []
  const machine = createMachine({
    engine: 'soft',
    memory: 2 << 20,
    floppies: [medium],
    disks: [],
    firmware: { bios: readFileSync(bios.path), vgaBios: readFileSync(vgaBios.path) },
    onSerial: (_, byte) => void said.push(byte),
  })
  while (machine.now() < 20e9 && said.length < 2) machine.run(machine.now() + 50e6)
  machine.close()
  return said
}

describe.skipIf(noFirmware)(`a floppy's last sector by the BIOS${firmwareNote}`, () => {
  test.each(FLOPPY_GEOMETRIES.map((geometry) => [geometry.name, geometry] as const))('of %s', (_, geometry) => {
    const medium = new MemoryMedium(floppySize(geometry))
    expect(lastSector(geometry, medium)).toEqual([0, MARK])
  })
})
